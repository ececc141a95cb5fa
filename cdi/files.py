"""Steps on the file system that are safe against kills, other writers and odd files; they know nothing of specs."""

from __future__ import annotations

__all__ = [
    "Attributes",
    "kind_of_file",
    "lock_open",
    "locked_directory",
    "open_in",
    "os_errors",
    "put",
    "read",
    "read_in",
    "read_open",
    "remove_stale",
    "sync_directory",
]

import errno
import fcntl
import os
import stat
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import msgspec

from cdi.document import MAX_BYTES
from cdi.errors import FileError, Locked

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

_TEMPORARY = ".cdi-tools-"  # with the suffix .tmp, which runtimes do not read
_BLOCK = 1 << 16
_RETRY = 0.05  # seconds between attempts to lock
_READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_KINDS_OF_FILE = (
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISLNK, "a symbolic link"),
    (stat.S_ISFIFO, "a FIFO"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)
# Extended attributes that say who may read a file: its SELinux label, its access list.
_KEPT = ("security.selinux", "system.posix_acl_access")
_MAY_NOT = "run as root, or choose another directory"
_FULL = "free some space; what was there before is untouched"
_WRITE_HINTS = {
    errno.EACCES: _MAY_NOT,
    errno.EPERM: _MAY_NOT,
    errno.EROFS: _MAY_NOT,
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
}


class Attributes(msgspec.Struct, frozen=True, kw_only=True):
    """Whose a file is and who may read it; an owner of None is whoever writes it."""

    mode: int = 0o644  # any user may start containers
    uid: int | None = None
    gid: int | None = None
    extended: dict[str, bytes] = {}

    @classmethod
    def of(cls, descriptor: int) -> Attributes:
        """Return those of an open file."""
        status = os.fstat(descriptor)
        extended: dict[str, bytes] = {}
        for name in _KEPT:
            with suppress(OSError):  # without such a label, or on a file system that has none
                extended[name] = os.getxattr(descriptor, name)
        return cls(mode=stat.S_IMODE(status.st_mode), uid=status.st_uid, gid=status.st_gid, extended=extended)

    def give(self, descriptor: int) -> None:
        """Give them to an open file, whatever the umask."""
        status = os.fstat(descriptor)
        if (self.uid, self.gid) not in {(None, None), (status.st_uid, status.st_gid)}:
            os.fchown(descriptor, -1 if self.uid is None else self.uid, -1 if self.gid is None else self.gid)
        os.fchmod(descriptor, self.mode)
        for name, value in self.extended.items():
            os.setxattr(descriptor, name, value)


def read(path: str | os.PathLike[str]) -> bytes:
    """Return the content of a regular file, links followed; raise `FileError` for all else and for huge files."""
    with os_errors("read", path):
        # Look before opening: to open a FIFO waits, and to open a device may do something.
        _refuse_irregular(os.stat(path), path)  # noqa: PTH116 - any kind of path
        return read_open(os.open(path, _READ), path)


def read_in(directory: int, name: str) -> bytes | None:
    """Return the content of a file of an open directory, None when it cannot be read or is not a regular file."""
    try:
        return read_open(open_in(directory, name), name)
    except (OSError, FileError):
        return None


def open_in(directory: int, name: str) -> int:
    """Return a descriptor to read a regular file of an open directory, for the caller to close."""
    _refuse_irregular(os.stat(name, dir_fd=directory, follow_symlinks=False), name)
    return os.open(name, _READ | os.O_NOFOLLOW, dir_fd=directory)


def put(
    directory: int,
    name: str,
    content: bytes,
    *,
    attributes: Attributes | None = None,
    last_look: Callable[[], None] | None = None,
) -> None:
    """Give a file of an open directory this content and mode 0644, or other attributes, whole or not at all.

    `last_look` is called when all is on the disk but for the name, and may raise to leave it at that.
    """
    temporary = f"{_TEMPORARY}{os.urandom(8).hex()}.tmp"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(temporary, flags, 0o600, dir_fd=directory)
    try:
        try:
            _write_all(descriptor, content)
            (attributes or Attributes()).give(descriptor)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if last_look is not None:
            last_look()
        os.rename(temporary, name, src_dir_fd=directory, dst_dir_fd=directory)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary, dir_fd=directory)
        raise
    sync_directory(directory)


