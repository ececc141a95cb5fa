"""Network cards: PCI functions and their parts, joined with their interfaces, RDMA and vDPA devices."""

from __future__ import annotations

__all__ = ["AWAY", "Nic", "read_nics"]

from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar, Union

import msgspec

from cdi.discovery.movable import NOWHERE, read_surroundings, representors
from cdi.discovery.net import Interface  # noqa: TC001 - msgspec reads the annotations
from cdi.discovery.pci import NETWORK, Function, find_function, list_functions, parse_bdf, parse_subfunction
from cdi.discovery.rdma import RdmaDevice, read_rdma
from cdi.discovery.sriov import read_indexes
from cdi.discovery.sysfs import Kobject
from cdi.discovery.vdpa import VdpaDevice, read_vdpa
from cdi.discovery.vfio import is_vfio
from cdi.host import Host, HostError
from cdi.names import natural_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

AWAY = "has its interface in another network namespace, that of a container for example"


class Nic(msgspec.Struct, frozen=True, kw_only=True):
    """A function of a network card with all that belongs to it, or a subfunction, by its name on the auxiliary bus.

    Of a virtual function, `index` is its number, `physical` the interface of its physical function and `representor`
    the host's end of it behind a switch. `away` is whether its driver has made interfaces that are in other network
    namespaces.
    """

    function: Function
    subfunction: str | None = None
    index: int | None = None  # of a subfunction: its number, sfnum
    physical: str | None = None
    representor: str | None = None
    switchdev: bool = False
    interfaces: tuple[Interface, ...] = ()
    rdma: tuple[RdmaDevice, ...] = ()
    vdpa: tuple[VdpaDevice, ...] = ()
    away: bool = False

    @property
    def name(self) -> str:
        """Its PCI address, or its name on the auxiliary bus."""
        return self.subfunction or self.function.bdf

    @property
    def names(self) -> dict[str, str]:
        """What it is called besides, by sort: address, interface and its place by udev, RDMA device, `ens1f0-vf3`."""
        names = {} if self.subfunction is not None else {"bdf": self.function.bdf}
        if len(self.interfaces) == 1:
            names |= {"interface": self.interfaces[0].name, **self.interfaces[0].by_udev.names}
        usable = [device.name for device in self.rdma if device.has_verbs]
        if len(usable) == 1:
            names["rdma"] = usable[0]
        if self.physical is not None and self.index is not None:
            sort = "sf" if self.subfunction is not None else "vf"
            names[sort] = f"{self.physical}-{sort}{self.index}"
        return names

    @property
    def attributes(self) -> dict[str, str | int | bool | None]:
        """What is known of it; what is not is None."""
        function = self.function
        is_part = self.subfunction is not None
        return {
            **function.attributes,
            "subfunction": self.subfunction,
            "sfIndex": self.index if is_part else None,
            "parentInterface": self.physical,
            "vfIndex": None if is_part else self.index,
            "virtualFunctions": None if is_part else function.functions or None,
            "totalVfs": None if is_part else function.capacity,
            "eswitchMode": "switchdev" if self.switchdev else None,
            "representor": self.representor,
            "rdmaDevice": ",".join(device.name for device in self.rdma) or None,
            "vdpaDevice": ",".join(device.name for device in self.vdpa) or None,
        }


