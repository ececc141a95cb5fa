"""What the host has at the path of a device node."""

from __future__ import annotations

__all__ = ["node_at"]

import os
import stat
from pathlib import Path

from cdi.oci import NodeInfo

_LINKS_MAX = 40  # as in the kernel
_TYPES = {stat.S_IFBLK: "b", stat.S_IFCHR: "c", stat.S_IFIFO: "p"}


def node_at(path: str, *, root: str = "/") -> NodeInfo | None:
    """Return the device node or FIFO at a path of the host below `root`, None when there is no such thing.

    A link at the path itself is not followed, as in the reference library; links on the way are, and never
    leave the root.
    """
    try:
        status = os.lstat(path if root == "/" else _inside(root, path))
    except (OSError, ValueError):
        return None
    type_ = _TYPES.get(stat.S_IFMT(status.st_mode))
    if type_ is None:
        return None
    return NodeInfo(
        type=type_,
        major=os.major(status.st_rdev),
        minor=os.minor(status.st_rdev),
        mode=stat.S_IMODE(status.st_mode),
    )


def _inside(root: str, path: str) -> Path:
    """Return where a path below `root` is, with the links on the way resolved as after a chroot."""
    found: list[str] = []
    rest = [part for part in reversed(path.split("/")) if part]
    links = 0
    while rest:
        part = rest.pop()
        here = Path(root, *found, part)
        if part == "..":
            found = found[:-1]
        elif rest and links < _LINKS_MAX and here.is_symlink():
            links += 1
            target = str(here.readlink())
            found = [] if target.startswith("/") else found
            rest += [step for step in reversed(target.split("/")) if step]
        elif part != ".":
            found.append(part)
    return Path(root, *found)
