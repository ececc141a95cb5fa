"""NVIDIA GPUs and their MIG devices, with the driver that programs need."""

from __future__ import annotations

__all__ = ["FAMILY"]

import posixpath
from typing import TYPE_CHECKING

import msgspec

from cdi.discovery.found import Family, Found, Report, Shared, Skipped, present
from cdi.discovery.hook_program import find_hook
from cdi.discovery.node import Node, NodeFault, edits_of
from cdi.discovery.nvidia.caps import capability_path, minors_of, read_minors
from cdi.discovery.nvidia.driver import read_driver
from cdi.discovery.nvidia.nodes import CONTROL_NODES, find_drm, find_nvidia_node, number_fault
from cdi.discovery.nvidia.survey import driver_warning, survey
from cdi.edits import append
from cdi.hooks import CREATE_SYMLINKS, call
from cdi.host import Host, HostError
from cdi.model import ContainerEdits

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cdi.discovery.drm import Drm
    from cdi.discovery.nvidia.gpu import Gpu, Instance
    from cdi.discovery.nvidia.survey import Survey
    from cdi.discovery.pci import Function

_NAME = "nvidia-gpu"
_KIND = "nvidia.com/gpu"
_COHERENT = "gpu.nvidia.com/coherent"
_NUMA_NODE = "gpu.nvidia.com/numa-node"
_MEMORY_NODE = "gpu.nvidia.com/memory-numa-node"
# Shows pictures, and computes nothing.
_DISPLAYS = frozenset({"DGX Display", "NVIDIA DGX Display"})
_ON_CHIP = ("(nvgpu)", "NVIDIA Thor")


class _Subject(msgspec.Struct, frozen=True, kw_only=True):
    """A GPU and what all devices that are made of it have in common."""

    gpu: Gpu
    node: Node
    drm: Drm | None
    function: Function | None
    survey: Survey
    capabilities: Mapping[str, int]  # their minors, if any GPU has MIG
    warnings: tuple[str, ...]


def _discover(host: Host, _wanted: frozenset[str]) -> Iterator[Report]:
    result = survey(host, _NAME)
    yield from result.reports
    minors = read_minors(host) if any(gpu.mig for gpu in result.gpus) else {}
    is_any = False
    for gpu in result.gpus:
        for report in _offered(host, gpu, result, minors):
            is_any = is_any or isinstance(report, Found)
            yield report
    if is_any:
        yield from _shared(host, result)


def _offered(host: Host, gpu: Gpu, result: Survey, minors: Mapping[str, int]) -> Iterator[Report]:
    what = gpu.bdf or str(gpu.index)
    reason = _unfit(gpu)
    if reason is not None:
        yield Skipped(family=_NAME, what=what, why=reason[0], hint=reason[1], broken=gpu.failure is not None)
        return
    try:
        node = find_nvidia_node(host, f"/dev/nvidia{gpu.minor}")
    except (NodeFault, HostError) as fault:
        yield _nodeless(what, fault)
        return
    function = result.functions.get(gpu.bdf or "")
    drm = find_drm(host, function.path) if function is not None else None
    stale = number_fault(host, node)
    warnings = (*((stale,) if stale else ()), *_pending(gpu), *(drm.faults if drm is not None else ()))
    yield from (driver_warning(f"GPU {gpu.index}: {warning}") for warning in warnings)
    subject = _Subject(
        gpu=gpu, node=node, drm=drm, function=function, survey=result, capabilities=minors, warnings=warnings
    )
    if not gpu.mig:
        yield _whole(host, subject)
        return
    yield _parent(gpu, what)
    if result.source != "NVML":
        message = f"{what}: MIG devices are numbered by their instances: NVML may number them otherwise"
        yield driver_warning(message, "install nvidia-ml-py (the extra `nvidia`)")
    for instance in gpu.instances:
        yield _part(host, subject, instance)


