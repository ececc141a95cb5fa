"""The files below a directory that stands in for `/`; nothing outside of it is ever opened."""

from __future__ import annotations

__all__ = ["MAX_LINKS", "Directory", "Stat", "inside"]

import errno
import os
import stat
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from types import TracebackType

MAX_LINKS = 40  # as in the kernel (path_resolution(7))
_STEP = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_NOFOLLOW | os.O_CLOEXEC
_LIST = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_CHUNK = 1 << 16
_LABEL = "security.selinux"
_SPARE = 100
_NO_NAMES = frozenset({"", ".", ".."})
_TYPES = {
    stat.S_IFREG: "f",
    stat.S_IFDIR: "d",
    stat.S_IFLNK: "l",
    stat.S_IFCHR: "c",
    stat.S_IFBLK: "b",
    stat.S_IFIFO: "p",
    stat.S_IFSOCK: "s",
}


def inside(root: str, path: str | os.PathLike[str]) -> str | None:
    """Return the absolute path that `path` is after a chroot into `root`; None when it is not below, or that is `/`."""
    if root == "/":
        return None
    top = os.path.abspath(root).rstrip("/")  # noqa: PTH100 - no link of it may be followed here
    full = os.path.abspath(path)  # noqa: PTH100 - as above
    return full[len(top) :] if top and full.startswith(f"{top}/") else None


class Stat(msgspec.Struct, frozen=True, kw_only=True):
    """What is at a path: `type` is f, d, l, c, b, p or s (file, directory, link, devices, FIFO, socket).

    A node of which only sysfs told has `told`: its `mode` is 0 unless its driver asks for one, its owner is unknown.
    """

    type: str
    mode: int  # permission bits
    uid: int = 0
    gid: int = 0
    major: int | None = None  # of c and b
    minor: int | None = None
    modified: float | None = None  # seconds since 1970, where known
    told: bool = False

    @property
    def is_node(self) -> bool:
        """Whether this is a device node that a container can be given."""
        return self.type in {"c", "b", "p"}

    @property
    def numbers(self) -> str | None:
        """`major:minor`, as sysfs writes it."""
        return None if self.major is None else f"{self.major}:{self.minor}"