def remove_stale(directory: int) -> None:
    """Remove what writers left that were killed; call it with the lock held, when none is at work."""
    for name in os.listdir(directory):
        if name.startswith(_TEMPORARY) and name.endswith(".tmp"):
            with suppress(OSError):  # another user's
                os.unlink(name, dir_fd=directory)


def sync_directory(directory: int) -> None:
    """Put the names in an open directory on the disk."""
    try:
        os.fsync(directory)
    except OSError as error:
        if error.errno != errno.EINVAL:  # a file system that does not offer it
            raise


@contextmanager
def locked_directory(path: Path, timeout: float) -> Generator[int]:
    """Hold the lock of a directory, made when missing, and give its descriptor.

    The lock is on the directory itself: it leaves nothing behind, and those who watch the directory see nothing.
    """
    with os_errors("open", path, writing=True):
        descriptor = _open_directory(path)
    try:
        with os_errors("lock", path):
            lock_open(descriptor, path, timeout)
        yield descriptor
    finally:
        os.close(descriptor)


def lock_open(descriptor: int, path: str | os.PathLike[str], timeout: float) -> None:
    """Lock an open directory until it is closed; raise `Locked` after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                message = f"another process has held the lock of {os.fspath(path)!r} for {timeout:g} s"
                raise Locked(message, hint="try again; lslocks shows who holds it") from None
            time.sleep(_RETRY)
        else:
            return


def kind_of_file(status: os.stat_result) -> str:
    """Return what an irregular file is, with its article."""
    return next((kind for test, kind in _KINDS_OF_FILE if test(status.st_mode)), "a special file")


@contextmanager
def os_errors(action: str, path: str | os.PathLike[str], *, writing: bool = False) -> Generator[None]:
    """Turn errors of the system into `FileError`: `cannot read '/etc/cdi/a.json': permission denied`."""
    try:
        yield
    except OSError as error:
        hint = _WRITE_HINTS.get(error.errno or 0) if writing else None
        raise FileError.from_os(error, action, path, hint=hint) from error
    except ValueError as error:  # a path that no file can have
        message = f"cannot {action} {str(path)!r}: {error}"
        raise FileError(message) from error


def read_open(descriptor: int, path: str | os.PathLike[str]) -> bytes:
    """Return the content of an open file, and close it."""
    try:
        status = os.fstat(descriptor)
        _refuse_irregular(status, path)
        content = b""
        while max(status.st_size, len(content)) <= MAX_BYTES:
            part = os.read(descriptor, max(status.st_size - len(content), 0) + _BLOCK)
            if not part:
                return content
            content += part
    finally:
        os.close(descriptor)
    message = f"cannot read {str(path)!r}: it has more than the {MAX_BYTES} bytes that we read"
    raise FileError(message, hint="no real spec is that large: is this a spec file at all?")


def _refuse_irregular(status: os.stat_result, path: str | os.PathLike[str]) -> None:
    if not stat.S_ISREG(status.st_mode):
        message = f"cannot read {str(path)!r}: it is {kind_of_file(status)}, not a regular file"
        raise FileError(message)


def _write_all(descriptor: int, content: bytes) -> None:
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _open_directory(path: Path) -> int:
    try:
        return os.open(path, _DIRECTORY)
    except FileNotFoundError:
        _make_directory(path)
        return os.open(path, _DIRECTORY)


def _make_directory(path: Path) -> None:
    """Make a directory and those above it that are missing, each with mode 0755 whatever the umask."""
    if not path.parent.is_dir():
        _make_directory(path.parent)
    try:
        path.mkdir(mode=0o755)
    except FileExistsError:
        return
    descriptor = os.open(path, _DIRECTORY | os.O_NOFOLLOW)
    try:
        os.fchmod(descriptor, 0o755)
        sync_directory(descriptor)
    finally:
        os.close(descriptor)
