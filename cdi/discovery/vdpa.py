"""vDPA devices: a virtio device whose data path is hardware, as a node for a virtual machine or as an interface."""

from __future__ import annotations

__all__ = ["VdpaDevice", "read_vdpa"]

from typing import TYPE_CHECKING

import msgspec

from cdi.discovery.node import Node, NodeFault, find_node
from cdi.discovery.pci import parse_bdf
from cdi.discovery.sysfs import Kobject
from cdi.host import HostError

if TYPE_CHECKING:
    from cdi.host import Host

_DEVICES = "/sys/bus/vdpa/devices"
_NODE = "vhost-vdpa-"


class VdpaDevice(msgspec.Struct, frozen=True, kw_only=True):
    """A vDPA device; `home` is the path in /sys/devices of what it is a device of.

    `driver` is vhost_vdpa, which makes `node`, or virtio_vdpa, which makes a network interface; `fault` says why
    the node cannot be used.
    """

    name: str
    path: str
    home: str
    bdf: str | None
    driver: str | None
    node: Node | None = None
    fault: str | None = None
    interfaces: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()


def read_vdpa(host: Host) -> tuple[VdpaDevice, ...]:
    """Return the vDPA devices of a host, by name.

    /sys/bus/vdpa/devices/vdpa0 -> ../../../devices/pci0000:3a/0000:3a:00.0/0000:3b:00.2/vdpa0
    /sys/bus/vdpa/devices/vdpa0/driver -> ../../../../../bus/vdpa/drivers/vhost_vdpa
    /sys/bus/vdpa/devices/vdpa0/vhost-vdpa-0/dev    511:0
    /sys/bus/vdpa/devices/vdpa1/virtio4/net/eth2

    (drivers/vhost/vdpa.c and drivers/virtio/virtio_vdpa.c in the kernel's sources)
    """
    try:
        names = host.listdir(_DEVICES)
    except HostError as error:
        if error.missing:
            return ()
        raise
    devices: list[VdpaDevice] = []
    for name in names:
        try:
            devices.append(_read_device(host, name))
        except HostError as error:
            if not error.missing:  # else it was removed meanwhile
                raise
    return tuple(devices)


def _read_device(host: Host, name: str) -> VdpaDevice:
    here = Kobject(host, f"{_DEVICES}/{name}")
    node: Node | None = None
    fault: str | None = None
    for child in sorted(child for child in here.names if child.startswith(_NODE)):
        try:
            node = find_node(host, sysfs=f"{here.path}/{child}", path=f"/dev/{child}")
        except (NodeFault, HostError) as error:
            fault = str(error)
    return VdpaDevice(
        name=name,
        path=here.path,
        home=here.path.rpartition("/")[0],
        bdf=parse_bdf(here.path),
        driver=here.target("driver"),
        node=node,
        fault=fault,
        interfaces=tuple(_interfaces(here)),
        unread=tuple(here.unread),
    )


def _interfaces(here: Kobject) -> list[str]:
    found: list[str] = []
    for name in sorted(name for name in here.names if name.startswith("virtio")):
        virtio = here.below(name)
        interfaces = virtio.below("net") if virtio is not None else None
        found += sorted(interfaces.names) if interfaces is not None else []
    return found
