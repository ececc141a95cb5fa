"""What a host is read from: the five questions that a directory, a text tree or a recorder answers."""

from __future__ import annotations

__all__ = ["MAX_LINKS", "HostError", "Source", "Stat"]

import errno
from typing import Protocol

import msgspec

from cdi.errors import FileError

MAX_LINKS = 40  # as in the kernel (path_resolution(7))
_MISSING = frozenset({errno.ENOENT, errno.ENOTDIR})
# What drivers answer for an attribute that has no value now: the speed of a link that is down, a port name that
# the hardware does not have.
_NO_VALUE = frozenset({errno.EINVAL, errno.EOPNOTSUPP, errno.ENODATA, errno.ENODEV})


class HostError(FileError):
    """Something of the host that could not be read: `path`, and `code` as in `errno`."""

    def __init__(self, path: str, action: str, error: OSError) -> None:
        self.path = path
        self.code = error.errno or errno.EIO
        self.reason = (error.strerror or str(error)).lower()
        super().__init__(f"cannot {action} {path!r}: {self.reason}")

    @property
    def missing(self) -> bool:
        """Whether there is nothing at the path."""
        return self.code in _MISSING

    @property
    def absent(self) -> bool:
        """Whether there is nothing at the path, or the kernel says that the attribute has no value."""
        return self.missing or self.code in _NO_VALUE


class Stat(msgspec.Struct, frozen=True, kw_only=True):
    """What is at a path: `type` is f, d, l, c, b, p or s (file, directory, link, devices, FIFO, socket)."""

    type: str
    mode: int  # permission bits
    uid: int = 0
    gid: int = 0
    major: int | None = None  # of c and b
    minor: int | None = None

    @property
    def is_node(self) -> bool:
        """Whether this is a device node that a container can be given."""
        return self.type in {"c", "b", "p"}

    @property
    def numbers(self) -> str | None:
        """`major:minor`, as sysfs writes it."""
        return None if self.major is None else f"{self.major}:{self.minor}"


class Source(Protocol):
    """A file system as seen from its root; paths are absolute, links stay inside, failures are `OSError`."""

    def read(self, path: str, limit: int) -> bytes:
        """Return the content of a regular file of at most `limit` bytes."""
        ...

    def listdir(self, path: str) -> list[str]:
        """Return the names in a directory, in any order."""
        ...

    def readlink(self, path: str) -> str:
        """Return the target of a link as it is written."""
        ...

    def resolve(self, path: str) -> str:
        """Return the path without links and dots."""
        ...

    def stat(self, path: str, *, follow: bool) -> Stat:
        """Return what is at the path; of a link in last place, itself unless `follow`."""
        ...
