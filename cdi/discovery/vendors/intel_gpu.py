"""Intel GPUs: the DRM nodes of the drivers i915 and xe, and the VFIO nodes of functions meant for virtual machines."""

from __future__ import annotations

__all__ = ["FAMILY"]

from typing import TYPE_CHECKING

import msgspec

from cdi.discovery.drm import read_drm
from cdi.discovery.found import Family, Found, Report, Skipped, present
from cdi.discovery.node import NodeFault, edits_of
from cdi.discovery.pci import Function, list_functions
from cdi.discovery.sriov import read_indexes
from cdi.discovery.sysfs import Kobject
from cdi.discovery.vfio import is_vfio, read_vfio
from cdi.host import Host, HostError

if TYPE_CHECKING:
    from collections.abc import Iterator

_NAME = "intel-gpu"
_KIND = "intel.com/gpu"
_VENDOR = 0x8086
_DISPLAY = 0x03  # base class: VGA controllers, and controllers without a display
_DRIVERS = frozenset({"i915", "xe"})
# What the upper half of a device id means, for GPUs (include/drm/intel/pciids.h in the kernel's sources).
_GENERATIONS = {
    0x0B: "Ponte Vecchio",
    0x46: "Alder Lake",
    0x49: "DG1",
    0x4C: "Rocket Lake",
    0x56: "DG2",
    0x64: "Lunar Lake",
    0x7D: "Meteor Lake or Arrow Lake",
    0x9A: "Tiger Lake",
    0xA7: "Raptor Lake",
    0xB0: "Panther Lake",
    0xE2: "Battlemage",
}


class _Gpu(msgspec.Struct, frozen=True, kw_only=True):
    """A function with what its own attributes say besides."""

    function: Function
    index: int | None  # of a virtual function

    def attributes(self, **more: str | int | None) -> dict[str, str | int | bool]:
        """Return what is known of the function, and more."""
        function = self.function
        known = {
            "model": _GENERATIONS.get((function.device or 0) >> 8),
            "deviceId": f"0x{function.device:04x}" if function.device is not None else None,
            "driver": function.driver,
            "pciAddress": function.bdf,
            "parentPciAddress": function.parent,
            "vfIndex": self.index,
            "virtualFunctions": function.functions or None,
            "totalVfs": function.capacity,
            "numaNode": function.numa_node,
            **more,
        }
        return present(known)

    @property
    def how(self) -> str:
        """Return where the function was found."""
        function = self.function
        kind = "virtual function" if function.parent is not None else "PCI function"
        parent = f" of {function.parent}" if function.parent is not None else ""
        return f"{kind} {function.bdf}{parent}, driver {function.driver}"


def _discover(host: Host, wanted: frozenset[str]) -> Iterator[Report]:
    functions = [f for f in list_functions(host, vendor=_VENDOR) if (f.class_code or 0) >> 16 == _DISPLAY]
    indexes = read_indexes(host, functions)
    for function in functions:
        try:
            yield _report(host, function, indexes.get(function.bdf), wanted)
        except (NodeFault, HostError) as fault:
            hint = "load vfio-pci, which makes the node" if is_vfio(function.driver) else None
            yield Skipped(family=_NAME, what=function.bdf, why=str(fault), hint=hint, broken=True)


def _report(host: Host, function: Function, index: int | None, wanted: frozenset[str]) -> Found | Skipped:
    if not (is_vfio(function.driver) or function.driver in _DRIVERS):
        return _undriven(function)
    gpu = _Gpu(function=function, index=index)
    return _of_drm(host, gpu) if function.driver in _DRIVERS else _of_vfio(host, gpu, wanted)


def _undriven(function: Function) -> Skipped:
    number = f"{function.device:04x}" if function.device is not None else "ID"
    if function.driver is not None:
        why = f"driven by {function.driver}, neither by i915 or xe nor by vfio-pci"
        return Skipped(family=_NAME, what=function.bdf, why=why)
    hint = f"modprobe xe or i915; for a GPU that the driver does not take by itself, with force_probe={number}"
    if function.parent is not None:
        hint = f"write {function.bdf} to /sys/bus/pci/drivers_probe, or bind it to vfio-pci for a virtual machine"
    return Skipped(family=_NAME, what=function.bdf, why="no driver is bound to it", hint=hint)


def _of_drm(host: Host, gpu: _Gpu) -> Found | Skipped:
    """Programs that compute need the render node only, but their libraries look for GPUs by their cards."""
    function = gpu.function
    drm = read_drm(host, function.path)
    if drm.card is None:
        why = drm.faults[0] if drm.faults else f"{function.driver} has registered no DRM device for it"
        hint = "udevadm trigger makes missing nodes" if drm.faults else "dmesg says why"
        return Skipped(family=_NAME, what=function.bdf, why=why, hint=hint, broken=True)
    name = drm.card.path.rpartition("/")[2]
    # Some kernels' i915 tells the size of local memory: /sys/class/drm/card1/lmem_total_bytes.
    card = Kobject(host, drm.card.sysfs or f"{function.path}/drm/{name}")
    memory = card.number("lmem_total_bytes")
    return Found(
        family=_NAME,
        kind=_KIND,
        name=name,
        names={"bdf": function.bdf, "card": name, "id": function.stable_id},
        also=("id",),
        edits=edits_of((*drm.nodes, *drm.twins), groups=True),
        how=f"{gpu.how}: {', '.join(node.path for node in drm.nodes)}",
        attributes=gpu.attributes(
            card=drm.card.path,
            render=drm.render.path if drm.render is not None else None,
            renderMinor=drm.render.stat.minor if drm.render is not None else None,
            memoryBytes=memory,
        ),
        warnings=(*_shared_out(function), *drm.faults, *function.unread, *card.unread),
    )


def _shared_out(function: Function) -> Iterator[str]:
    if function.functions:
        verb = "has" if function.functions == 1 else "have"
        yield f"its {function.virtual_functions} {verb} a part of its memory and engines"


def _of_vfio(host: Host, gpu: _Gpu, wanted: frozenset[str]) -> Found | Skipped:
    """A function bound to VFIO has no card; beside those that have one, nobody wants it unasked."""
    function = gpu.function
    vfio = read_vfio(host, function)
    names = {"bdf": function.bdf, "id": function.stable_id}
    if vfio.caution is not None and wanted.isdisjoint(names.values()):
        hint = f"--include {function.bdf} offers it all the same"
        return Skipped(family=_NAME, what=function.bdf, why=vfio.caution, hint=hint, lent=tuple(names.values()))
    return Found(
        family=_NAME,
        kind=_KIND,
        name=function.stable_id,
        names=names,
        edits=edits_of((*vfio.own, *vfio.shared), groups=True),
        how=f"{gpu.how}: IOMMU group {vfio.group}, for a virtual machine",
        attributes=gpu.attributes(iommuGroup=vfio.group, usedBy=vfio.use),
        warnings=(*vfio.warnings, *function.unread),
        in_all=False,
    )


FAMILY = Family(
    name=_NAME,
    kind=_KIND,
    summary="Intel GPUs (i915, xe), their virtual functions, and those bound to VFIO",
    discover=_discover,
)
