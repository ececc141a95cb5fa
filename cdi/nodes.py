"""What the host has at the path of a device node."""

from __future__ import annotations

__all__ = ["node_at"]

import os
import stat

from cdi.oci import NodeInfo
from cdi.rooted import Directory

_TYPES = {stat.S_IFBLK: "b", stat.S_IFCHR: "c", stat.S_IFIFO: "p"}


def node_at(path: str, *, root: str = "/") -> NodeInfo | None:
    """Return the device node or FIFO at a path of the host below `root`, None when there is no such thing.

    A link at the path itself is not followed, as in the reference library; links on the way are, and never
    leave the root.
    """
    try:
        status = os.lstat(path) if root == "/" else Directory(root).status(path, follow=False)
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
