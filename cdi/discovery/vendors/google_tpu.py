"""Google TPUs: chips with a node of their own up to v4, chips that programs drive through VFIO from v5 on.

Ids and nodes are those that Google's `tpu-info` and dra-driver-google-tpu know.
"""

from __future__ import annotations

__all__ = ["FAMILY"]

import re
from typing import TYPE_CHECKING

import msgspec

from cdi.discovery.found import Family, Found, Report, Shared, Skipped, present
from cdi.discovery.node import Node, NodeFault, edits_of, find_node
from cdi.discovery.pci import Function, list_functions, read_function
from cdi.discovery.vfio import read_vfio
from cdi.host import Host, HostError
from cdi.names import natural_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_NAME = "google-tpu"
_KIND = "google.com/tpu"
_GOOGLE = 0x1AE0
# Generations by device id; where an id has two, by the device id of the subsystem too.
_GENERATIONS: dict[int, str | dict[int, str]] = {
    0x0027: {0x004E: "v2", 0x004F: "v3"},
    0x005E: "v4",
    0x0062: "v5p",
    0x0063: "v5e",
    0x006F: "v6e",
    0x0076: "7x",
}
# What else has Google's vendor id (pci.ids): never a TPU.
_OTHERS = frozenset({0x001F, 0x0042, 0xABCD})  # NVMe, gVNIC, Pixel Neural Core
_ACCEL = re.compile(r"accel(?P<number>\d+)")
_WITHOUT_PCI = "known by the name of its node alone: no PCI function of this host has it"


class _Chip(msgspec.Struct, frozen=True, kw_only=True):
    """A chip with nodes; `place` orders chips, and is the number in `/dev/accelN` or `/dev/vfio/N`."""

    place: str
    nodes: tuple[Node, ...]
    shared: tuple[Node, ...] = ()
    function: Function | None = None
    warnings: tuple[str, ...] = ()


def _discover(host: Host, wanted: frozenset[str]) -> Iterator[Report]:
    functions = [one for one in list_functions(host, vendor=_GOOGLE) if one.device not in _OTHERS]
    chips: list[_Chip] = []
    skipped: list[Skipped] = []
    for function in functions:
        found = _look(host, function, wanted)
        chips.append(found) if isinstance(found, _Chip) else skipped.append(found)
    own = {node.path for chip in chips for node in chip.nodes}
    unclaimed = [chip for chip in _by_name(host) if chip.nodes[0].path not in own]
    if unclaimed and not own:
        chips, skipped = unclaimed, []
    if not chips and not skipped:
        yield Skipped(family=_NAME, what=_NAME, why="there is no PCI function of a TPU, nor /dev/accel0", absent=True)
    yield from skipped
    yield from _reported(chips, _common({_generation(function) for function in functions}))


def _look(host: Host, function: Function, wanted: frozenset[str]) -> _Chip | Skipped:
    try:
        nodes = tuple(_accel_nodes(host, function))
        if nodes:
            number = _ACCEL.fullmatch(nodes[0].path.rpartition("/")[2])
            return _Chip(place=number["number"] if number else nodes[0].path, nodes=nodes, function=function)
        if _generation(function) is None and function.bdf not in wanted:
            why = f"{_id(function)} is no TPU that is known"
            return Skipped(family=_NAME, what=function.bdf, why=why, hint=f"--include {function.bdf} offers it as one")
        return _through_vfio(host, function)
    except (NodeFault, HostError) as fault:
        bound = f"bound to {function.driver}" if function.driver is not None else "bound to no driver"
        return Skipped(
            family=_NAME,
            what=function.bdf,
            why=f"{_title(_generation(function))}, {bound}: {fault}",
            hint="load the TPU driver (up to v4), or bind the chip to vfio-pci",
            broken=True,
        )


