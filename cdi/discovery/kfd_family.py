"""What a family of GPUs behind /dev/kfd yields: GPUs and partitions, what they share, and the GPUs left out."""

from __future__ import annotations

__all__ = ["discover_gpus"]

import posixpath
from collections import Counter
from typing import TYPE_CHECKING

import msgspec

from cdi.discovery.drm import Drm, read_drm
from cdi.discovery.found import Found, Report, Shared, Skipped, present
from cdi.discovery.kfd import Topology, read_topology
from cdi.discovery.kfd_gpu import Gpu, KfdDriver, Place, Unit, find_functions, find_places, group_units, place_of
from cdi.discovery.node import Node, NodeFault, edits_of, find_node
from cdi.edits import append
from cdi.host import Host, HostError
from cdi.model import ContainerEdits, Mount
from cdi.names import natural_key, split_kind
from cdi.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from cdi.discovery.pci import Function

_RENDER_ONLY = "render-only"  # asks for all GPUs that do not compute
_KFD = "/sys/class/kfd/kfd"
_PERMISSIONS = "rw"
_MOUNT_OPTIONS = ("ro", "nosuid", "nodev", "rbind", "rprivate")
_NO_KFD = (
    "a container must be given /dev/kfd; on a host, udev makes it when the driver is loaded; "
    "--dev-root tells where nodes are"
)
_ANYONE, _GROUP = 0o006, 0o060  # may read and write


class _Found(msgspec.Struct, frozen=True, kw_only=True):
    """A unit that is offered, what is said about it, and what it is called."""

    gpu: Gpu
    unit: Unit
    index: int
    number: int  # of the GPU
    partition: int
    is_first: bool

    @property
    def bdf(self) -> str:
        return self.gpu.bdf if self.gpu.whole else f"{self.gpu.bdf}:{self.partition}"


def discover_gpus(driver: KfdDriver, host: Host, wanted: frozenset[str]) -> Iterator[Report]:
    """Yield the GPUs of a driver and their partitions.

    Those that compute are in KFD's topology, and found by `drm_render_minor`: neither the order of KFD nor the
    numbers of nodes tell which is which. The others are skipped unless they are `wanted`.
    """
    functions = find_functions(host, driver)
    topology, no_compute = Topology(), f"the kernel has no {_KFD}"
    try:
        topology = read_topology(host)
        no_compute = "KFD has no node for it" + (" that can be read" if topology.hidden else "")
    except HostError as error:
        if not error.missing:
            no_compute = error.message
    places = dict(find_places(host, driver, functions)) if functions or topology.nodes else {}
    ours = [node for node in topology.nodes if node.vendor == driver.vendor or node.render_minor in places]
    if not functions and not ours:
        why = f"no PCI function of vendor 0x{driver.vendor:04x} is a GPU"
        yield Skipped(family=driver.family, what=driver.family, why=why, absent=True)
        return
    yield from _hidden(driver, topology)
    units: list[Unit] = []
    for node in ours:
        try:
            units.append(Unit(node=node, place=place_of(node, places)))
        except NodeFault as fault:
            yield Skipped(family=driver.family, what=f"renderD{node.render_minor}", why=str(fault), broken=True)
    if units:
        try:
            kfd = find_node(host, sysfs=_KFD, path="/dev/kfd")
        except (NodeFault, HostError) as fault:
            yield _problem(driver, "node-missing", str(fault), _NO_KFD)
            no_compute, units = str(fault), []
        else:
            yield from _shared(host, driver, kfd)
    yield from _computing(host, driver, units)
    used = {unit.place.path for unit in units}
    others = [function for function in functions if function.path not in used]
    yield from _others(host, driver, others, no_compute, wanted)
    yield from _idle(driver, places.values(), used, no_compute)


def _hidden(driver: KfdDriver, topology: Topology) -> Iterator[Skipped]:
    hint = "the kernel hides GPUs that the device cgroup of this process lacks: ask on the host itself"
    for number, why in topology.hidden:
        yield Skipped(family=driver.family, what=f"kfd-node-{number}", why=why, hint=hint)


# What all GPUs share.


