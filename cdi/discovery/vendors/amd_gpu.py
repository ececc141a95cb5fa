"""AMD GPUs and their partitions, as ROCm uses them: /dev/kfd and DRM nodes."""

from __future__ import annotations

__all__ = ["FAMILY"]

from functools import partial

from cdi.discovery.found import Family
from cdi.discovery.kfd_family import discover_gpus
from cdi.discovery.kfd_gpu import KfdDriver

_DRIVER = KfdDriver(
    family="amd-gpu",
    kind="amd.com/gpu",
    vendor=0x1002,
    classes=frozenset({0x03, 0x12}),  # displays and processing accelerators
    modules=("amdgpu",),
    partitions="amdgpu_xcp[._]*",
)

FAMILY = Family(
    name=_DRIVER.family,
    kind=_DRIVER.kind,
    summary="AMD GPUs and their partitions",
    discover=partial(discover_gpus, _DRIVER),
)