def _unfit(gpu: Gpu) -> tuple[str, str | None] | None:
    if gpu.failure is not None:
        return gpu.failure, "dmesg may say why (Xid); the GPU may need a reset, or the machine a reboot"
    if gpu.model in _DISPLAYS:
        return f"{gpu.model} shows pictures, and computes nothing", None
    if gpu.model is not None and any(word in gpu.model for word in _ON_CHIP):
        return f"{gpu.model} is part of a system on chip", "the family nvidia-tegra has it"
    if gpu.minor is None:
        return "nothing says which node it has", "dmesg may say why the driver does not list it"
    return None


def _pending(gpu: Gpu) -> Iterator[str]:
    if gpu.mig_pending is not None and gpu.mig is not None and gpu.mig_pending != gpu.mig:
        now, then = ("on", "off") if gpu.mig else ("off", "on")
        yield f"MIG is {now}, and will be {then} once the GPU is reset: generate again then"


def _parent(gpu: Gpu, what: str) -> Skipped:
    if gpu.instances:
        why = f"MIG is enabled: its {len(gpu.instances)} MIG devices are offered, {_range(gpu)}"
        return Skipped(family=_NAME, what=what, why=why, hint=f"`nvidia-smi -i {gpu.index} -mig 0` gives the whole GPU")
    hint = (
        f"`nvidia-smi mig -i {gpu.index} -cgi PROFILE -C` makes them, `nvidia-smi -i {gpu.index} -mig 0` disables MIG"
    )
    return Skipped(family=_NAME, what=what, why="MIG is enabled, and it has no MIG devices yet", hint=hint)


def _range(gpu: Gpu) -> str:
    names = [f"{gpu.index}:{instance.index}" for instance in gpu.instances]
    return names[0] if len(names) == 1 else f"{names[0]} to {names[-1]}"


def _whole(host: Host, subject: _Subject) -> Found:
    gpu = subject.gpu
    nodes = [subject.node, *(subject.drm.nodes if subject.drm is not None else ())]
    names = {"index": str(gpu.index), "type-index": f"gpu{gpu.index}", "uuid": gpu.uuid, "bdf": gpu.bdf}
    return Found(
        family=_NAME,
        kind=_KIND,
        name=str(gpu.index),
        names={sort: name for sort, name in names.items() if name is not None},
        also=("uuid",),
        edits=append(edits_of(nodes, groups=True), _links(host, subject.drm)),
        annotations=_annotations(subject),
        how=_how(subject),
        attributes=present({**_attributes(subject), "uuid": gpu.uuid}),
        warnings=subject.warnings,
    )


def _part(host: Host, subject: _Subject, instance: Instance) -> Found | Skipped:
    gpu = subject.gpu
    name = f"{gpu.index}:{instance.index}"
    if instance.failure is not None:
        return Skipped(family=_NAME, what=name, why=instance.failure, broken=True)
    try:
        capabilities = _capabilities(host, subject, instance)
    except (NodeFault, HostError) as fault:
        return _nodeless(name, fault)
    drm = subject.drm if instance.graphics else None
    nodes = [subject.node, *capabilities, *(drm.nodes if drm is not None else ())]
    stale = (why for node in capabilities if (why := number_fault(host, node)))
    names = {"index": name, "type-index": f"mig{name}", "uuid": instance.uuid}
    return Found(
        family=_NAME,
        kind=_KIND,
        name=name,
        names={sort: word for sort, word in names.items() if word is not None},
        also=("uuid",),
        edits=append(edits_of(nodes, groups=True), _links(host, drm)),
        annotations=_annotations(subject),
        how=f"MIG {_parts(instance)} of {_how(subject)}",
        attributes=present(
            {
                **_attributes(subject),
                "uuid": instance.uuid,
                "parentUuid": gpu.uuid,
                "profile": instance.profile,
                "memoryMiB": instance.memory,
                "gpuInstance": instance.gpu_instance,
                "computeInstance": instance.compute_instance,
            }
        ),
        warnings=(*subject.warnings, *stale),
    )


def _nodeless(what: str, fault: NodeFault | HostError) -> Skipped:
    is_missing = "there is no" in str(fault)
    hint = "`nvidia-smi`, run as root, makes the nodes that are missing" if is_missing else "remove what is there"
    return Skipped(family=_NAME, what=what, why=str(fault), hint=hint, broken=True)


