"""Which block devices are in use: mounted, swap, part of what is mounted, or held by what is built on them."""

from __future__ import annotations

__all__ = ["DiskUse", "read_disk_use"]

import posixpath
import re
from typing import TYPE_CHECKING

import msgspec
from msgspec import field

from cdi.discovery.block import Block, read_content
from cdi.discovery.mounts import parse_root, parse_swaps, read_mounts
from cdi.host import HostError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cdi.discovery.mounts import Mount
    from cdi.host import Host

_ROOT = "is mounted on /"
_START = "is what the system was started from"
_SEVERAL = re.compile(r":(?=/dev/)")  # devices of one bcachefs: /dev/sda:/dev/sdb
# What drivers of file systems list of those that are mounted, in whichever mount namespace; the name is the device's.
_FILE_SYSTEMS = {
    "/sys/fs/btrfs/*/devices/*": "Btrfs",
    "/sys/fs/bcachefs/*/dev-*/block": "bcachefs",
    "/sys/fs/erofs/*": "EROFS",
    "/sys/fs/ext4/*": "ext4",
    "/sys/fs/f2fs/*": "F2FS",
    "/sys/fs/nilfs2/*": "NILFS2",
    "/sys/fs/xfs/*": "XFS",
}
# Files that hold the path of what something is made from, or is given to others.
_BACKINGS = {
    "/sys/block/loop*/loop/backing_file": "is behind a loop device",
    "/sys/block/zram*/backing_dev": "is behind compressed memory",
    "/sys/kernel/config/nvmet/subsystems/*/namespaces/*/device_path": "is exported over NVMe",
    "/sys/kernel/config/target/core/*/*/udev_path": "is exported over SCSI",
}
_ZFS = "zfs_member"


class DiskUse(msgspec.Struct, frozen=True, kw_only=True):
    """Why block devices are in use, by their numbers and by their names; `has_zfs` is whether a pool is imported.

    `failure` is why that cannot be told: then no device may be taken for free.
    """

    by_numbers: Mapping[str, str] = field(default_factory=dict[str, str])
    by_name: Mapping[str, str] = field(default_factory=dict[str, str])
    has_zfs: bool = False
    failure: str | None = None

    def of(self, block: Block) -> str | None:
        """Return why a device is in use: itself, a partition of it, or what is built on it; None if it is free."""
        uses = [_worded(*use) for use in self._uses(block)]
        return next((use for use in uses if use.endswith(_ROOT)), uses[0] if uses else None)

    def _uses(self, block: Block) -> Iterator[tuple[str, str, str | None]]:
        """Yield the device or partition, what of all that is built on it is in use, and how."""
        own = self.by_numbers.get(block.numbers or "") or self.by_name.get(block.name)
        if own is not None:
            yield block.name, block.name, own
        for partition in block.partitions:
            yield from self._uses(partition)
        for holder in block.holders:
            yield from ((block.name, top, how) for _, top, how in self._uses(holder))
            yield block.name, holder.name, None

    def in_zfs(self, host: Host, block: Block) -> str | None:
        """Return why a device may be of an imported pool, of which the kernel names no devices; None if it is not."""
        if not self.has_zfs:
            return None
        for one in (block, *block.partitions):
            content = read_content(host, one.numbers) if one.numbers is not None else None
            if content == _ZFS:
                return f"{one.name} is of ZFS, and a pool is imported"
            if content is None:
                return f"a pool of ZFS is imported, and udev does not say whether {one.name} is of it"
        return None


def _worded(base: str, top: str, how: str | None) -> str:
    """Return `nvme0n1p1 is mounted on /`, or `nvme0n1p3 carries dm-1, which is mounted on /`."""
    if base == top:
        return f"{base} {how}"
    return f"{base} carries {top}" + (f", which {how}" if how is not None else "")


def read_disk_use(host: Host) -> DiskUse:
    """Return what is in use on a host.

    The mounts of process 1 count, and our own. What drivers of file systems list counts too, since that is the same in
    all mount namespaces, and so does what the kernel was started from.
    """
    try:
        mounts = read_mounts(host, "1")
        if not mounts or not _is_of_machine(host):
            return DiskUse(failure="/proc is a container's, and does not tell what the machine has mounted")
        mounts += _own_mounts(host)
        by_path = dict(_by_path(host, mounts))
        by_driver = {name: f"has a mounted file system, {kind}" for name, kind in _listed(host)}
        pools = [path for path in host.glob("/proc/spl/kstat/zfs/*") if host.is_dir(path)]
    except HostError as error:
        return DiskUse(failure=f"what is in use cannot be told: {error.message}")
    longest_first = sorted(mounts, key=_shortest, reverse=True)
    by_numbers = {mount.numbers: f"is mounted on {mount.point}" for mount in longest_first}
    for path, use in by_path.items():
        numbers = _numbers(host, path)
        if numbers is not None:
            by_numbers.setdefault(numbers, use)
    by_name = by_driver | {posixpath.basename(path): use for path, use in by_path.items()}
    has_zfs = bool(pools) or any(mount.type == "zfs" for mount in mounts)
    return DiskUse(by_numbers=by_numbers, by_name=by_name, has_zfs=has_zfs)


def _is_of_machine(host: Host) -> bool:
    """Return whether process numbers are the machine's: only there the kernel's threads are seen, the first as 2."""
    try:
        return host.read_text("/proc/2/comm").strip() == "kthreadd"
    except HostError as error:
        if error.missing:
            return False
        raise


def _own_mounts(host: Host) -> tuple[Mount, ...]:
    try:
        return read_mounts(host, "self")
    except HostError:
        return ()


def _shortest(mount: Mount) -> tuple[int, str]:
    return len(mount.point), mount.point


def _by_path(host: Host, mounts: tuple[Mount, ...]) -> Iterator[tuple[str, str]]:
    """Yield the paths of devices with why they are in use, the most telling reason of each last."""
    root = parse_root(_text(host, "/proc/cmdline"))
    if root is not None:
        yield root, _START
    for pattern, use in _BACKINGS.items():
        for file in host.glob(pattern):
            path = host.read_text(file).strip()
            if path.startswith("/dev/"):
                yield path, use
    for path in parse_swaps(_text(host, "/proc/swaps")):
        yield path, "is swap"
    for mount in sorted(mounts, key=_shortest, reverse=True):
        for path in _SEVERAL.split(mount.source):
            if path.startswith("/dev/"):
                yield path, f"is mounted on {mount.point}"


def _listed(host: Host) -> Iterator[tuple[str, str]]:
    for pattern, kind in _FILE_SYSTEMS.items():
        for path in host.glob(pattern):
            yield posixpath.basename(host.resolve(path)), kind


def _numbers(host: Host, path: str) -> str | None:
    """Return the numbers of the device that a path in /dev leads to."""
    try:
        stat = host.lookup(host.dev(path))
    except HostError:
        return None
    return stat.numbers if stat is not None and stat.type == "b" else None


def _text(host: Host, path: str) -> str:
    try:
        return host.read_text(path)
    except HostError as error:
        if error.missing:
            return ""
        raise
