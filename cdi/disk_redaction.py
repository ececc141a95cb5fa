"""What a snapshot keeps of the files that tell what is mounted, and what is on disks: no more than discovery needs."""

from __future__ import annotations

__all__ = ["of_disks"]

import re
from typing import TYPE_CHECKING

from msgspec.structs import replace

from cdi.discovery.block import CONTENT
from cdi.discovery.mounts import parse_mounts, parse_swaps

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from cdi.host.tree import Entry


def of_disks(entries: Mapping[str, Entry]) -> Iterator[tuple[str, Entry]]:
    """Yield what tells which disks are in use, and what is on others, without the rest that such files say."""
    for path, entry in entries.items():
        lines = next((lines for pattern, lines in _DISK_FILES if pattern.fullmatch(path)), None)
        if lines is not None:
            text = entry.content.decode("utf-8", "surrogateescape")
            content = "".join(f"{line}\n" for line in lines(text)).encode("utf-8", "surrogateescape")
            yield path, replace(entry, content=content if entry.error is None else b"")


def _mount_lines(text: str) -> Iterator[str]:
    """Yield the mounts of devices, that of the root whatever it is of, and whether there are any of ZFS."""
    for line in text.split("\n"):
        for mount in parse_mounts(line):
            fields = line.split(" ")
            source = fields[fields.index("-", 6) + 2]
            is_device = source.startswith("/dev/")
            if is_device or not mount.numbers.startswith("0:") or mount.type == "zfs" or mount.point == "/":
                kind = f"{mount.type} {source if is_device else 'none'}"
                yield f"{fields[0]} {fields[1]} {mount.numbers} / {fields[4]} rw - {kind} rw"


def _swap_lines(text: str) -> Iterator[str]:
    yield from text.split("\n")[:1]
    yield from (line for line in text.split("\n")[1:] if list(parse_swaps(f"\n{line}")))


def _root_lines(text: str) -> Iterator[str]:
    yield " ".join(word for word in text.split() if word.startswith("root="))


def _name_lines(text: str) -> Iterator[str]:
    yield "kthreadd" if text.strip() == "kthreadd" else "process"


def _content_lines(text: str) -> Iterator[str]:
    """Yield what is on a disk; a line without it, if nothing is, tells that udev has looked."""
    lines = [line for line in text.splitlines() if line.partition("=")[0] in CONTENT]
    yield from lines or (["E:ID_FS_TYPE="] if "E:" in text else [])


def _device_lines(text: str) -> Iterator[str]:
    """Yield the path of a device that something is made from; that of a file tells nothing about disks."""
    yield text.strip() if text.startswith("/dev/") else ""


_DISK_FILES: tuple[tuple[re.Pattern[str], Callable[[str], Iterator[str]]], ...] = (
    (re.compile(r"/proc/(1|self)/mountinfo"), _mount_lines),
    (re.compile(r"/proc/swaps"), _swap_lines),
    (re.compile(r"/proc/cmdline"), _root_lines),
    (re.compile(r"/proc/2/comm"), _name_lines),
    (re.compile(r"/sys/.*/(backing_file|backing_dev|device_path|udev_path)"), _device_lines),
    (re.compile(r"/run/udev/data/b[0-9]+:[0-9]+"), _content_lines),
)
