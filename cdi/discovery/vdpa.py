"""vDPA devices: a virtio device whose data path is hardware, as a node for a virtual machine or as an interface."""

from __future__ import annotations

__all__ = ["VdpaDevice", "read_vdpa"]

from collections import Counter
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from cdi.discovery.node import Node, NodeFault, find_node
from cdi.discovery.pci import function_path, parse_bdf
from cdi.discovery.sysfs import Kobject
from cdi.host import HostError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cdi.host import Host

_DEVICES = "/sys/bus/vdpa/devices"
_NODE = "vhost-vdpa-"
_AS_INTERFACE = "virtio_vdpa"


class VdpaDevice(msgspec.Struct, frozen=True, kw_only=True):
    """A vDPA device.

    `driver` is vhost_vdpa, which makes `node`, or virtio_vdpa, which makes a network interface; `fault` says why
    the node cannot be used.
    """

    name: str
    path: str
    bdf: str | None
    driver: str | None
    node: Node | None = None
    fault: str | None = None
    interfaces: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()

    @property
    def way_out(self) -> str:
        """How one without a driver becomes a node."""
        return f"modprobe vhost_vdpa, then echo {self.name} > /sys/bus/vdpa/drivers/vhost_vdpa/bind"


def read_vdpa(host: Host) -> tuple[VdpaDevice, ...]:
    """Return the vDPA devices of a host, by name.

    /sys/bus/vdpa/devices/vdpa0 -> ../../../devices/pci0000:3a/0000:3a:00.0/0000:3b:00.2/vdpa0
    /sys/bus/vdpa/devices/vdpa0/driver -> ../../../../../bus/vdpa/drivers/vhost_vdpa
    /sys/bus/vdpa/devices/vdpa0/vhost-vdpa-0/dev    511:0
    /sys/bus/vdpa/devices/vdpa1/virtio4/net/eth2

    The virtio device of one whose hardware does DMA is beside it, below the PCI function, and nothing tells whose it is
    (drivers/virtio/virtio_vdpa.c in the kernel's sources): then it counts if the function has one such device only.

    /sys/devices/pci0000:3a/0000:3a:00.0/0000:3b:00.3/vdpa1
    /sys/devices/pci0000:3a/0000:3a:00.0/0000:3b:00.3/virtio4/net/eth2
    """
    devices: list[VdpaDevice] = []
    for name in host.names(_DEVICES):
        try:
            devices.append(_read_device(host, name))
        except HostError as error:
            if not error.missing:  # else it was removed meanwhile
                raise
    on_function = Counter(device.bdf for device in devices if device.driver == _AS_INTERFACE)
    return tuple(
        replace(device, interfaces=tuple(_beside(host, device)))
        if device.driver == _AS_INTERFACE and not device.interfaces and on_function[device.bdf] == 1
        else device
        for device in devices
    )


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
        bdf=parse_bdf(here.path),
        driver=here.target("driver"),
        node=node,
        fault=fault,
        interfaces=tuple(_interfaces(here)),
        unread=tuple(here.unread),
    )


def _beside(host: Host, device: VdpaDevice) -> Iterator[str]:
    place = function_path(device.path)
    try:
        yield from _interfaces(Kobject(host, place)) if place is not None else ()
    except HostError:  # unplugged meanwhile
        return


def _interfaces(here: Kobject) -> Iterator[str]:
    for name in sorted(name for name in here.names if name.startswith("virtio")):
        virtio = here.below(name)
        interfaces = virtio.below("net") if virtio is not None else None
        yield from sorted(interfaces.names) if interfaces is not None else ()