def _parts(instance: Instance) -> str:
    profile = f"{instance.profile}, " if instance.profile is not None else ""
    return f"device ({profile}GPU instance {instance.gpu_instance}, compute instance {instance.compute_instance})"


def _capabilities(host: Host, subject: _Subject, instance: Instance) -> list[Node]:
    """Return the nodes that let a program use a MIG device."""
    gpu = subject.gpu.minor or 0
    minors = minors_of(host, subject.capabilities, gpu, instance)
    known = [minor for minor in minors if minor is not None]
    if len(known) < len(minors):
        where = f"gpu{gpu}/gi{instance.gpu_instance}/ci{instance.compute_instance}"
        message = f"/proc/driver/nvidia-caps/mig-minors has no {where}"
        raise NodeFault(message)
    return [find_nvidia_node(host, capability_path(minor)) for minor in known]


def _links(host: Host, drm: Drm | None) -> ContainerEdits:
    """Return the hook that makes the links by which programs find DRM nodes.

    /dev/dri/by-path/pci-0000:3b:00.0-card -> ../card1
    """
    if drm is None or not drm.links:
        return ContainerEdits()
    pairs = [f"../{posixpath.basename(node.path)}::{path}" for path, node in drm.links]
    arguments = [word for pair in pairs for word in ("--link", pair)]
    return ContainerEdits(hooks=(call(find_hook(host), CREATE_SYMLINKS, *arguments),))


def _shared(host: Host, result: Survey) -> Iterator[Report]:
    nodes: list[Node] = []
    for path in CONTROL_NODES:
        try:
            nodes.append(find_nvidia_node(host, path))
        except (NodeFault, HostError) as fault:
            yield driver_warning(
                str(fault), "`nvidia-modprobe -u -c 0 -m`, run as root, makes the nodes that are missing"
            )
    if any(node.stat.told for node in nodes):
        message = "nodes are those of the driver's numbers in /proc/devices: whether the host has them cannot be seen"
        yield driver_warning(message, "`nvidia-smi`, run as root on the host, makes those that are missing")
    for node in nodes:
        stale = number_fault(host, node)
        if stale is not None:
            yield driver_warning(stale, "remove it, and run `nvidia-modprobe -u -c 0` as root")
    driver = read_driver(host, result.version)
    yield from (driver_warning(warning) for warning in driver.warnings)
    yield Shared(
        family=_NAME,
        kind=_KIND,
        edits=append(edits_of(nodes, groups=True), driver.edits),
        how=driver.how,
    )


def _annotations(subject: _Subject) -> dict[str, str]:
    gpu, function = subject.gpu, subject.function
    facts = {
        _COHERENT: None if gpu.coherent is None else str(gpu.coherent).lower(),
        _NUMA_NODE: function.numa_node if function is not None else None,
        _MEMORY_NODE: gpu.memory_node,
    }
    return {key: str(fact) for key, fact in facts.items() if fact is not None}


def _attributes(subject: _Subject) -> dict[str, str | int | bool | None]:
    gpu, function = subject.gpu, subject.function
    return {
        "model": gpu.model,
        "minor": gpu.minor,
        "node": subject.node.path,
        "pciAddress": gpu.bdf,
        "driverVersion": subject.survey.version,
        "numaNode": function.numa_node if function is not None else None,
        "memoryNumaNode": gpu.memory_node,
        "coherent": gpu.coherent,
        "migEnabled": gpu.mig,
    }


def _how(subject: _Subject) -> str:
    gpu = subject.gpu
    parts = [gpu.model or "GPU", f"{subject.node.host_path}"]
    parts += [f"PCI function {gpu.bdf}"] if gpu.bdf is not None else []
    return f"{', '.join(parts)}; told by {subject.survey.source}"


FAMILY = Family(
    name=_NAME,
    kind=_KIND,
    summary="NVIDIA GPUs and MIG devices, with the libraries of the driver",
    discover=_discover,
)
