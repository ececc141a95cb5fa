"""VFIO: the nodes through which a program, or a virtual machine, drives a PCI function itself."""

from __future__ import annotations

__all__ = ["UNPROTECTED", "Vfio", "is_vfio", "read_vfio"]

import posixpath
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from cdi.discovery.node import Node, NodeFault, find_node
from cdi.discovery.sysfs import Kobject, parse_number
from cdi.discovery.vfio_users import User, read_vfio_users
from cdi.host import HostError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cdi.discovery.pci import Function
    from cdi.host import Host

UNPROTECTED = "without an IOMMU, whoever drives it can have it read and write all memory of the host"
_CONTAINER = "/dev/vfio/vfio"
_IOMMUFD = "/dev/iommu"
# Drivers that leave DMA alone, so that the rest of their group may be given away (driver_managed_dma in the kernel).
_HARMLESS = frozenset({"pci-stub", "pcieport"})


class Vfio(msgspec.Struct, frozen=True, kw_only=True):
    """The nodes of a function that is bound to a VFIO driver.

    `own` are its group and its device file, `shared` what every user of VFIO needs: the container of groups and
    the file of iommufd. A group has all its functions or none: `partners` are the others, `blockers` those whose
    driver keeps the whole group from being used, each with that driver: `0000:03:00.1 (snd_hda_intel)`. `user` is
    the process that uses it now, or the whole group; `unsure` is why that could not be told.
    """

    group: str
    own: tuple[Node, ...]
    shared: tuple[Node, ...]
    partners: tuple[str, ...] = ()
    blockers: tuple[str, ...] = ()
    user: User | None = None
    unsure: str | None = None
    unprotected: bool = False  # without an IOMMU

    @property
    def use(self) -> str | None:
        """Who uses it now."""
        return str(self.user) if self.user is not None else None

    @property
    def caution(self) -> str | None:
        """Why nobody should get it now. Of a container, which has it from a spec, a use is none: it may start again."""
        return f"is used by {self.user}" if self.user is not None and not self.user.contained else None

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a user of the group should know of its other functions, and of who else uses it."""
        said = [UNPROTECTED] if self.unprotected else []
        if self.blockers:
            said.append(f"IOMMU group {self.group} cannot be used while it holds {', '.join(self.blockers)}")
        elif self.partners:
            said.append(f"IOMMU group {self.group} gives access to {', '.join(self.partners)} too")
        said += [self.caution] if self.caution is not None else []
        said += [f"it is in use, and by whom cannot be told: {self.unsure}"] if self.unsure is not None else []
        return tuple(said)


def is_vfio(driver: str | None) -> bool:
    """Return whether a driver is VFIO's or a variant of it: vfio-pci, xe-vfio-pci, mlx5_vfio_pci, qat_vfio_pci."""
    return driver is not None and driver.replace("_", "-").endswith("vfio-pci")


def read_vfio(host: Host, function: Function) -> Vfio:
    """Return the VFIO nodes of a function; raise `NodeFault` when it cannot be used that way.

        /sys/bus/pci/devices/0000:03:00.0/iommu_group -> ../../../kernel/iommu_groups/42
        /sys/bus/pci/devices/0000:03:00.0/vfio-dev/vfio7/dev

    Without an IOMMU, the group is noiommu-42 on the host and 42 for programs (Documentation/driver-api/vfio.rst).
    A kernel may have groups, device files (CONFIG_VFIO_DEVICE_CDEV) or both; programs need one of them.
    """
    return host.once(_read_vfio, function)


def _read_vfio(host: Host, function: Function) -> Vfio:
    here = Kobject(host, function.path)
    group = here.target("iommu_group")
    if group is None:
        message = f"{function.bdf} is in no IOMMU group"
        raise NodeFault(message)
    place = f"/sys/kernel/iommu_groups/{group}"
    unprotected = _is_unprotected(host, place)
    device_file = _device_file(host, here)
    iommufd = _find(host, _IOMMUFD) if device_file is not None else None
    by_file = (device_file, iommufd) if device_file is not None and iommufd is not None else None
    try:
        by_group = _group(host, group, unprotected=unprotected), find_node(host, path=_CONTAINER)
    except NodeFault:
        if by_file is None:
            raise
        by_group = None
    pairs = [pair for pair in (by_group, by_file) if pair is not None]
    drivers = dict(_drivers(host, f"{place}/devices"))
    partners = tuple(sorted(drivers.keys() - {function.bdf}))
    user, unsure = _user(host, here, group, [bdf for bdf in partners if is_vfio(drivers[bdf])])
    return Vfio(
        group=group,
        own=tuple(own for own, _ in pairs),
        shared=tuple(shared for _, shared in pairs),
        partners=partners,
        blockers=tuple(f"{bdf} ({drivers[bdf]})" for bdf in partners if _blocks(drivers[bdf])),
        user=user,
        unsure=unsure,
        unprotected=unprotected,
    )


def _group(host: Host, number: str, *, unprotected: bool) -> Node:
    if unprotected:
        return replace(find_node(host, path=f"/dev/vfio/noiommu-{number}"), path=f"/dev/vfio/{number}")
    return find_node(host, path=f"/dev/vfio/{number}")


def _is_unprotected(host: Host, place: str) -> bool:
    name = f"{place}/name"
    return host.exists(name) and host.read_text(name).strip() == "vfio-noiommu"


def _device_file(host: Host, here: Kobject) -> Node | None:
    devices = here.below("vfio-dev")
    for name in sorted(devices.names) if devices is not None else ():
        try:
            return find_node(host, sysfs=f"{here.path}/vfio-dev/{name}", path=f"/dev/vfio/devices/{name}")
        except (NodeFault, HostError):
            continue
    return None


def _find(host: Host, path: str) -> Node | None:
    try:
        return find_node(host, path=path)
    except NodeFault:
        return None


def _drivers(host: Host, members: str) -> Iterator[tuple[str, str | None]]:
    """Yield the functions of a group with their drivers."""
    for bdf in host.listdir(members, natural=False) if host.is_dir(members) else ():
        try:
            yield bdf, posixpath.basename(host.readlink(f"{members}/{bdf}/driver"))
        except HostError:
            yield bdf, None


def _blocks(driver: str | None) -> bool:
    """Return whether a driver uses DMA; a function without driver does no harm."""
    return driver is not None and not is_vfio(driver) and driver not in _HARMLESS


def _user(host: Host, here: Kobject, group: str, partners: list[str]) -> tuple[User | None, str | None]:
    """Return who has a function open, or another one of its group, or why that cannot be told.

    A VFIO driver has a function enabled just as long as a program has it open (vfio_pci_core_enable in the kernel):

        /sys/bus/pci/devices/0000:03:00.0/enable    1
    """
    others = (f"/sys/kernel/iommu_groups/{group}/devices/{bdf}" for bdf in partners)
    if not here.number("enable") and not any(_is_enabled(host, path) for path in others):
        return None, None
    devices = here.below("vfio-dev")
    files = [f"devices/{name}" for name in devices.names] if devices is not None else []
    users = host.once(read_vfio_users)
    for name in (group, f"noiommu-{group}", *files):
        user = users.by_node.get(f"/dev/vfio/{name}")
        if user is not None:
            return user, None
    return None, users.failure


def _is_enabled(host: Host, path: str) -> bool:
    try:
        return bool(parse_number(host.read_text(f"{path}/enable")))
    except HostError:
        return False
