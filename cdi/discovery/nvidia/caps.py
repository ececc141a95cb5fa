"""Capabilities: the nodes in /dev/nvidia-caps by which the driver knows who may use a MIG device."""

from __future__ import annotations

__all__ = ["capability_path", "list_instances", "minors_of", "parse_minors", "read_minors"]

import re
from typing import TYPE_CHECKING

from cdi.discovery.nvidia.gpu import Instance
from cdi.discovery.sysfs import parse_number
from cdi.host import HostError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cdi.host import Host

_MINORS = "/proc/driver/nvidia-caps/mig-minors"
_CAPABILITIES = "/proc/driver/nvidia/capabilities"
_GPU_INSTANCE = re.compile(r"gi(\d+)")
_COMPUTE_INSTANCE = re.compile(r"ci(\d+)")
_FILE_MINOR = re.compile(r"^DeviceFileMinor:\s*(\d+)", re.MULTILINE)


def capability_path(minor: int) -> str:
    """Return the node of a capability."""
    return f"/dev/nvidia-caps/nvidia-cap{minor}"


def read_minors(host: Host) -> Mapping[str, int]:
    """Return the minors of all capabilities by name.

    There is each that there could ever be, by the *minor* of the GPU, whether MIG is enabled or not:

        /proc/driver/nvidia-caps/mig-minors
            config 1
            monitor 2
            gpu0/gi1/access 12
            gpu0/gi1/ci0/access 13
    """
    try:
        return parse_minors(host.read_text(_MINORS))
    except HostError:
        return {}


def minors_of(host: Host, minors: Mapping[str, int], gpu: int, instance: Instance) -> tuple[int | None, int | None]:
    """Return the minors that give access to the GPU instance and to the compute instance of a MIG device."""
    of_gpu_instance = f"gi{instance.gpu_instance}"
    of_compute_instance = f"{of_gpu_instance}/ci{instance.compute_instance}"
    first, second = (
        minors.get(f"gpu{gpu}/{name}/access") or _own_minor(host, gpu, name)
        for name in (of_gpu_instance, of_compute_instance)
    )
    return first, second


def parse_minors(text: str) -> Mapping[str, int]:
    """Return the minors of capabilities by name."""
    pairs = (line.rpartition(" ") for line in text.splitlines())
    numbers = ((name.strip(), parse_number(number)) for name, _, number in pairs)
    return {name: number for name, number in numbers if name and number is not None}


def list_instances(host: Host, gpu: int) -> tuple[Instance, ...]:
    """Return the MIG devices of a GPU, by its minor, as far as the kernel tells: neither UUIDs nor profiles.

    /proc/driver/nvidia/capabilities/gpu0/mig/gi1/ci0/access
    """
    pairs = sorted(_pairs(host, f"{_CAPABILITIES}/gpu{gpu}/mig"))
    return tuple(
        Instance(index=index, gpu_instance=first, compute_instance=second)
        for index, (first, second) in enumerate(pairs)
    )


def _pairs(host: Host, mig: str) -> Iterator[tuple[int, int]]:
    for first in _numbers(host, mig, _GPU_INSTANCE):
        for second in _numbers(host, f"{mig}/gi{first}", _COMPUTE_INSTANCE):
            yield first, second


def _numbers(host: Host, path: str, name: re.Pattern[str]) -> list[int]:
    try:
        matches = [name.fullmatch(entry) for entry in host.listdir(path)]
    except HostError:
        return []
    return [int(match[1]) for match in matches if match is not None]


def _own_minor(host: Host, gpu: int, name: str) -> int | None:
    """Return the minor that a capability's own file has: `DeviceFileMinor: 12`."""
    try:
        match = _FILE_MINOR.search(host.read_text(f"{_CAPABILITIES}/gpu{gpu}/mig/{name}/access"))
    except HostError:
        return None
    return int(match[1]) if match is not None else None
