"""NVMe controllers with their namespaces, but for those that hold what the host uses."""

from __future__ import annotations

__all__ = ["FAMILY"]

import re
from typing import TYPE_CHECKING

from cdi.discovery.disk_use import read_disk_use
from cdi.discovery.found import Family, Found, Report, Skipped, present
from cdi.discovery.node import Node, NodeFault, edits_of, find_node
from cdi.discovery.nvme import Controller, read_controllers
from cdi.discovery.nvme_rules import Surroundings, cautions_of, fact_against, warnings_of
from cdi.discovery.pci import Function, list_functions, read_function
from cdi.discovery.sriov import read_indexes
from cdi.discovery.vfio import is_vfio
from cdi.host import Host, HostError
from cdi.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_NAME = "nvme"
_KIND = "host.local/nvme"
_STORAGE, _NVME = 0x01, 0x0108  # base class, and with it the subclass
_UIO = frozenset({"igb_uio", "uio_pci_generic"})
_ODD = re.compile(r"[^A-Za-z0-9.:-]+")


def _discover(host: Host, wanted: frozenset[str]) -> Iterator[Report]:
    functions = [f for f in list_functions(host, base_class=_STORAGE) if (f.class_code or 0) >> 8 == _NVME]
    try:
        controllers = tuple(read_controllers(host))
    except HostError as error:
        if not (error.missing and functions):
            raise
        controllers = ()
    driven = {controller.function.bdf for controller in controllers if controller.function is not None}
    yield from (_undriven(function) for function in functions if function.bdf not in driven)
    if not controllers:
        return
    use = read_disk_use(host)
    if use.failure is not None:
        yield Problem(severity="warning", rule="host-unreadable", message=f"{_NAME}: {use.failure}")
    around = Surroundings(host=host, use=use, controllers=controllers)
    parents = {one.function.parent for one in controllers if one.function is not None}
    indexes = read_indexes(host, _functions(host, parents))
    managers = {one.function.bdf: one.name for one in controllers if one.function is not None}
    for controller in controllers:
        index = indexes.get(controller.function.bdf) if controller.function is not None else None
        yield _judged(controller, around, _names(controller, index, managers), index, wanted)


def _undriven(function: Function) -> Skipped:
    other = "vfio" if is_vfio(function.driver) else "uio" if function.driver in _UIO else None
    if other is not None:
        why = f"driven by {function.driver}: the family {other} has it"
        return Skipped(family=_NAME, what=function.bdf, why=why, absent=True)
    if function.driver is not None:
        why = f"driven by {function.driver}, which has made no controller of it"
        return Skipped(family=_NAME, what=function.bdf, why=why, broken=function.driver == "nvme")
    hint = "modprobe nvme"
    if function.parent is not None:
        hint = "give it queues and bring it online (nvme virt-mgmt), then write its address to drivers_probe"
    return Skipped(family=_NAME, what=function.bdf, why="no driver is bound to it", hint=hint, broken=True)


def _functions(host: Host, addresses: Iterable[str | None]) -> Iterator[Function]:
    for bdf in addresses:
        try:
            function = read_function(host, host.resolve(f"/sys/bus/pci/devices/{bdf}")) if bdf is not None else None
        except HostError:  # a machine that was given a virtual function alone
            continue
        if function is not None:
            yield function


def _names(controller: Controller, index: int | None, managers: Mapping[str, str]) -> dict[str, str]:
    """Return what a controller is called, by sorts: `id` is the disk's own, wherever it is plugged in.

    Virtual functions have the serial number of their physical one; two ports of a disk, each other's.
    """
    function = controller.function
    bdf, parent = (function.bdf, function.parent) if function is not None else (None, None)
    part = f"-vf{index}" if index is not None else ""
    names = {"controller": controller.name} | ({"bdf": bdf} if bdf is not None else {})
    if controller.model is not None and controller.serial is not None and (part or parent is None):
        names["id"] = _ODD.sub("_", f"{controller.model}_{controller.serial}").strip("_.:-") + part
    if part and parent is not None and parent in managers:
        names["vf"] = managers[parent] + part
    return names