class Directory:
    """The files below `root`; links and `..` are followed as if `root` were `/`.

    Each component is opened below the one before and never through a link, so that no rename or link, however
    timed, leads out. A file is opened only once it is known to be regular: opening a device may block, or start
    what it drives (a watchdog, a tape).
    """

    def __init__(self, root: str) -> None:
        self._root = root
        self._kept: _Steps | None = None

    def __repr__(self) -> str:
        return f"Directory({self._root!r})"

    def keeping(self) -> Directory:
        """Return this directory for a series of questions, as one thread asks them within a moment.

        It holds directories open that it came through: what is next to the last file needs one step.
        """
        directory = Directory(self._root)
        directory._kept = _Steps(self._root, spare=_SPARE)
        return directory

    def read(self, path: str, limit: int) -> bytes:
        """Return the content of a regular file of at most `limit` bytes."""
        fd = self.open(path)
        try:
            return _read_all(fd, limit)
        finally:
            os.close(fd)

    def open(self, path: str) -> int:
        """Return a descriptor to read a regular file, for the caller to close."""
        with _Walk(self._root, path, follow=False, kept=self._kept) as place:
            if place.leaf is not None:
                status = os.stat(place.leaf, dir_fd=place.fd, follow_symlinks=False)
                if not stat.S_ISLNK(status.st_mode):
                    return _open_regular(place.leaf, place.fd, status)
        with _Walk(self._root, path, kept=self._kept) as place:
            if place.leaf is None:
                raise _failure(errno.EISDIR)
            return _open_regular(place.leaf, place.fd, os.stat(place.leaf, dir_fd=place.fd, follow_symlinks=False))

    def listdir(self, path: str) -> list[str]:
        """Return the names in a directory, in any order."""
        with _Walk(self._root, path, kept=self._kept) as place:
            if place.leaf is not None:
                raise _failure(errno.ENOTDIR)
            fd = os.open(".", _LIST, dir_fd=place.fd)
        try:
            return os.listdir(fd)  # noqa: PTH208 - of an open directory
        finally:
            os.close(fd)

    def readlink(self, path: str) -> str:
        """Return the target of a link as it is written."""
        with _Walk(self._root, path, follow=False, kept=self._kept) as place:
            if place.leaf is None:
                raise _failure(errno.EINVAL)
            return os.readlink(place.leaf, dir_fd=place.fd)

    def resolve(self, path: str) -> str:
        """Return the path without links and dots."""
        with _Walk(self._root, path, kept=self._kept) as place:
            if place.leaf is None:
                return place.path
            os.stat(place.leaf, dir_fd=place.fd, follow_symlinks=False)
            return f"{place.path.rstrip('/')}/{place.leaf}"

    def open_path(self, path: str, flags: int) -> int:
        """Return a descriptor of what is at the path, for the caller to close; with `O_NOFOLLOW`, of a link itself."""
        with _Walk(self._root, path, follow=not flags & os.O_NOFOLLOW, kept=self._kept) as place:
            return os.open(place.leaf or ".", flags | os.O_NOFOLLOW, dir_fd=place.fd)

    def future(self, path: str) -> str:
        """Return the path without links and dots, also of what is not there yet."""
        with _Walk(self._root, path, missing=True, kept=self._kept) as place:
            return "/".join([place.path.rstrip("/"), *([place.leaf] if place.leaf else [])]) or "/"

    def stat(self, path: str, *, follow: bool) -> Stat:
        """Return what is at the path; of a link in last place, itself unless `follow`."""
        return _stat(self.status(path, follow=follow))

    def label(self, path: str) -> str | None:
        """Return the SELinux label of the path, None where there is none (a file system without, no SELinux)."""
        with _Walk(self._root, path, kept=self._kept) as place:
            leaf = place.leaf or "."
            try:
                raw = os.getxattr(f"/proc/self/fd/{place.fd}/{leaf}", _LABEL, follow_symlinks=False)
            except OSError as error:
                if error.errno in {errno.ENODATA, errno.EOPNOTSUPP}:
                    return None
                raise
        return raw.rstrip(b"\0").decode("utf-8", "replace")

    def status(self, path: str, *, follow: bool = True) -> os.stat_result:
        """Return what the system says of the path."""
        with _Walk(self._root, path, follow=False, kept=self._kept) as place:
            if place.leaf is not None:
                status = os.stat(place.leaf, dir_fd=place.fd, follow_symlinks=False)
                if not (follow and stat.S_ISLNK(status.st_mode)):
                    return status
        with _Walk(self._root, path, follow=follow, kept=self._kept) as place:
            if place.leaf is None:
                return os.fstat(place.fd)
            return os.stat(place.leaf, dir_fd=place.fd, follow_symlinks=False)


class _Steps:
    """Directories from the root down, each opened below the one before; the last is where a walk is.

    Up to `spare` of those that it has left stay open, for when it comes by again.
    """

    def __init__(self, root: str, *, spare: int = 0) -> None:
        self.fds: list[int] = []
        self.paths: list[str] = [""]  # of each, inside the root
        self._left: dict[str, int] = {}
        self._spare = spare
        self.fds.append(os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC))

    def down(self, name: str) -> bool:
        """Open a directory below; return whether it is one."""
        path = f"{self.paths[-1]}/{name}"
        fd = self._left.pop(path, None)
        if fd is None:
            try:
                fd = os.open(name, _STEP, dir_fd=self.fds[-1])
            except OSError as error:
                if error.errno in {errno.ENOTDIR, errno.ELOOP}:
                    return False
                raise
        self.fds.append(fd)
        self.paths.append(path)
        return True

    def up_to(self, depth: int) -> None:
        """Leave all directories further down than `depth` steps."""
        while len(self.fds) > depth + 1:
            self._left[self.paths.pop()] = self.fds.pop()
        while len(self._left) > self._spare:
            os.close(self._left.pop(next(iter(self._left))))

    def close(self) -> None:
        """Close all, the root too."""
        for fd in (*self.fds, *self._left.values()):
            os.close(fd)
        self.fds.clear()
        self._left.clear()

    __del__ = close


