"""PCI functions: which one a kernel object belongs to, and what it says of itself."""

from __future__ import annotations

__all__ = ["Function", "parse_bdf", "read_function"]

import re
from typing import TYPE_CHECKING

import msgspec

from cdi.discovery.sysfs import Kobject

if TYPE_CHECKING:
    from cdi.host import Host

# domain:bus:device.function; domains have up to 32 bits (Intel VMD, Hyper-V).
_BDF = re.compile(r"[0-9a-f]{4,8}:[0-9a-f]{2}:[01][0-9a-f]\.[0-7]")


class Function(msgspec.Struct, frozen=True, kw_only=True):
    """A PCI function; `bdf` is its address, `parent` the physical function that a virtual one belongs to."""

    bdf: str
    vendor: int | None = None
    device: int | None = None
    driver: str | None = None
    numa_node: int | None = None  # None also when the kernel says -1
    parent: str | None = None
    functions: int = 0  # how many virtual functions it has
    unread: tuple[str, ...] = ()


def parse_bdf(path: str) -> str | None:
    """Return the address of the innermost PCI function in a path without links.

    /sys/devices/pci0000:00/0000:00:03.0/virtio2/net/eth0 is of 0000:00:03.0.
    """
    return next((part for part in reversed(path.split("/")) if _BDF.fullmatch(part)), None)


def read_function(host: Host, path: str) -> Function | None:
    """Return the PCI function that is at, or above, a path without links; None when there is none."""
    bdf = parse_bdf(path)
    if bdf is None:
        return None
    here = Kobject(host, path[: path.rindex(bdf) + len(bdf)])
    numa = here.number("numa_node")
    return Function(
        bdf=bdf,
        vendor=here.number("vendor"),
        device=here.number("device"),
        driver=here.target("driver"),
        numa_node=numa if numa is not None and numa >= 0 else None,
        parent=here.target("physfn"),
        functions=here.number("sriov_numvfs") or 0,
        unread=tuple(here.unread),
    )
