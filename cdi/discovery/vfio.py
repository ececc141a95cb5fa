"""VFIO: the nodes through which a program, or a virtual machine, drives a PCI function itself."""

from __future__ import annotations

__all__ = ["Vfio", "read_vfio"]

from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from cdi.discovery.node import Node, NodeFault, find_node
from cdi.discovery.sysfs import Kobject
from cdi.host import HostError

if TYPE_CHECKING:
    from cdi.discovery.pci import Function
    from cdi.host import Host


class Vfio(msgspec.Struct, frozen=True, kw_only=True):
    """The nodes of a function that is bound to a VFIO driver.

    `own` are its group and its device file, `shared` what every user of VFIO needs: the container of groups and
    the file of iommufd. A group has all its functions or none: `partners` are the others.
    """

    group: str
    own: tuple[Node, ...]
    shared: tuple[Node, ...]
    partners: tuple[str, ...] = ()


def read_vfio(host: Host, function: Function) -> Vfio:
    """Return the VFIO nodes of a function; raise `NodeFault` when it cannot be used that way.

        /sys/bus/pci/devices/0000:03:00.0/iommu_group -> ../../../kernel/iommu_groups/42
        /sys/bus/pci/devices/0000:03:00.0/vfio-dev/vfio7/dev

    Without an IOMMU, the group is noiommu-42 on the host and 42 for programs (Documentation/driver-api/vfio.rst).
    """
    here = Kobject(host, function.path)
    group = here.target("iommu_group")
    if group is None:
        message = f"{function.bdf} is in no IOMMU group"
        raise NodeFault(message)
    groups = Kobject(host, f"/sys/kernel/iommu_groups/{group}")
    if groups.text("name") == "vfio-noiommu":
        node = replace(find_node(host, path=f"/dev/vfio/noiommu-{group}"), path=f"/dev/vfio/{group}")
    else:
        node = find_node(host, path=f"/dev/vfio/{group}")
    own, shared = [node], [find_node(host, path="/dev/vfio/vfio")]
    device_file = _device_file(host, here)
    if device_file is not None:
        own.append(device_file)
        shared += _iommufd(host)
    members = groups.below("devices")
    partners = sorted(members.names - {function.bdf}) if members is not None else []
    return Vfio(group=group, own=tuple(own), shared=tuple(shared), partners=tuple(partners))


def _device_file(host: Host, here: Kobject) -> Node | None:
    devices = here.below("vfio-dev")
    for name in sorted(devices.names) if devices is not None else ():
        try:
            return find_node(host, sysfs=f"{here.path}/vfio-dev/{name}", path=f"/dev/vfio/devices/{name}")
        except (NodeFault, HostError):
            continue
    return None


def _iommufd(host: Host) -> list[Node]:
    try:
        return [find_node(host, path="/dev/iommu")]
    except NodeFault:
        return []
