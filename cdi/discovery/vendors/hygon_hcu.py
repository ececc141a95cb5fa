"""Hygon's accelerators (DCU, HCU), whose driver is made from amdgpu."""

from __future__ import annotations

__all__ = ["FAMILY"]

from functools import partial

from cdi.discovery.found import Family
from cdi.discovery.kfd_family import discover_gpus
from cdi.discovery.kfd_gpu import KfdDriver

# The vendor's own tool also hands out /dev/mem and /sys/kernel/debug. Either is the whole machine, so neither is here.
_DRIVER = KfdDriver(
    family="hygon-hcu",
    kind="hygon.cn/hcu",
    vendor=0x1D94,
    classes=frozenset({0x03, 0x0B, 0x12}),  # displays (Z100), co-processors (K100) and processing accelerators
    modules=("hycu", "hydcu", "hyhcu"),
    partitions="hy*cu_xcp[._]*",
    controls=("/dev/mkfd",),
    directories=("/opt/hyhal",),
)

FAMILY = Family(
    name=_DRIVER.family,
    kind=_DRIVER.kind,
    summary="Hygon accelerators and their partitions",
    discover=partial(discover_gpus, _DRIVER),
)
