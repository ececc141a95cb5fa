"""Paths inside another root, links taken as they are meant there."""

from __future__ import annotations

__all__ = ["below"]

from pathlib import Path

_MOST_LINKS = 40  # as the kernel


def below(root: str, path: str) -> str:
    """Return where `path` is when `root` stands for `/`; no link leads out, `/var/run -> /run` stays inside."""
    place: list[str] = []
    pending = path.split("/")[::-1]
    links = 0
    while pending:
        name = pending.pop()
        if name == "..":
            place = place[:-1]
        elif name not in {"", "."}:
            here = Path(root, *place, name)
            if links == _MOST_LINKS or not here.is_symlink():
                place.append(name)
                continue
            links += 1
            target = str(here.readlink())
            place = [] if target.startswith("/") else place
            pending += target.split("/")[::-1]
    return str(Path(root, *place))
