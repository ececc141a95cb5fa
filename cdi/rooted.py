"""The files below a directory that stands in for `/`; nothing outside of it is ever opened."""

from __future__ import annotations

__all__ = ["Directory", "Stat", "inside"]

import errno
import os
import stat

import msgspec

from cdi.walk import Places, failure

_READ = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_NOFOLLOW | os.O_CLOEXEC
_LIST = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_CHUNK = 1 << 16
_LABEL = "security.selinux"
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
        self._kept: Places | None = None

    def __repr__(self) -> str:
        return f"Directory({self._root!r})"

    def keeping(self) -> Directory:
        """Return this directory for a series of questions, as one thread asks them within a moment.

        It holds directories open that it came through: what is next to a file that was looked at needs one step.
        """
        directory = Directory(self._root)
        directory._kept = Places(self._root, stay=True)
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
                raise failure(errno.EISDIR)
            return _open_regular(leaf, fd, status)

    def listdir(self, path: str) -> list[str]:
        """Return the names in a directory, in any order."""
        with self._places() as places:
            here, leaf = places.walk(path)
            if leaf is not None:
                raise failure(errno.ENOTDIR)
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
                raise failure(errno.EINVAL)
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

    def _places(self) -> Places:
        return self._kept or Places(self._root)


def _open_regular(name: str, directory: int, status: os.stat_result) -> int:
    """Return a descriptor of a file that is regular by its `status`, and still is when it is open."""
    if stat.S_ISDIR(status.st_mode):
        raise failure(errno.EISDIR)
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
            raise failure(errno.EFBIG)
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
