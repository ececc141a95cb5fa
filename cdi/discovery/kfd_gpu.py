"""GPUs behind /dev/kfd: which devices of sysfs they and their partitions are, and what the kernel says of each."""

from __future__ import annotations

__all__ = ["Gpu", "KfdDriver", "Place", "Unit", "find_functions", "find_places", "group_units", "place_of"]

import re
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from cdi.discovery.node import NodeFault
from cdi.discovery.pci import Function, list_functions, read_function
from cdi.discovery.sysfs import Kobject
from cdi.host import Host, HostError
from cdi.names import natural_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from cdi.discovery.kfd import KfdNode

_PLATFORM = "/sys/devices/platform"
_RENDER = re.compile(r"renderD(?P<minor>\d+)")
_HEXADECIMAL = re.compile(r"[0-9a-fA-F]+")
_WHOLE = "SPX"  # the mode in which a GPU is one device


class KfdDriver(msgspec.Struct, frozen=True, kw_only=True):
    """What the driver of one vendor has of its own; `partitions` is a pattern of names."""

    family: str
    kind: str
    vendor: int
    classes: frozenset[int]  # base classes of PCI functions that are GPUs
    modules: tuple[str, ...]  # as which it is loaded and bound, the usual one first
    partitions: str  # platform devices: amdgpu_xcp_3 or amdgpu_xcp.3, from release to release
    controls: tuple[str, ...] = ()  # nodes that all GPUs need, where they exist, besides /dev/kfd
    directories: tuple[str, ...] = ()  # that programs need of the host, to mount where they exist

    def has(self, function: Function) -> bool:
        """Return whether the driver is bound to a function."""
        return function.driver in self.modules


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """A device of sysfs that has DRM nodes: a PCI function, or for most partitions a platform device."""

    path: str
    function: Function | None = None


class Unit(msgspec.Struct, frozen=True, kw_only=True):
    """A GPU or a partition: what KFD knows of it, and where it is."""

    node: KfdNode
    place: Place


class Gpu(msgspec.Struct, frozen=True, kw_only=True):
    """A GPU with its partitions by number; a whole one has one unit, of number 0.

    Modes and names are files of the PCI function; partitions have none of their own.
    """

    bdf: str
    function: Function | None
    units: tuple[tuple[int, Unit], ...]
    whole: bool
    product: str | None = None
    unique_id: int | None = None
    compute_mode: str | None = None
    memory_mode: str | None = None
    unread: tuple[str, ...] = ()


def find_functions(host: Host, driver: KfdDriver) -> list[Function]:
    """Return the GPUs among the PCI functions, by address: the vendor's, and what else its driver has."""
    functions = {function.bdf: function for function in list_functions(host, vendor=driver.vendor)}
    bound = {function.bdf: function for module in driver.modules for function in _bound(host, module)}
    gpus = [one for one in functions.values() if driver.has(one) or (one.class_code or 0) >> 16 in driver.classes]
    every = bound | {function.bdf: function for function in gpus}
    return sorted(every.values(), key=lambda function: natural_key(function.bdf))


def _bound(host: Host, module: str) -> Iterator[Function]:
    """Yield the functions of a driver, by the bus and by its module, where one of the two is out of sight."""
    for directory in (f"/sys/bus/pci/drivers/{module}", f"/sys/module/{module}/drivers/pci:{module}"):
        for path in host.glob(f"{directory}/*:*:*"):
            try:
                function = read_function(host, host.resolve(path))
            except HostError:  # unplugged meanwhile
                continue
            if function is not None:
                yield function if function.driver is not None else replace(function, driver=module)


def find_places(host: Host, driver: KfdDriver, functions: Iterable[Function]) -> Iterator[tuple[int, Place]]:
    """Yield the devices that have a render node, by its minor; the first partition of a GPU is its PCI function.

    /sys/devices/pci0000:00/…/0000:0c:00.0/drm/   card1 renderD128
    /sys/devices/platform/amdgpu_xcp_0/drm/       card2 renderD129
    """
    places = [Place(path=function.path, function=function) for function in functions]
    places += [Place(path=path) for path in host.glob(f"{_PLATFORM}/{driver.partitions}")]
    for place in places:
        try:
            names = host.listdir(f"{place.path}/drm")
        except HostError:  # no DRM nodes, or the reader of the function's own nodes says why
            continue
        for match in filter(None, map(_RENDER.fullmatch, names)):
            yield int(match["minor"]), place


def place_of(node: KfdNode, places: Mapping[int, Place]) -> Place:
    """Return the device that a node of KFD is; raise `NodeFault` when sysfs has none or has it elsewhere."""
    place = places.get(node.render_minor or 0)
    if place is None:
        message = f"KFD node {node.number} at {node.address} has it, but no device in sysfs"
        raise NodeFault(message)
    if place.function is not None and not place.function.bdf.startswith(f"{node.address}."):
        message = f"KFD node {node.number} has it at {node.address}, but it is of {place.function.bdf}"
        raise NodeFault(message)
    return place


def group_units(host: Host, units: Iterable[Unit]) -> list[Gpu]:
    """Return the GPUs by address: each PCI function is one, and has the partitions of its slot."""
    slots: dict[tuple[int, int], list[Unit]] = {}
    for unit in units:
        slots.setdefault(unit.node.slot, []).append(unit)
    groups = (group for members in slots.values() for group in _split(members))
    return sorted((_gpu(host, group) for group in groups), key=lambda gpu: natural_key(gpu.bdf))


def _split(members: list[Unit]) -> Iterator[list[Unit]]:
    """Yield the units of each function of a slot: those from its own render node to the next function's.

    There are several where virtual functions share a slot. Of the only function of a slot are all partitions.
    """
    members = sorted(members, key=lambda unit: unit.node.render_minor or 0)
    starts = [number for number, unit in enumerate(members) if unit.place.function is not None][1:]
    for start, end in zip([0, *starts], [*starts, len(members)], strict=True):
        yield members[start:end]


def _gpu(host: Host, members: list[Unit]) -> Gpu:
    function = next((unit.place.function for unit in members if unit.place.function is not None), None)
    units = tuple(sorted(zip(_numbers(members), members, strict=True), key=lambda pair: pair[0]))
    if function is None:
        return Gpu(bdf=f"{members[0].node.address}.0", function=None, units=units, whole=False)
    here = Kobject(host, function.path)
    mode = here.text("current_compute_partition") or None
    unique_id = here.text("unique_id") or ""
    return Gpu(
        bdf=function.bdf,
        function=function,
        units=units,
        whole=len(members) == 1 and mode in {None, _WHOLE},
        product=here.text("product_name") or None,
        unique_id=int(unique_id, 16) or None if _HEXADECIMAL.fullmatch(unique_id) else None,
        compute_mode=mode,
        memory_mode=here.text("current_memory_partition") or None,
        unread=(*function.unread, *here.unread),
    )


def _numbers(members: list[Unit]) -> list[int]:
    """Return the numbers of units in the order of their render minors: those of KFD, or if it has none, counted."""
    if len(members) > 1 or members[0].place.function is None:
        for numbers in ([unit.node.high for unit in members], [unit.node.low for unit in members]):
            if any(numbers) and len(set(numbers)) == len(members):
                return numbers
    return list(range(len(members)))
