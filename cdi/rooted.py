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
_OPEN = 100  # directories at most
_TOO_LONG = 4096  # PATH_MAX (linux/limits.h)
_NOWHERE = frozenset({"", "."})
_NO_NAMES = _NOWHERE | {".."}
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
        self._kept: _Places | None = None

    def __repr__(self) -> str:
        return f"Directory({self._root!r})"

    def keeping(self) -> Directory:
        """Return this directory for a series of questions, as one thread asks them within a moment.

        It holds directories open that it came through: what is next to a file that was looked at needs one step.
        """
        directory = Directory(self._root)
        directory._kept = _Places(self._root, stay=True)
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
        with self._places() as places:
            fd, leaf, status = places.look(path)
            if leaf is None:
                raise _failure(errno.EISDIR)
            return _open_regular(leaf, fd, status)

    def listdir(self, path: str) -> list[str]:
        """Return the names in a directory, in any order."""
        with self._places() as places:
            here, leaf = places.walk(path)
            if leaf is not None:
                raise _failure(errno.ENOTDIR)
            fd = os.open(".", _LIST, dir_fd=places.at(here))
        try:
            return os.listdir(fd)  # noqa: PTH208 - of an open directory
        finally:
            os.close(fd)

    def readlink(self, path: str) -> str:
        """Return the target of a link as it is written."""
        with self._places() as places:
            here, leaf = places.walk(path, follow=False)
            if leaf is None:
                raise _failure(errno.EINVAL)
            return os.readlink(leaf, dir_fd=places.at(here))

    def resolve(self, path: str) -> str:
        """Return the path without links and dots."""
        with self._places() as places:
            here, leaf = places.walk(path)
            if leaf is None:
                return here or "/"
            os.stat(leaf, dir_fd=places.at(here), follow_symlinks=False)
            return f"{here}/{leaf}"

    def open_path(self, path: str, flags: int) -> int:
        """Return a descriptor of what is at the path, for the caller to close; with `O_NOFOLLOW`, of a link itself."""
        with self._places() as places:
            here, leaf = places.walk(path, follow=not flags & os.O_NOFOLLOW)
            return os.open(leaf or ".", flags | os.O_NOFOLLOW, dir_fd=places.at(here))

    def future(self, path: str) -> str:
        """Return the path without links and dots, also of what is not there yet."""
        with self._places() as places:
            here, leaf = places.walk(path, missing=True)
            return (here if leaf is None else f"{here}/{leaf}") or "/"

    def stat(self, path: str, *, follow: bool) -> Stat:
        """Return what is at the path; of a link in last place, itself unless `follow`."""
        return _stat(self.status(path, follow=follow))

    def label(self, path: str) -> str | None:
        """Return the SELinux label of the path, None where there is none (a file system without, no SELinux)."""
        with self._places() as places:
            here, leaf = places.walk(path)
            try:
                raw = os.getxattr(f"/proc/self/fd/{places.at(here)}/{leaf or '.'}", _LABEL, follow_symlinks=False)
            except OSError as error:
                if error.errno in {errno.ENODATA, errno.EOPNOTSUPP}:
                    return None
                raise
        return raw.rstrip(b"\0").decode("utf-8", "replace")

    def status(self, path: str, *, follow: bool = True) -> os.stat_result:
        """Return what the system says of the path."""
        with self._places() as places:
            return places.look(path, follow=follow)[2]

    def _places(self) -> _Places:
        return self._kept or _Places(self._root)


class _Places:
    """Directories that are held open, by path inside the root; each was opened in the one above, never through a link.

    Not more than a hundred are: of more, the half that was opened first is closed, and opened again if it is needed.
    If they are to `stay`, it is for those who ask next.
    """

    def __init__(self, root: str, *, stay: bool = False) -> None:
        self._fds: dict[str, int] = {}
        self._stay = stay
        self._fds[""] = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)

    def __enter__(self) -> _Places:  # noqa: PYI034 - Self is in typing from Python 3.11 on
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if not self._stay:
            self.close()

    def close(self) -> None:
        """Close all, the root too."""
        while self._fds:
            os.close(self._fds.popitem()[1])

    __del__ = close

    def look(self, path: str, *, follow: bool = True) -> tuple[int, str | None, os.stat_result]:
        """Return the directory in which a path ends, what is there and no directory, and what the system says of it."""
        here, leaf = self.walk(path, follow=False)
        while True:
            fd = self.at(here)
            status = os.stat(leaf, dir_fd=fd, follow_symlinks=False) if leaf is not None else os.fstat(fd)
            if not (follow and stat.S_ISLNK(status.st_mode)):
                return fd, leaf, status
            here, leaf = self.walk(path)
            follow = False

    def walk(self, path: str, *, follow: bool = True, missing: bool = False) -> tuple[str, str | None]:
        """Return the directory in which a path ends, and the name of what is there and no directory.

        With `missing`, it also ends, with the rest of the path for a name, where there is nothing. Without `follow`,
        it ends in the directory of the last name, whatever that is, unless that is `..` or there is none.
        """
        if len(path) >= _TOO_LONG:
            raise _failure(errno.ENAMETOOLONG)
        here, _, leaf = path.rpartition("/")
        while leaf in _NOWHERE and here and not follow:
            here, _, leaf = here.rpartition("/")
        if follow or leaf in _NO_NAMES:
            return self._descend(path, missing=missing)
        if here not in self._fds:
            here, other = self._descend(here, missing=False)
            if other is not None:
                raise _failure(errno.ENOTDIR)
        return here, leaf

    def _descend(self, path: str, *, missing: bool) -> tuple[str, str | None]:
        here = self._nearest(path)
        pending = _parts(path[len(here) :])
        links = 0
        while pending:
            name = pending.pop()
            if name == "..":
                here = here.rpartition("/")[0]
                continue
            try:
                if self._down(here, name):
                    here = f"{here}/{name}"
                    continue
            except FileNotFoundError:
                if not missing or ".." in pending:
                    raise
                return here, "/".join([name, *reversed(pending)])
            target = _link_target(name, self.at(here), last=not pending)
            if target is None:
                return here, name
            links += 1
            if links > MAX_LINKS:
                raise _failure(errno.ELOOP)
            if target.startswith("/"):
                here = ""
            pending += _parts(target)
        return here, None

    def at(self, path: str) -> int:
        """Return a directory that a walk came through; one that was closed since is opened again, by its path."""
        fd = self._fds.get(path)
        if fd is not None:
            return fd
        here = self._nearest(path)
        for name in path[len(here) + 1 :].split("/"):
            if not self._down(here, name):
                raise _failure(errno.ENOTDIR)
            here = f"{here}/{name}"
        return self._fds[path]

    def _nearest(self, path: str) -> str:
        """Return the path of the open directory that is furthest on the way to a path."""
        while path not in self._fds:
            path = path.rpartition("/")[0]
        return path

    def _down(self, here: str, name: str) -> bool:
        """Open what is in a directory; return whether it is one itself."""
        path = f"{here}/{name}"
        if path in self._fds:
            return True
        try:
            self._fds[path] = os.open(name, _STEP, dir_fd=self.at(here))
        except OSError as error:
            if error.errno in {errno.ENOTDIR, errno.ELOOP}:
                return False
            raise
        if len(self._fds) > _OPEN:
            for old in list(self._fds)[1 : _OPEN // 2]:
                os.close(self._fds.pop(old))
        return True


def _parts(path: str) -> list[str]:
    """Return the components of a path, the first one last."""
    return [part for part in reversed(path.split("/")) if part not in _NOWHERE]


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
