"""Block devices: their partitions, what is built on them, and what udev found on them."""

from __future__ import annotations

__all__ = ["CONTENT", "Block", "read_block", "read_content"]

from typing import TYPE_CHECKING

import msgspec

from cdi.discovery.sysfs import Kobject, parse_uevent
from cdi.host import HostError

if TYPE_CHECKING:
    from cdi.host import Host

CONTENT = ("E:ID_FS_TYPE", "E:ID_FS_USAGE", "E:ID_PART_TABLE_TYPE")  # of udev's database, the most telling first
_SECTOR = 512  # the unit of `size`, whatever the disk's own is


class Block(msgspec.Struct, frozen=True, kw_only=True):
    """A disk, a partition or a device that is built on others: `numbers` as sysfs writes them, `size` in bytes."""

    name: str
    path: str  # without links
    numbers: str | None
    size: int | None
    partitions: tuple[Block, ...] = ()
    holders: tuple[Block, ...] = ()


def read_block(host: Host, path: str) -> Block:
    """Return a block device with its partitions, and with what holds each: LVM, LUKS, RAID, bcache, multipath.

    Raises `HostError` where any of this cannot be read, since what is not seen may be in use.

        /sys/class/block/nvme0n1 -> ../../devices/pci0000:00/0000:00:04.0/0000:01:00.0/nvme/nvme0/nvme0n1
        /sys/devices/…/nvme0n1/nvme0n1p3/partition                3
        /sys/devices/…/nvme0n1/nvme0n1p3/holders/dm-0 -> ../../../../../../../../virtual/block/dm-0
    """
    return _read(host, path, frozenset())


def _read(host: Host, path: str, above: frozenset[str]) -> Block:
    here = Kobject(host, path)
    name = here.path.rpartition("/")[2]
    below = above | {here.path}
    parts = (f"{here.path}/{entry}" for entry in sorted(here.names) if entry.startswith(name))
    holders = (host.resolve(f"{here.path}/holders/{entry}") for entry in host.listdir(f"{here.path}/holders"))
    size = here.number("size")
    return Block(
        name=name,
        path=here.path,
        numbers=here.text("dev"),
        size=size * _SECTOR if size is not None else None,
        partitions=tuple(_read(host, part, below) for part in parts if host.exists(f"{part}/partition")),
        holders=tuple(_read(host, holder, below) for holder in holders if holder not in below),
    )


def read_content(host: Host, numbers: str) -> str | None:
    """Return the type of what udev found on a block device (`ext4`, `zfs_member`), "" for nothing, None if unknown.

    /run/udev/data/b259:2    E:ID_FS_TYPE=ext4 E:ID_FS_USAGE=filesystem E:ID_PART_TABLE_TYPE=gpt
    """
    try:
        text = host.read_text(f"/run/udev/data/b{numbers}")
    except HostError:
        return None
    said = parse_uevent(text)
    if not any(key.startswith("E:") for key in said):
        return None
    return next((said[kind] for kind in CONTENT if said.get(kind)), "")
