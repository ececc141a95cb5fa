"""What the kernel says is mounted, what it swaps to, and what it was told to start from."""

from __future__ import annotations

__all__ = ["Mount", "parse_mounts", "parse_root", "parse_swaps", "read_mounts"]

import re
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cdi.host import Host

_LIMIT = 64 << 20
_SPACE = re.compile("[ \t]+")  # other white space is part of a name
_OCTAL = re.compile(r"\\([0-7]{3})")
_FIELDS, _OF_SOURCE = 6, 3  # at least, before the dash and after it


class Mount(msgspec.Struct, frozen=True, kw_only=True):
    """A file system in the tree of files: `numbers` are those of its device, anonymous ones (0:33) of Btrfs and ZFS."""

    numbers: str
    point: str
    type: str
    source: str


def read_mounts(host: Host, process: str) -> tuple[Mount, ...]:
    """Return the mounts that a process sees, `1` or `self`; raise `HostError`."""
    return tuple(parse_mounts(host.read_text(f"/proc/{process}/mountinfo", limit=_LIMIT)))


def parse_mounts(text: str) -> Iterator[Mount]:
    r"""Yield what /proc/PID/mountinfo lists (proc_pid_mountinfo(5)); white space in names is written as `\040`.

    36 35 259:2 / /mnt/a\040b rw,noatime master:1 - ext4 /dev/nvme0n1p2 rw,errors=continue
    """
    for line in text.split("\n"):
        fields = line.split(" ")
        dash = fields.index("-", _FIELDS) if "-" in fields[_FIELDS:] else 0
        if dash and len(fields) > dash + _OF_SOURCE:
            yield Mount(
                numbers=fields[2],
                point=_plain(fields[4]),
                type=_plain(fields[dash + 1]),
                source=_plain(fields[dash + 2]),
            )


def parse_swaps(text: str) -> Iterator[str]:
    r"""Yield the devices that /proc/swaps lists; a swap file is on a file system that is mounted.

    Filename        Type       Size     Used  Priority
    /dev/dm-1       partition  8388604  0     -2
    """
    for line in text.split("\n")[1:]:
        fields = _SPACE.split(line)
        if fields[1:2] == ["partition"]:
            yield _plain(fields[0])


def parse_root(text: str) -> str | None:
    """Return the path of the device that a kernel was told to start from (`root=` of /proc/cmdline), None for others.

    root=/dev/nvme0n1p2, root=UUID=…, root=PARTUUID=…, root=LABEL=…, root=PARTLABEL=…
    """
    words = [word.partition("=")[2].strip('"') for word in text.split() if word.startswith("root=")]
    said = words[-1] if words else ""
    sort, equals, value = said.partition("=")
    if equals and sort in {"UUID", "PARTUUID", "LABEL", "PARTLABEL"} and "/" not in value:
        return f"/dev/disk/by-{sort.lower()}/{value}"
    return said if said.startswith("/dev/") else None


def _plain(text: str) -> str:
    return _OCTAL.sub(lambda match: chr(int(match[1], 8)), text)