def _shared(host: Host, driver: KfdDriver, kfd: Node) -> Iterator[Report]:
    """Yield the nodes and directories that all GPUs need."""
    nodes = [kfd, *_more_controls(host, driver)]
    for node in nodes:
        if _is_shut(node):
            hint = f'a udev rule opens it: KERNEL=="{posixpath.basename(node.path)}", GROUP="render", MODE="0660"'
            yield _problem(driver, "node-closed", _shut(node), hint)
    there = [path for path in driver.directories if host.is_dir(host.driver(path))]
    mounts = tuple(Mount(host_path=host.driver(path), container_path=path, options=_MOUNT_OPTIONS) for path in there)
    yield Shared(
        family=driver.family,
        kind=driver.kind,
        edits=append(edits_of(nodes, permissions=_PERMISSIONS, groups=True), ContainerEdits(mounts=mounts)),
        how=f"{', '.join([*(node.host_path for node in nodes), *there])}: what every GPU needs",
        warnings=tuple(f"there is no {host.driver(path)}" for path in driver.directories if path not in there),
    )


def _more_controls(host: Host, driver: KfdDriver) -> Iterator[Node]:
    for path in driver.controls:
        try:
            yield find_node(host, path=path)
        except (NodeFault, HostError):
            continue


def _problem(driver: KfdDriver, rule: str, message: str, hint: str) -> Problem:
    return Problem(severity="warning", rule=rule, message=f"{driver.family}: {message}", hint=hint)


def _is_shut(node: Node) -> bool:
    """Return whether only root may use a node: no group that a container can be given has a way to it."""
    mode = node.mode
    return mode is not None and mode & _ANYONE != _ANYONE and (node.gid == 0 or mode & _GROUP != _GROUP)


def _shut(node: Node) -> str:
    return f"only root may use {node.host_path} (mode {node.mode:04o}, group {node.gid})"


# GPUs that compute.


def _computing(host: Host, driver: KfdDriver, units: Iterable[Unit]) -> Iterator[Report]:
    gpus = group_units(host, units)
    numbered = [(number, gpu, *pair) for number, gpu in enumerate(gpus) for pair in gpu.units]
    times = Counter(unit.node.unique_id for _, _, _, unit in numbered)
    version = _version(host, driver)
    for index, (number, gpu, partition, unit) in enumerate(numbered):
        first = gpu.units[0][1] is unit
        one = _Found(gpu=gpu, unit=unit, index=index, number=number, partition=partition, is_first=first)
        yield _judge(host, driver, one, is_own=times[unit.node.unique_id] == 1, version=version)


def _version(host: Host, driver: KfdDriver) -> str | None:
    """Return the version of a driver that has one; amdgpu of the kernel itself has none."""
    for module in driver.modules:
        try:
            return host.read_text(f"/sys/module/{module}/version").strip() or None
        except HostError:
            continue
    return None


def _judge(host: Host, driver: KfdDriver, one: _Found, *, is_own: bool, version: str | None) -> Found | Skipped:
    place = one.unit.place
    drm = read_drm(host, place.path, links=_links(place))
    if drm.render is None:
        why = drm.faults[0] if drm.faults else "it has no render node"
        hint = "`udevadm trigger` makes missing nodes again; --dev-root tells where nodes are"
        return Skipped(family=driver.family, what=one.bdf, why=why, hint=hint, broken=True)
    names, also = _names(one, drm, is_own=is_own)
    return Found(
        family=driver.family,
        kind=driver.kind,
        name=names["index"],
        names=names,
        also=also,
        edits=_edits(drm),
        annotations=_annotations(driver, one.gpu.function),
        how=f"KFD node {one.unit.node.number}, {drm.render.host_path} ({place.path})",
        attributes=_attributes(one, drm, version),
        warnings=(*_warnings(drm), *one.unit.node.unread, *one.gpu.unread),
    )


def _links(place: Place) -> str | None:
    """Return what udev calls the links of a platform device; those of PCI functions are known."""
    return None if place.function is not None else f"platform-{posixpath.basename(place.path)}"


