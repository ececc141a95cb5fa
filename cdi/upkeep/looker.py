"""A host looked at again and again: what it should have, and where a change of that would show."""

from __future__ import annotations

__all__ = ["Looker"]

from typing import TYPE_CHECKING

from cdi.errors import FileError, UsageError
from cdi.rooted import Directory
from cdi.upkeep.places import Noting, Places, fingerprint, places

if TYPE_CHECKING:
    from collections.abc import Callable

    from cdi.host import Host
    from cdi.upkeep.keeper import Wanted


class Looker:
    """What `make` says of a host; `places` are those that the last look depended on.

    Raises `UsageError` for a host that cannot change.
    """

    def __init__(self, host: Host, make: Callable[[Host], Wanted], *, root: str = "/") -> None:
        source = host.source
        if not isinstance(source, Directory):
            message = "a text tree does not change"
            raise UsageError(message, hint="--root is the directory of a running system")
        self.host = host
        self.places = Places()
        self._files = source
        self._make = make
        self._root = root

    def look(self) -> Wanted:
        """Return what the host should have now; raise `CdiError`."""
        noted = Noting(self._kept())
        wanted = self._make(self.host.over(noted))
        self.places = places(noted, self._files)
        return wanted

    def fingerprint(self) -> bytes:
        """Return what differs when something has changed of which the kernel says nothing; raise `CdiError`."""
        return fingerprint(self.host.over(self._kept()), self.places.noise)

    def _kept(self) -> Directory:
        try:
            return self._files.keeping()
        except OSError as error:
            raise FileError.from_os(error, "open", self._root) from error
