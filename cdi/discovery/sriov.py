"""SR-IOV: the numbers of virtual functions."""

from __future__ import annotations

__all__ = ["read_indexes"]

import re
from typing import TYPE_CHECKING

from cdi.discovery.sysfs import Kobject
from cdi.host import HostError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cdi.discovery.pci import Function
    from cdi.host import Host

_LINK = re.compile(r"virtfn(\d+)")


def read_indexes(host: Host, functions: Iterable[Function]) -> dict[str, int]:
    """Return the number of each virtual function of these physical ones, by its address.

    /sys/bus/pci/devices/0000:4d:00.0/virtfn0 -> ../0000:4d:00.1
    """
    indexes: dict[str, int] = {}
    for function in functions:
        if not function.functions:
            continue
        try:
            here = Kobject(host, function.path)
        except HostError:  # unplugged meanwhile
            continue
        for name in here.names:
            match = _LINK.fullmatch(name)
            address = here.target(name) if match is not None else None
            if match is not None and address is not None:
                indexes[address] = int(match[1])
    return indexes