def read_nics(host: Host) -> tuple[Nic, ...]:
    """Return the functions of network cards and their subfunctions, by address.

    Those are the PCI functions of class 02, and all others that have a network interface, an RDMA or a vDPA device.
    """
    try:
        around = host.once(read_surroundings)
    except HostError as error:
        if not error.missing:
            raise
        around = NOWHERE
    ends = representors(around)
    switch_ports = set(ends.values())
    switches = {bdf for _, bdf, _ in ends}
    interfaces: _Owned[Interface] = {}
    rdma: _Owned[RdmaDevice] = {}
    vdpa: _Owned[VdpaDevice] = {}
    for interface in around.by_name.values():
        if interface.name not in switch_ports and _is_of_card(interface):
            _add(interfaces, _owner(interface.path), interface)
    with suppress(HostError):  # the family of RDMA devices says so
        for device in host.once(read_rdma):
            _add(rdma, _owner(device.path), device)
    with suppress(HostError):
        for vdpa_device in host.once(read_vdpa):
            _add(vdpa, _owner(vdpa_device.path), vdpa_device)
    owned = {**interfaces, **rdma, **vdpa}
    functions = dict(_functions(host, {bdf for bdf, _ in owned}))
    indexes = read_indexes(host, functions.values())
    uplinks = {bdf: ones[0].name for (bdf, part), ones in interfaces.items() if part is None and len(ones) == 1}
    nics: list[Nic] = []
    for bdf, part in {*owned, *((bdf, None) for bdf in functions)}:
        function = functions.get(bdf)
        if function is None:
            continue
        mine = interfaces.get((bdf, part), [])
        index = indexes.get(bdf) if part is None else _number(host, function, part)
        nics.append(
            Nic(
                function=function,
                subfunction=part,
                index=index,
                physical=uplinks.get(function.parent or "" if part is None else bdf),
                representor=ends.get((part is not None, function.parent or bdf, index)),
                switchdev=part is None and bdf in switches,
                interfaces=tuple(mine),
                rdma=tuple(rdma.get((bdf, part), ())),
                vdpa=tuple(vdpa.get((bdf, part), ())),
                away=not mine and _has_interfaces(host, function, part),
            )
        )
    return tuple(sorted(nics, key=lambda nic: natural_key(nic.name)))


_Owner = tuple[str, Union[str, None]]  # noqa: UP007 - evaluated, and 3.10 is supported
_T = TypeVar("_T")
_Owned = dict[_Owner, list[_T]]


def _owner(path: str) -> _Owner | None:
    """Return the address of the function and the name of the subfunction that a path without links is below."""
    bdf = parse_bdf(path)
    return (bdf, parse_subfunction(path)) if bdf is not None else None


def _is_of_card(interface: Interface) -> bool:
    """Return whether an interface is the function's own, and not of something on a bus behind it, as USB."""
    function = interface.function
    return function is not None and (function.is_network or interface.path == f"{function.path}/net/{interface.name}")


def _add(owned: _Owned[_T], owner: _Owner | None, one: _T) -> None:
    if owner is not None:
        owned.setdefault(owner, []).append(one)


def _functions(host: Host, more: Iterable[str]) -> Iterator[tuple[str, Function]]:
    """Yield network cards by address, and the functions of these addresses."""
    more = set(more)
    for function in list_functions(host, base_class=NETWORK):
        more.discard(function.bdf)
        yield function.bdf, function
    for bdf in more:
        other = find_function(host, bdf)
        if other is not None:
            yield bdf, other


def _number(host: Host, function: Function, subfunction: str) -> int | None:
    """Return the number that the user gave to a subfunction (drivers/net/ethernet/mellanox/mlx5/core/sf/dev/dev.c).

    /sys/devices/pci0000:3a/0000:3a:00.0/0000:3b:00.0/mlx5_core.sf.4/sfnum    88
    """
    try:
        return Kobject(host, f"{function.path}/{subfunction}").number("sfnum")
    except HostError:
        return None


def _has_interfaces(host: Host, function: Function, subfunction: str | None) -> bool:
    """Return whether there is a directory of interfaces, which is empty while they are in other network namespaces."""
    if is_vfio(function.driver):
        return False
    home = function.path if subfunction is None else f"{function.path}/{subfunction}"
    places = [f"{home}/net", *(f"{home}/{name}/net" for name in _virtio(host, home))]
    return any(host.is_dir(place) for place in places)


def _virtio(host: Host, home: str) -> Iterator[str]:
    try:
        yield from (name for name in host.listdir(home) if name.startswith("virtio"))
    except HostError:
        return
