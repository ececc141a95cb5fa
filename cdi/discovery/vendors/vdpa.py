"""vDPA devices: a virtio data path in hardware, for a virtual machine or a program that speaks vhost."""

from __future__ import annotations

__all__ = ["FAMILY"]

from typing import TYPE_CHECKING

from cdi.discovery.found import Family, Found, Report, Skipped, present
from cdi.discovery.node import edits_of
from cdi.discovery.pci import Function, read_function
from cdi.discovery.vdpa import VdpaDevice, read_vdpa
from cdi.host import HostError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cdi.host import Host

_NAME = "vdpa"
_KIND = "host.local/vdpa"


def _discover(host: Host, _: frozenset[str]) -> Iterator[Report]:
    devices = host.once(read_vdpa)
    for device in devices:
        if device.node is not None:
            yield _found(device, _function(host, device))
        else:
            yield _unusable(device)
    if not devices:
        yield Skipped(family=_NAME, what=_NAME, why="there is nothing in /sys/bus/vdpa/devices", absent=True)


def _unusable(device: VdpaDevice) -> Skipped:
    if device.fault is not None:
        return Skipped(family=_NAME, what=device.name, why=device.fault, broken=True)
    if device.driver is not None:
        made = f" and is interface {', '.join(device.interfaces)}, which netdev offers" if device.interfaces else ""
        return Skipped(family=_NAME, what=device.name, why=f"its driver is {device.driver}{made}")
    return Skipped(family=_NAME, what=device.name, why="no driver is bound to it", hint=device.way_out)


def _function(host: Host, device: VdpaDevice) -> Function | None:
    try:
        return read_function(host, device.path)
    except HostError:
        return None


def _found(device: VdpaDevice, function: Function | None) -> Found:
    where = f" of PCI function {device.bdf}" if device.bdf is not None else ""
    facts = {
        **(function.attributes if function is not None else {"pciAddress": device.bdf}),
        "driver": device.driver,
    }
    return Found(
        family=_NAME,
        kind=_KIND,
        name=device.name,
        names={"bdf": device.bdf} if device.bdf is not None else {},
        also=("bdf",),
        edits=edits_of([device.node] if device.node is not None else (), permissions="rw", groups=True),
        how=f"/sys/bus/vdpa/devices/{device.name}{where}: driver {device.driver}",
        attributes=present(facts),
        warnings=device.unread,
    )


FAMILY = Family(
    name=_NAME,
    kind=_KIND,
    summary="vDPA devices bound to vhost_vdpa",
    discover=_discover,
)
