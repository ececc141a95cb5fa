"""A container's files, as root of the host touches them: the kernel resolves every path inside the container's root.

A path is resolved once, to a descriptor, and all that is done is done to that: what a container, or another one that
shares a volume with it, puts in place of a directory or link meanwhile changes nothing. Nothing is ever opened for
writing that was there before: files are written under a new name and then renamed. Devices, FIFOs and sockets are not
opened at all. The file systems of the kernel, where a name may be a switch, are not written to, and
neither are volumes: an image can lead any path to one with a link.
"""

from __future__ import annotations

__all__ = ["ContainerRoot"]

import errno
import os
import posixpath
import stat
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from cdi.errors import CdiError, FileError
from cdi.hook.kernel import file_system, open_in_root
from cdi.hook.mounts import is_own_place

if TYPE_CHECKING:
    from collections.abc import Generator

_PATH = os.O_PATH | os.O_CLOEXEC
_DIRECTORY = _PATH | os.O_DIRECTORY
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_CHUNK = 1 << 16
_MAX_NAMES = 10_000
_TRIES = 64
_NO_OPENAT2 = frozenset({errno.ENOSYS, errno.EPERM})  # before Linux 5.6, and by old filters of system calls
# include/uapi/linux/magic.h: proc, sysfs, cgroup, cgroup2, debugfs, tracefs, securityfs, selinux, bpf, configfs,
# pstore, efivarfs
_KERNELS_OWN = frozenset(
    {
        0x9FA0,
        0x62656572,
        0x27E0EB,
        0x63677270,
        0x64626720,
        0x74726163,
        0x73636673,
        0xF97CFF8C,
        0xCAFE4A11,
        0x62656570,
        0x6165676C,
        0xDE5E81E4,
    }
)


