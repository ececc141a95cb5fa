"""Which of a host's files nobody but root can change, so that root may run them."""

from __future__ import annotations

__all__ = ["is_trusted"]

from typing import TYPE_CHECKING

from cdi.host.source import HostError

if TYPE_CHECKING:
    from cdi.host.host import Host

_WRITABLE = 0o022  # by group and others


def is_trusted(host: Host, path: str) -> bool:
    """Return whether nobody but root can change the program at a path, or what the path leads to."""
    try:
        places = {place for one in (path, host.resolve(path)) for place in _upwards(one)}
        stats = [host.stat(place, follow=False) for place in places]
    except HostError:
        return False
    return all(stat.uid == 0 and (stat.type == "l" or not stat.mode & _WRITABLE) for stat in stats)


def _upwards(path: str) -> list[str]:
    """Return a path and all directories above it."""
    parts = path.strip("/").split("/")
    return ["/" + "/".join(parts[:count]) for count in range(len(parts) + 1)]