def _judged(
    controller: Controller,
    around: Surroundings,
    names: Mapping[str, str],
    index: int | None,
    wanted: frozenset[str],
) -> Found | Skipped:
    what = names.get("bdf", controller.name)
    words = tuple(namespace.name for namespace in controller.namespaces)
    known = (*names.values(), *words)
    fact = fact_against(controller, around)
    if fact is not None:
        return Skipped(family=_NAME, what=what, why=fact, broken=controller.is_gone, words=known)
    cautions = cautions_of(controller, around)
    if cautions and wanted.isdisjoint(known):
        hint = f"--include {what} offers it all the same"
        return Skipped(family=_NAME, what=what, why="; ".join(cautions), hint=hint, words=known)
    try:
        nodes, missing = _nodes(controller, around.host)
    except (NodeFault, HostError) as fault:
        return Skipped(family=_NAME, what=what, why=str(fault), broken=True, words=known)
    return Found(
        family=_NAME,
        kind=_KIND,
        name=what,
        names=names,
        also=() if _has_twin(controller, around) else ("id",),
        words=words,
        edits=edits_of(nodes, permissions="rw", groups=True),
        how=_how(controller),
        attributes=present(_facts(controller, index)),
        warnings=(*cautions, *warnings_of(controller, around), *missing, *controller.unread),
        in_all=not cautions,
    )


def _has_twin(controller: Controller, around: Surroundings) -> bool:
    """Return whether a disk has another port, so that its own name is no controller's, whichever of them is offered."""

    def key(one: Controller) -> tuple[str | None, ...]:
        return one.model, one.serial, one.function.parent if one.function is not None else None

    has_parent = controller.function is not None and controller.function.parent is not None
    return not has_parent and sum(key(one) == key(controller) for one in around.controllers) > 1


def _facts(controller: Controller, index: int | None) -> dict[str, str | int | bool | None]:
    function = controller.function
    sizes = [one.block.size for one in controller.namespaces if one.block is not None]
    return {
        "controller": controller.name,
        "model": controller.model,
        "serial": controller.serial,
        "firmware": controller.firmware,
        "transport": controller.transport,
        "state": controller.state,
        "subsystem": controller.subsystem,
        "namespaces": ",".join(namespace.name for namespace in controller.namespaces) or None,
        "capacityBytes": sum(size for size in sizes if size is not None) if sizes and None not in sizes else None,
        **(function.attributes if function is not None else {}),
        "vfIndex": index,
        "virtualFunctions": (function.functions or None) if function is not None else None,
        "totalVfs": function.capacity if function is not None else None,
    }


def _how(controller: Controller) -> str:
    function = controller.function
    parts = [f"/sys/class/nvme/{controller.name}: {controller.model or 'NVMe controller'}"]
    if function is not None:
        whose = f" of {function.parent}" if function.parent is not None else ""
        parts.append(f"PCI function {function.bdf}{whose}")
    parts += [f"namespaces {', '.join(one.name for one in controller.namespaces)}"] if controller.namespaces else []
    return ", ".join(parts)


def _nodes(controller: Controller, host: Host) -> tuple[list[Node], list[str]]:
    """Return the nodes of a controller and its namespaces, partitions too, and what is missing of the latter."""
    nodes = [find_node(host, sysfs=controller.path)]
    missing: list[str] = []
    disks = [one.block for one in controller.namespaces if one.block is not None]
    blocks = [block.path for disk in disks for block in (disk, *disk.partitions)]
    for path in (*blocks, *(one.generic for one in controller.namespaces if one.generic is not None)):
        try:
            nodes.append(find_node(host, sysfs=path))
        except (NodeFault, HostError) as fault:
            missing.append(str(fault))
    return nodes, missing


FAMILY = Family(
    name=_NAME,
    kind=_KIND,
    summary="NVMe controllers with their namespaces, but for those that the host uses",
    discover=_discover,
)
