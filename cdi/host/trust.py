"""Which of a host's files nobody but root can change, so that root may run them."""

from __future__ import annotations

__all__ = ["is_trusted"]

from typing import TYPE_CHECKING

from cdi.host.source import HostError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cdi.host.host import Host

_WRITABLE = 0o022  # by group and others


def is_trusted(host: Host, path: str) -> bool:
    """Return whether nobody but root can change the program at a path, or any link that leads to it."""
    try:
        stats = (host.stat(place, follow=False) for place in _places(host, path))
        return all(stat.uid == 0 and (stat.type == "l" or not stat.mode & _WRITABLE) for stat in stats)
    except HostError:
        return False


def _places(host: Host, path: str) -> Iterator[str]:
    """Yield the root and all that is passed on the way to a path: directories, links, and what these lead to."""
    yield "/"
    host.resolve(path)  # raises an error for links in a circle
    place, pending = "", path.split("/")[::-1]
    while pending:
        name = pending.pop()
        if name in {"", "."}:
            continue
        if name == "..":
            place = place.rpartition("/")[0]
            continue
        yield f"{place}/{name}"
        if host.stat(f"{place}/{name}", follow=False).type != "l":
            place = f"{place}/{name}"
            continue
        target = host.readlink(f"{place}/{name}")
        place = "" if target.startswith("/") else place
        pending += target.split("/")[::-1]