def _names(one: _Found, drm: Drm, *, is_own: bool) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return the names of a unit, and those that it has without being asked.

    A unique id may be that of a GPU, which its partitions share: then it is the first one's, and only if asked for.
    """
    whole = one.gpu.whole
    names = {
        "index": str(one.index),
        "partition": str(one.number) if whole else f"{one.number}:{one.partition}",
        "bdf": one.bdf,
        **_drm_names(drm),
    }
    unique = one.unit.node.unique_id
    is_own = is_own and unique is not None
    if unique is None and one.is_first:
        unique, is_own = one.gpu.unique_id, whole
    if unique is not None and (is_own or one.is_first):
        names["unique-id"] = f"0x{unique:x}"
    stable = ("unique-id",) if unique is not None and is_own else ("bdf",) if whole else ()
    return names, stable if whole else ("partition", *stable)


def _drm_names(drm: Drm) -> dict[str, str]:
    nodes = {"card": drm.card, "render": drm.render}
    return {sort: posixpath.basename(node.path) for sort, node in nodes.items() if node is not None}


def _edits(drm: Drm) -> ContainerEdits:
    return edits_of((*drm.nodes, *drm.twins), permissions=_PERMISSIONS, groups=True)


def _annotations(driver: KfdDriver, function: Function | None) -> Mapping[str, str]:
    """Return the NUMA node as annotation, `gpu.amd.com/numa-node` for the kind `amd.com/gpu`."""
    if function is None or function.numa_node is None:
        return {}
    vendor, class_ = split_kind(driver.kind)
    return {f"{class_}.{vendor}/numa-node": str(function.numa_node)}


def _warnings(drm: Drm) -> tuple[str, ...]:
    return (*drm.faults, *(_shut(node) for node in drm.nodes if _is_shut(node)))


def _attributes(one: _Found, drm: Drm, version: str | None) -> Mapping[str, str | int | bool]:
    gpu, node = one.gpu, one.unit.node
    unique = node.unique_id or gpu.unique_id
    return present(
        {
            "productName": gpu.product,
            "target": node.target,
            "computeUnits": node.compute_units,
            "memory": node.memory,
            "partition": None if gpu.whole else one.partition,
            "computePartition": gpu.compute_mode,
            "memoryPartition": gpu.memory_mode,
            "pciAddress": gpu.bdf,
            "numaNode": gpu.function.numa_node if gpu.function is not None else None,
            "uniqueId": f"0x{unique:x}" if unique is not None else None,
            "kfdNode": node.number,
            "cardMinor": drm.card.stat.minor if drm.card is not None else None,
            "renderMinor": drm.render.stat.minor if drm.render is not None else None,
            "driverVersion": version,
        }
    )


# GPUs that do not compute.


def _others(
    host: Host, driver: KfdDriver, functions: Iterable[Function], no_compute: str, wanted: frozenset[str]
) -> Iterator[Report]:
    for function in functions:
        drm = read_drm(host, function.path)
        names = _drm_names(drm)
        words = (function.bdf, *names.values(), _RENDER_ONLY)
        why = f"{_RENDER_ONLY}: {no_compute}"
        if not drm.nodes:
            yield _unusable(driver, function, drm)
        elif wanted.isdisjoint(words):
            hint = f"--include {' or '.join(words)} offers it without compute"
            yield Skipped(family=driver.family, what=function.bdf, why=why, hint=hint)
        else:
            yield Found(
                family=driver.family,
                kind=driver.kind,
                name=names.get("card") or names["render"],
                names={"bdf": function.bdf, **names},
                also=("bdf",),
                words=(_RENDER_ONLY,),
                edits=_edits(drm),
                annotations=_annotations(driver, function),
                how=f"{', '.join(node.host_path for node in drm.nodes)} ({function.path}), asked for by name",
                attributes=present({"pciAddress": function.bdf, "numaNode": function.numa_node, "renderOnly": True}),
                warnings=(why, *_warnings(drm), *function.unread),
            )


def _unusable(driver: KfdDriver, function: Function, drm: Drm) -> Skipped:
    """Return why a GPU has no DRM nodes."""
    module = driver.modules[0]
    hint: str | None
    if drm.faults:
        why, hint = drm.faults[0], "`udevadm trigger` makes missing nodes again; --dev-root tells where nodes are"
    elif function.driver is None:
        why, hint = (
            "no driver has it",
            f"`modprobe {module}` loads its driver; if it is loaded, dmesg says what is wrong",
        )
    elif driver.has(function):
        why, hint = f"{function.driver} has it, but made no DRM nodes for it", "dmesg says what is wrong"
    elif "vfio" in function.driver:
        why, hint = f"{function.driver} has it, for virtual machines", f"bind it to {module} to use it in containers"
    else:
        why, hint = f"{function.driver} has it, not {module}", f"bind it to {module} to use it in containers"
    return Skipped(family=driver.family, what=function.bdf, why=why, hint=hint)


def _idle(driver: KfdDriver, places: Iterable[Place], used: set[str], no_compute: str) -> Iterator[Skipped]:
    """Yield one report for all partitions without a KFD node: drivers make them before a mode of the GPU needs them."""
    paths = (place.path for place in places if place.function is None and place.path not in used)
    names = sorted(map(posixpath.basename, paths), key=natural_key)
    if names:
        which = f"{len(names)} partitions, {names[0]} to {names[-1]}" if len(names) > 1 else "a partition"
        yield Skipped(family=driver.family, what=names[0], why=f"{which}, not in use: {no_compute}")