def _accel_nodes(host: Host, function: Function) -> Iterator[Node]:
    """Yield the nodes that the TPU driver made; that of the kernel's accel subsystem would be /dev/accel/accel0.

    /sys/bus/pci/devices/0000:00:05.0/accel/accel0/dev  246:0
    """
    for name in host.names(f"{function.path}/accel"):
        if _ACCEL.fullmatch(name):
            yield find_node(host, sysfs=f"{function.path}/accel/{name}", path=f"/dev/{name}")


def _through_vfio(host: Host, function: Function) -> _Chip:
    vfio = read_vfio(host, function)
    return _Chip(place=vfio.group, nodes=vfio.own, shared=vfio.shared, function=function, warnings=vfio.warnings)


def _by_name(host: Host) -> Iterator[_Chip]:
    """Yield the chips that have `/dev/accelN`, no other driver calls a node so; its class may lead to the function.

    /sys/class/accel/accel0/device -> ../../../0000:00:04.0
    """
    for name in host.listdir(host.dev("/dev")) if host.exists(host.dev("/dev")) else ():
        match = _ACCEL.fullmatch(name)
        if match is None:
            continue
        place = f"/sys/class/accel/{name}"
        try:
            node = find_node(host, path=f"/dev/{name}")
            function = read_function(host, host.resolve(f"{place}/device")) if host.exists(f"{place}/device") else None
        except (NodeFault, HostError):
            continue
        if function is None or function.vendor == _GOOGLE:
            yield _Chip(place=match["number"], nodes=(node,), function=function)


def _reported(chips: Iterable[_Chip], generation: str | None) -> Iterator[Report]:
    ordered = sorted(chips, key=lambda chip: (natural_key(chip.place), chip.function.bdf if chip.function else ""))
    for index, chip in enumerate(ordered):
        yield _found(index, chip, generation)
    shared = {node.path: node for chip in ordered for node in chip.shared}
    if shared:
        how = f"{', '.join(shared)}: what programs need besides the nodes of chips to use VFIO"
        yield Shared(family=_NAME, kind=_KIND, edits=edits_of(shared.values(), permissions="rw", groups=True), how=how)


def _found(index: int, chip: _Chip, generation: str | None) -> Found:
    function = chip.function
    generation = _generation(function) if function is not None else generation
    paths = [node.path for node in chip.nodes]
    attributes: dict[str, str | int | None] = {
        "generation": generation,
        "node": paths[0],
        "pciAddress": function.bdf if function is not None else None,
        "driver": function.driver if function is not None else None,
        "numaNode": function.numa_node if function is not None else None,
    }
    where = f"PCI function {function.bdf} ({_id(function)})" if function is not None else "no PCI function is known"
    names = {"index": str(index), "node": paths[0].removeprefix("/dev/").replace("/", "-")}
    return Found(
        family=_NAME,
        kind=_KIND,
        name=str(index),
        names=names | ({"bdf": function.bdf, "id": function.stable_id} if function is not None else {}),
        also=("bdf",),
        edits=edits_of(chip.nodes, permissions="rw", groups=True),
        how=f"{', '.join(paths)}: {_title(generation)}, {where}",
        attributes=present(attributes),
        warnings=(*chip.warnings, *(function.unread if function is not None else (_WITHOUT_PCI,))),
    )


def _generation(function: Function) -> str | None:
    """Return the generation of a TPU, None of what is not known as one."""
    entry = _GENERATIONS.get(function.device or 0)
    if isinstance(entry, dict):
        return entry.get((function.subsystem or 0) & 0xFFFF, " or ".join(entry.values()))
    return entry


def _common(generations: set[str | None]) -> str | None:
    return generations.pop() if len(generations) == 1 else None


def _title(generation: str | None) -> str:
    return f"TPU {generation}" if generation is not None else "TPU of unknown generation"


def _id(function: Function) -> str:
    return f"{_GOOGLE:04x}:{function.device or 0:04x}"


FAMILY = Family(name=_NAME, kind=_KIND, summary="Google TPU chips", discover=_discover)
