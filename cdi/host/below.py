"""A directory of a source as the root of another one: links in it start again there, and lead no further."""

from __future__ import annotations

__all__ = ["Below"]

import errno
import os
from typing import TYPE_CHECKING

from cdi.walk import MAX_LINKS

if TYPE_CHECKING:
    from cdi.host.source import Source, Stat


class Below:
    """What a process sees that has changed its root to `top`, a path without links: a driver's own root, say.

    Links are followed here, one by one, so that the source below is only asked for paths that have none.
    """

    def __init__(self, source: Source, top: str) -> None:
        self._source = source
        self._top = top.rstrip("/")
        self._directories: set[str] = set()

    def __repr__(self) -> str:
        return f"Below({self._source!r}, {self._top!r})"

    def read(self, path: str, limit: int) -> bytes:
        """Return the content of a regular file of at most `limit` bytes."""
        return self._source.read(self._top + self.resolve(path), limit)

    def listdir(self, path: str) -> list[str]:
        """Return the names in a directory, in any order."""
        return self._source.listdir(self._top + self.resolve(path))

    def readlink(self, path: str) -> str:
        """Return the target of a link as it is written."""
        return self._source.readlink(self._top + self._place(path, follow=False))

    def resolve(self, path: str) -> str:
        """Return the path inside, without links and dots."""
        return self._place(path, follow=True)

    def stat(self, path: str, *, follow: bool) -> Stat:
        """Return what is at the path; of a link in last place, itself unless `follow`."""
        return self._source.stat(self._top + self._place(path, follow=follow), follow=False)

    def label(self, path: str) -> str | None:
        """Return the SELinux label of the path, None where there is none."""
        return self._source.label(self._top + self.resolve(path))

    def open(self, path: str) -> int:
        """Return a descriptor to read a regular file, for the caller to close."""
        return self._source.open(self._top + self.resolve(path))

    def _place(self, path: str, *, follow: bool) -> str:
        pending = path.split("/")[::-1]
        place = ""
        links = 0
        while pending:
            name = pending.pop()
            if name in {"", "."}:
                continue
            if name == "..":
                place = place.rpartition("/")[0]
                continue
            below = f"{place}/{name}"
            is_last = not any(pending)
            if below in self._directories or (is_last and not follow):
                place = below
                continue
            stat = self._source.stat(self._top + below, follow=False)
            if stat.type != "l":
                if stat.type == "d":
                    self._directories.add(below)
                elif not is_last:
                    raise OSError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
                place = below
                continue
            links += 1
            if links > MAX_LINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
            target = self._source.readlink(self._top + below)
            place = "" if target.startswith("/") else place
            pending += target.split("/")[::-1]
        return place or "/"