class _Walk:
    """The directories from the root down to a path, held open; `leaf` is what is in `fd` and no directory.

    With `missing`, the walk also ends, with the rest of the path as its leaf, where there is nothing; without `follow`,
    in the directory of the path's last name, with that as its leaf whatever it is (of `..` and `/`, at them). Steps
    that are `kept` are used as far as they are on the way, and stay open.
    """

    leaf: str | None

    def __init__(
        self, root: str, path: str, *, follow: bool = True, missing: bool = False, kept: _Steps | None = None
    ) -> None:
        self._steps = kept or _Steps(root)
        self._is_kept = kept is not None
        if not follow and kept is not None:
            directory, _, self.leaf = path.rpartition("/")
            if self.leaf not in _NO_NAMES and directory == kept.paths[-1]:
                return
        try:
            self.leaf = self._descend(_parts(path), follow=follow, missing=missing)
        except BaseException:
            self.__exit__(None, None, None)
            raise

    def __enter__(self) -> _Walk:  # noqa: PYI034 - Self is in typing from Python 3.11 on
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if not self._is_kept:
            self._steps.close()

    @property
    def fd(self) -> int:
        """The directory that the walk ended in."""
        return self._steps.fds[-1]

    @property
    def path(self) -> str:
        """The path of `fd` inside the root."""
        return self._steps.paths[-1] or "/"

    def _descend(self, pending: list[str], *, follow: bool, missing: bool) -> str | None:
        steps = self._steps
        self._start(pending)
        links = 0
        while pending:
            name = pending.pop()
            if name == "..":
                steps.up_to(max(len(steps.fds) - 2, 0))
                continue
            if not pending and not follow:
                return name
            try:
                if steps.down(name):
                    continue
            except FileNotFoundError:
                if not missing or ".." in pending:
                    raise
                return "/".join([name, *reversed(pending)])
            target = _link_target(name, steps.fds[-1], last=not pending)
            if target is None:
                return name
            links += 1
            if links > MAX_LINKS:
                raise _failure(errno.ELOOP)
            if target.startswith("/"):
                steps.up_to(0)
            pending += _parts(target)
        return None

    def _start(self, pending: list[str]) -> None:
        """Go back to where the way parts from the kept one, and take what they share from `pending`."""
        path = ""
        shared = 0
        for own in self._steps.paths[1:]:
            if not pending or own != f"{path}/{pending[-1]}":
                break
            pending.pop()
            path = own
            shared += 1
        self._steps.up_to(shared)


def _parts(path: str) -> list[str]:
    """Return the components of a path, the first one last."""
    return [part for part in reversed(path.split("/")) if part not in {"", "."}]


def _link_target(name: str, fd: int, *, last: bool) -> str | None:
    """Return where a link leads, None for what is no link; only the last of a path may be that."""
    try:
        return os.readlink(name, dir_fd=fd)
    except OSError as error:
        if error.errno != errno.EINVAL:  # not a link
            raise
        if not last:
            raise _failure(errno.ENOTDIR) from None
        return None


def _open_regular(name: str, directory: int, status: os.stat_result) -> int:
    """Return a descriptor of a file that is regular by its `status`, and still is when it is open."""
    if stat.S_ISDIR(status.st_mode):
        raise _failure(errno.EISDIR)
    _refuse_special(status)
    fd = os.open(name, _READ, dir_fd=directory)
    try:
        _refuse_special(os.fstat(fd))
    except OSError:
        os.close(fd)
        raise
    return fd


def _refuse_special(status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.ENXIO, "not a regular file")


def _read_all(fd: int, limit: int) -> bytes:
    chunks: list[bytes] = []
    size = 0
    while chunk := os.read(fd, _CHUNK):
        chunks.append(chunk)
        size += len(chunk)
        if size > limit:
            raise _failure(errno.EFBIG)
    return b"".join(chunks)


def _stat(status: os.stat_result) -> Stat:
    kind = _TYPES[stat.S_IFMT(status.st_mode)]
    numbered = kind in {"c", "b"}
    return Stat(
        type=kind,
        mode=stat.S_IMODE(status.st_mode),
        uid=status.st_uid,
        gid=status.st_gid,
        major=os.major(status.st_rdev) if numbered else None,
        minor=os.minor(status.st_rdev) if numbered else None,
        modified=status.st_mtime,
    )


def _failure(code: int) -> OSError:
    return OSError(code, os.strerror(code))
