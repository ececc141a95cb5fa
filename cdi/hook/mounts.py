"""Whose a place in a container is: its own, or the host's, shown in the container by a mount."""

from __future__ import annotations

__all__ = ["is_own_place"]

import os
import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping


class Mount(NamedTuple):
    """A line of /proc/self/mountinfo."""

    parent: str
    device: str
    point: str


def is_own_place(fd: int, root: int) -> bool:
    """Return whether what is written there is seen by this container alone.

    So it is on the mount of the root itself, and on others below it whose file system is mounted nowhere else, as
    the tmpfs that a runtime makes for /dev. Volumes, and what else a mount shows of the host, are not.
    """
    own, top = _mount_id(fd), _mount_id(root)
    if own == top:
        return True
    mounts = _mounts()
    if own not in mounts or top not in mounts or mounts[top].point != _path(root):
        return False
    inside = {number for number in mounts if _is_below(number, top, mounts)}
    return own in inside and all(
        number in inside for number, mount in mounts.items() if mount.device == mounts[own].device
    )


def _is_below(number: str, top: str, mounts: Mapping[str, Mount]) -> bool:
    seen = set()
    while number in mounts and number not in seen:
        if number == top:
            return True
        seen.add(number)
        number = mounts[number].parent
    return False


def _mount_id(fd: int) -> str:
    with open(f"/proc/self/fdinfo/{fd}", encoding="ascii") as lines:  # noqa: PTH123 - pathlib takes long to import
        return next(line.split()[1] for line in lines if line.startswith("mnt_id:"))


def _path(fd: int) -> str:
    return os.readlink(f"/proc/self/fd/{fd}")  # noqa: PTH115 - pathlib takes long to import


def _mounts() -> dict[str, Mount]:
    # 36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue
    mounts = {}
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as lines:  # noqa: PTH123 - as above
        for line in lines:
            number, parent, device, _, point, *_ = line.split(" ")
            mounts[number] = Mount(parent, device, _unescaped(point))
    return mounts


def _unescaped(point: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), point)