class ContainerRoot:
    """The root file system of a container; paths are as the container will see them.

    Raises `FileError` for what cannot be read or written; an `OSError` that callers tell apart is its cause.
    """

    def __init__(self, path: str, *, by_steps: bool = False) -> None:
        self.path = path
        self._by_steps = by_steps  # as on kernels before 5.6, which have no openat2
        with _told("open", path):
            self.fd = os.open(path, _DIRECTORY)
        if os.path.samestat(os.fstat(self.fd), os.stat("/")):  # noqa: PTH116 - of a string
            message = f"the root of the container, {path!r}, is that of this host"
            raise CdiError(message)

    def close(self) -> None:
        """Let go of the directory."""
        os.close(self.fd)

    def read(self, path: str, limit: int) -> bytes | None:
        """Return the content of a regular file, None where there is none or it has more than `limit` bytes."""
        with _told("read", path), self._open(path) as found:
            if found is None or not stat.S_ISREG(os.fstat(found).st_mode):
                return None
            descriptor = os.open(f"/proc/self/fd/{found}", _READ)  # known to be a regular file, and this very one
            try:
                return _read(descriptor, limit)
            finally:
                os.close(descriptor)

    def open(self, path: str) -> int | None:
        """Return a descriptor to read a regular file, for the caller to close; None where there is none."""
        with _told("read", path), self._open(path) as found:
            if found is None or not stat.S_ISREG(os.fstat(found).st_mode):
                return None
            return os.open(f"/proc/self/fd/{found}", _READ)

    def status(self, path: str, *, follow: bool = True) -> os.stat_result | None:
        """Return what is at a path, or None."""
        with _told("look at", path), self._open(path, 0 if follow else os.O_NOFOLLOW) as found:
            return None if found is None else os.fstat(found)

    def is_directory(self, path: str) -> bool:
        """Return whether there is a directory at a path."""
        found = self.status(path)
        return found is not None and stat.S_ISDIR(found.st_mode)

    def readlink(self, path: str) -> str | None:
        """Return what a link leads to, as it is written; None for what is no link."""
        with _told("look at", path), self._open(path, os.O_NOFOLLOW) as found:
            if found is None or not stat.S_ISLNK(os.fstat(found).st_mode):
                return None
            return os.readlink("", dir_fd=found)

    def names(self, path: str) -> list[str]:
        """Return the names in a directory, sorted; none where there is no directory."""
        with _told("list", path), self._open(path, os.O_DIRECTORY) as found:
            if found is None:
                return []
            descriptor = os.open(f"/proc/self/fd/{found}", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            with os.scandir(descriptor) as entries:
                return sorted(entry.name for entry, _ in zip(entries, range(_MAX_NAMES), strict=False))
        finally:
            os.close(descriptor)

    def link(self, path: str, target: str) -> bool:
        """Make a symbolic link in the place of whatever is no directory, and return whether that changed anything."""
        if self.readlink(path) == target:
            return False
        with _told("make the link", path), self._parent(path) as (directory, name):
            temporary = _temporary_name()
            os.symlink(target, temporary, dir_fd=directory)
            _rename(temporary, name, directory)
        return True

    def write(self, path: str, content: bytes, *, mode: int = 0o644, directory_mode: int = 0o755) -> bool:
        """Give a file this content, whole or not at all, and return whether that changed anything."""
        there = self.status(path, follow=False)
        if there is not None and stat.S_ISREG(there.st_mode) and self.read(path, len(content)) == content:
            return False
        with _told("write", path), self._parent(path, directory_mode) as (directory, name):
            temporary = _temporary_name()
            descriptor = os.open(temporary, _NEW, 0o600, dir_fd=directory)
            try:
                os.fchmod(descriptor, mode)
                with open(descriptor, "wb") as file:  # noqa: PTH123 - of a descriptor
                    file.write(content)
            except BaseException:
                with suppress(OSError):
                    os.unlink(temporary, dir_fd=directory)
                raise
            _rename(temporary, name, directory)
        return True

    def chmod(self, path: str, mode: int) -> bool:
        """Change the permissions of a file, and return whether there is one."""
        with _told("change the mode of", path), self._open(path) as found:
            if found is None:
                return False
            self._refuse_others(found)
            there = os.fstat(found)
            if stat.S_ISREG(there.st_mode) and there.st_nlink > 1:
                raise OSError(errno.EPERM, "the file has other names, which may not be the container's")
            if stat.S_IMODE(there.st_mode) != mode:
                os.chmod(f"/proc/self/fd/{found}", mode)  # noqa: PTH101 - of a descriptor
            return True

    def place(self, path: str) -> int | None:
        """Return a descriptor that only stands for a file, to mount upon it; None where there is none."""
        with _told("look at", path), self._open(path) as found:
            return None if found is None else os.dup(found)

    @contextmanager
    def _open(self, path: str, flags: int = 0) -> Generator[int | None]:
        try:
            descriptor = self._resolved(path, _PATH | flags)
        except OSError as error:
            if error.errno not in {errno.ENOENT, errno.ENOTDIR}:
                raise
            yield None
            return
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    @contextmanager
    def _parent(self, path: str, mode: int = 0o755) -> Generator[tuple[int, str]]:
        """Give the directory that holds a path, made where it is missing, and the name in it."""
        clean = _clean(path)
        directory, name = posixpath.split(clean)
        if not name:
            raise OSError(errno.EISDIR, os.strerror(errno.EISDIR))
        descriptor = self._directory(directory, mode)
        try:
            self._refuse_others(descriptor)
            yield descriptor, name
        finally:
            os.close(descriptor)

    def _directory(self, path: str, mode: int) -> int:
        """Return a directory, made with those above it where they are missing."""
        try:
            return self._resolved(path, _DIRECTORY)
        except FileNotFoundError:
            if path == "/":
                raise
        above, name = posixpath.split(path)
        parent = self._directory(above, mode)
        try:
            self._refuse_others(parent)
            with suppress(FileExistsError):  # another hook's, or a link to nothing, which the next step refuses
                os.mkdir(name, mode, dir_fd=parent)
            return os.open(name, _DIRECTORY | os.O_NOFOLLOW, dir_fd=parent)
        finally:
            os.close(parent)

    def _refuse_others(self, descriptor: int) -> None:
        """Raise when what is written there is not seen by this container alone."""
        if file_system(descriptor) in _KERNELS_OWN:
            raise OSError(errno.EPERM, "it is in a file system of the kernel")
        if not is_own_place(descriptor, self.fd):
            raise OSError(errno.EXDEV, "it is in a volume, or in another file system of the host")

    def _resolved(self, path: str, flags: int) -> int:
        tries = 0 if self._by_steps else _TRIES
        for _ in range(tries):
            try:
                return open_in_root(self.fd, _clean(path), flags)
            except OSError as error:
                if error.errno in _NO_OPENAT2:
                    self._by_steps = True
                    break
                if error.errno != errno.EAGAIN:  # something was renamed while the kernel went up a `..`
                    raise
        from cdi.rooted import Directory  # noqa: PLC0415 - for old kernels, or under attack

        return Directory(f"/proc/self/fd/{self.fd}").open_path(_clean(path), flags)


def _clean(path: str) -> str:
    """Return an absolute path without dots: `..` is the container's to mean, and no hook needs it."""
    return posixpath.normpath("/" + path.lstrip("/"))


def _rename(temporary: str, name: str, directory: int) -> None:
    try:
        os.rename(temporary, name, src_dir_fd=directory, dst_dir_fd=directory)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary, dir_fd=directory)
        raise


def _temporary_name() -> str:
    return f".cdi-hook-{os.urandom(8).hex()}.tmp"


def _read(descriptor: int, limit: int) -> bytes | None:
    content = b""
    while len(content) <= limit:
        part = os.read(descriptor, min(_CHUNK, limit + 1 - len(content)))
        if not part:
            return content
        content += part
    return None


@contextmanager
def _told(action: str, path: str) -> Generator[None]:
    try:
        yield
    except OSError as error:
        hint = "the container's root is read-only" if error.errno == errno.EROFS else None
        raise FileError.from_os(error, action, path, hint=hint) from error
    except ValueError as error:  # a null character
        message = f"cannot {action} {path!r}: {error}"
        raise FileError(message) from error
