"""Intel QuickAssist: virtual functions that are bound to VFIO, for programs that drive them (qatlib, DPDK)."""

from __future__ import annotations

__all__ = ["FAMILY"]

from typing import TYPE_CHECKING

import msgspec

from cdi.discovery.found import Family, Found, Report, Shared, Skipped, present
from cdi.discovery.node import NodeFault, edits_of
from cdi.discovery.pci import Function, list_functions
from cdi.discovery.sriov import read_indexes
from cdi.discovery.sysfs import Kobject
from cdi.discovery.vfio import Vfio, is_vfio, read_vfio
from cdi.host import Host, HostError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cdi.discovery.node import Node

_NAME = "intel-qat"
_KIND = "intel.com/qat"
_VENDOR = 0x8086
# Device ids of physical and virtual functions (drivers/crypto/intel/qat in the kernel's sources, and the driver
# that Intel gives out itself). Each virtual function's is one above its physical function's, but for one product.
_PHYSICAL = {
    0x0435: "dh895xcc",
    0x18A0: "c4xxx",
    0x18EE: "200xx",
    0x19E2: "c3xxx",
    0x37C8: "c6xx",
    0x4940: "4xxx",
    0x4942: "401xx",
    0x4944: "402xx",
    0x4946: "420xx",
    0x4948: "6xxx",
    0x6F54: "d15xx",
}
_VIRTUAL = {number + 1: model for number, model in _PHYSICAL.items() if model != "dh895xcc"} | {0x0443: "dh895xcc"}
# vfio-pci keeps off these, since such a device can be made to hang the host (vfio_pci_dev_in_denylist).
_DENIED = frozenset({"c3xxx", "c6xx", "dh895xcc"})


def _discover(host: Host, wanted: frozenset[str]) -> Iterator[Report]:
    functions = [f for f in list_functions(host, vendor=_VENDOR) if f.device in _PHYSICAL or f.device in _VIRTUAL]
    physical = {f.bdf: f for f in functions if f.device in _PHYSICAL}
    services = {bdf: _read_services(host, function) for bdf, function in physical.items()}
    indexes = read_indexes(host, physical.values())
    shared: dict[str, Node] = {}
    for function in functions:
        try:
            if function.bdf in physical:
                yield _physical(function)
            elif is_vfio(function.driver):
                vfio = read_vfio(host, function)
                shared |= {node.path: node for node in vfio.shared}
                if vfio.caution is not None and wanted.isdisjoint((function.bdf, function.stable_id)):
                    yield _in_use(function, vfio.caution)
                    continue
                parent = services.get(function.parent or "", _Services())
                yield _found(function, vfio, parent, indexes.get(function.bdf))
            else:
                yield _unbound(function)
        except (NodeFault, HostError) as fault:
            yield Skipped(family=_NAME, what=function.bdf, why=str(fault), hint="modprobe vfio-pci makes the nodes")
    if shared:
        yield Shared(
            family=_NAME,
            kind=_KIND,
            edits=edits_of(shared.values(), groups=True),
            how="what every user of VFIO opens besides the device's own node",
        )


class _Services(msgspec.Struct, frozen=True, kw_only=True):
    """What a physical function has been set up for."""

    state: str | None = None
    services: str | None = None
    unread: tuple[str, ...] = ()


def _read_services(host: Host, function: Function) -> _Services:
    """Return the state and services of a physical function (Documentation/ABI/testing/sysfs-driver-qat).

    /sys/bus/pci/devices/0000:6b:00.0/qat/state          up
    /sys/bus/pci/devices/0000:6b:00.0/qat/cfg_services   sym;asym
    """
    try:
        here = Kobject(host, f"{function.path}/qat")
    except HostError as error:
        return _Services(unread=() if error.missing else (error.message,))
    state, services = here.text("state"), here.text("cfg_services")
    return _Services(state=state, services=services, unread=tuple(here.unread))


def _physical(function: Function) -> Skipped:
    """A physical function serves the host and sets up the others: whoever has it has all of them."""
    driver = f"qat_{_PHYSICAL[function.device or 0]}"
    if function.driver is None:
        why, hint = "a physical function without driver", f"modprobe {driver}"
    elif is_vfio(function.driver):
        why, hint = f"a physical function driven by {function.driver}", f"unbind it, then modprobe {driver}"
    elif function.functions:
        why, hint = f"a physical function, the host's own; containers get its {function.virtual_functions}", None
    elif function.capacity:
        why = "a physical function, the host's own; it has no virtual functions yet"
        hint = f"echo {function.capacity} > /sys/bus/pci/devices/{function.bdf}/sriov_numvfs"
    else:
        why = "a physical function, the host's own; it can have no virtual functions"
        hint = "SR-IOV and the IOMMU must be on, in the firmware and with intel_iommu=on"
    return Skipped(family=_NAME, what=function.bdf, why=why, hint=hint)


def _unbound(function: Function) -> Skipped:
    why = f"driven by {function.driver}, for the host's own use" if function.driver else "no driver is bound to it"
    hint = (
        f"echo vfio-pci > /sys/bus/pci/devices/{function.bdf}/driver_override, then "
        + (f"echo {function.bdf} > /sys/bus/pci/drivers/{function.driver}/unbind, " if function.driver else "")
        + f"echo {function.bdf} > /sys/bus/pci/drivers_probe"
    )
    if _VIRTUAL[function.device or 0] in _DENIED:
        hint += "; vfio-pci takes this model with disable_denylist=1 only"
    return Skipped(family=_NAME, what=function.bdf, why=why, hint=hint)


def _in_use(function: Function, caution: str) -> Skipped:
    hint = f"--include {function.bdf} offers it all the same"
    return Skipped(family=_NAME, what=function.bdf, why=caution, hint=hint, lent=(function.bdf, function.stable_id))


def _found(function: Function, vfio: Vfio, parent: _Services, index: int | None) -> Found:
    model = _VIRTUAL[function.device or 0]
    attributes = {
        "model": model,
        "deviceId": f"0x{function.device:04x}",
        "driver": function.driver,
        "pciAddress": function.bdf,
        "parentPciAddress": function.parent,
        "vfIndex": index,
        "numaNode": function.numa_node,
        "iommuGroup": vfio.group,
        "state": parent.state,
        "services": parent.services,
        "usedBy": vfio.use,
    }
    is_down = parent.state not in {None, "up"}
    whose = f" of {function.parent}" if function.parent is not None else ""
    return Found(
        family=_NAME,
        kind=_KIND,
        name=function.stable_id,
        names={"bdf": function.bdf, "id": function.stable_id},
        edits=edits_of(vfio.own, groups=True),
        how=f"QAT {model} virtual function {function.bdf}{whose}, IOMMU group {vfio.group}",
        attributes=present(attributes),
        warnings=(
            *([f"{function.parent} is {parent.state}: set qat/state to up"] if is_down else []),
            *vfio.warnings,
            *function.unread,
            *parent.unread,
        ),
        in_all=vfio.caution is None,
    )


FAMILY = Family(name=_NAME, kind=_KIND, summary="Intel QuickAssist functions bound to VFIO", discover=_discover)
