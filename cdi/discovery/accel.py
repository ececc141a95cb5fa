"""Compute accelerators: /dev/accel/accelN of a device (Documentation/accel in the kernel's sources)."""

from __future__ import annotations

__all__ = ["Accel", "read_accel"]

import re
from typing import TYPE_CHECKING

import msgspec

from cdi.discovery.node import Node, find_node

if TYPE_CHECKING:
    from cdi.host import Host

_NAME = re.compile(r"accel(\d+)")


class Accel(msgspec.Struct, frozen=True, kw_only=True):
    """An accelerator: `name` is accelN, `number` is N, `path` its kernel object."""

    name: str
    number: int
    path: str
    node: Node


def read_accel(host: Host, device: str) -> Accel | None:
    """Return the accelerator of a device in sysfs, None when it has none; raise `NodeFault` when its node is missing.

    /sys/bus/pci/devices/0000:00:0b.0/accel/accel0/  dev uevent
    """
    names = host.names(f"{device}/accel")
    match = next((match for name in names if (match := _NAME.fullmatch(name))), None)
    if match is None:
        return None
    path = f"{device}/accel/{match[0]}"
    node = find_node(host, sysfs=path, path=f"/dev/accel/{match[0]}")
    return Accel(name=match[0], number=int(match[1]), path=path, node=node)
