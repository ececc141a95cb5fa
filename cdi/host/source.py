"""What a host is read from: the questions that a directory, a text tree or a recorder answers."""

from __future__ import annotations

__all__ = ["HostError", "Source", "Stat"]

import errno
from typing import Protocol

from cdi.errors import FileError
from cdi.rooted import Stat

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


class Source(Protocol):
    """A file system as seen from its root; paths are absolute, links stay inside, failures are `OSError` with code."""

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

    def label(self, path: str) -> str | None:
        """Return the SELinux label of the path, a link in last place followed; None where there is none."""
        ...

    def open(self, path: str) -> int:
        """Return a descriptor to read a regular file, for the caller to close; `ENOTSUP` where there are no files."""
        ...
