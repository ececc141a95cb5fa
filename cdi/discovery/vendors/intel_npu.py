"""Intel NPUs: /dev/accel/accelN of the driver intel_vpu (drivers/accel/ivpu in the kernel's sources)."""

from __future__ import annotations

__all__ = ["FAMILY"]

from typing import TYPE_CHECKING

from cdi.discovery.accel import read_accel
from cdi.discovery.found import Family, Found, Report, Shared, Skipped, present
from cdi.discovery.node import NodeFault, edits_of
from cdi.discovery.pci import Function, list_functions
from cdi.host import Host, HostError
from cdi.model import ContainerEdits

if TYPE_CHECKING:
    from collections.abc import Iterator

_NAME = "intel-npu"
_KIND = "intel.com/npu"
_VENDOR = 0x8086
_PROCESSING_ACCELERATOR = 0x12
_DRIVER = "intel_vpu"
_MODELS = {
    0x643E: "Lunar Lake",
    0x7D1D: "Meteor Lake",
    0xAD1D: "Arrow Lake",
    0xB03E: "Panther Lake",
    0xD71D: "Nova Lake",
    0xFD3E: "Wildcat Lake",
}
# Level Zero's loader loads what this names in place of the drivers that it knows. Older ones (before 1.17.17) do not
# know this driver, and OpenVINO's plugin has trouble with some newer ones that load the GPU's as well.
_ENV = "ZE_ENABLE_ALT_DRIVERS=libze_intel_npu.so"
_HOW_TO_DRIVE = "modprobe intel_vpu (CONFIG_DRM_ACCEL_IVPU, Linux 6.3); its firmware is in /lib/firmware/intel/vpu"


def _discover(host: Host, _: frozenset[str]) -> Iterator[Report]:
    found = 0
    for function in list_functions(host, vendor=_VENDOR):
        if (function.class_code or 0) >> 16 != _PROCESSING_ACCELERATOR:
            continue
        if function.driver != _DRIVER and function.device not in _MODELS:
            continue  # an FPGA, for example
        report = _report(host, function)
        found += isinstance(report, Found)
        yield report
    if found:
        yield Shared(
            family=_NAME,
            kind=_KIND,
            edits=ContainerEdits(env=(_ENV,)),
            how=f"{_ENV}: by it, Level Zero finds the NPU's driver",
            warnings=("Level Zero finds no GPU in such a container, OpenCL does",),
        )


def _report(host: Host, function: Function) -> Found | Skipped:
    if function.driver != _DRIVER:
        why = f"driven by {function.driver}, not by {_DRIVER}" if function.driver else "no driver is bound to it"
        return Skipped(family=_NAME, what=function.bdf, why=why, hint=_HOW_TO_DRIVE)
    try:
        accel = read_accel(host, function.path)
    except (NodeFault, HostError) as fault:
        return Skipped(
            family=_NAME, what=function.bdf, why=str(fault), hint="udevadm trigger makes missing nodes", broken=True
        )
    if accel is None:
        why = "its driver has registered no accelerator"
        return Skipped(family=_NAME, what=function.bdf, why=why, hint="dmesg says why; often firmware is missing")
    attributes = {
        "model": _MODELS.get(function.device or 0),
        "deviceId": f"0x{function.device:04x}" if function.device is not None else None,
        "driver": function.driver,
        "pciAddress": function.bdf,
        "numaNode": function.numa_node,
    }
    return Found(
        family=_NAME,
        kind=_KIND,
        name=accel.name,
        names={"bdf": function.bdf, "id": function.stable_id, "index": str(accel.number)},
        also=("id",),
        edits=edits_of([accel.node], groups=True),
        how=f"PCI function {function.bdf}, driver {_DRIVER}: {accel.node.path}",
        attributes=present(attributes),
        warnings=function.unread,
    )


FAMILY = Family(name=_NAME, kind=_KIND, summary="Intel NPUs", discover=_discover)
