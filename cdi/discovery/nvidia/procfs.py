"""/proc/driver/nvidia: what the kernel module says of itself, its GPUs and what MIG made of them."""

from __future__ import annotations

__all__ = ["Listed", "list_gpus", "majors", "parse_information", "parse_version", "read_version"]

import re
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from cdi.discovery.nvidia.caps import list_instances
from cdi.discovery.nvidia.gpu import Gpu, parse_address
from cdi.discovery.sysfs import parse_number
from cdi.host import HostError
from cdi.names import natural_key

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cdi.host import Host

_GPUS = "/proc/driver/nvidia/gpus"
_VERSION = re.compile(r"\b\d{3,}\.\d+(?:\.\d+)*\b")


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """The GPUs that the kernel module drives, by address, and those that it was told to leave alone."""

    gpus: tuple[Gpu, ...] = ()
    excluded: tuple[Gpu, ...] = ()
    faults: tuple[str, ...] = ()


def read_version(host: Host) -> str | None:
    """Return the version of the kernel module.

    /sys/module/nvidia/version   570.86.15
    /proc/driver/nvidia/version  NVRM version: NVIDIA UNIX x86_64 Kernel Module  570.86.15  Thu Jan 23 …
    """
    for path in ("/sys/module/nvidia/version", "/proc/driver/nvidia/version"):
        try:
            version = parse_version(host.read_text(path))
        except HostError:
            continue
        if version is not None:
            return version
    return None


def parse_version(text: str) -> str | None:
    """Return the version of the driver in the first line of a text."""
    match = _VERSION.search(text.partition("\n")[0])
    return match[0] if match is not None else None


def list_gpus(host: Host) -> Listed:
    """Return the GPUs of the kernel module; NVML counts them in the order of their addresses, too.

    /proc/driver/nvidia/gpus/0000:3b:00.0/information
    """
    found: list[tuple[Gpu, bool]] = []
    faults: list[str] = []
    try:
        names = host.listdir(_GPUS)
    except HostError as error:
        return Listed(faults=() if error.missing else (error.message,))
    for name in names:
        bdf = parse_address(name)
        try:
            lines = parse_information(host.read_text(f"{_GPUS}/{name}/information"))
        except HostError as error:
            faults.append(error.message)
            lines = {}
        if bdf is not None:
            found.append((_gpu(host, bdf, lines), lines.get("GPU Excluded", "").lower() == "yes"))
    used = sorted((gpu for gpu, is_excluded in found if not is_excluded), key=lambda gpu: natural_key(gpu.bdf or ""))
    return Listed(
        gpus=tuple(replace(gpu, index=index) for index, gpu in enumerate(used)),
        excluded=tuple(gpu for gpu, is_excluded in found if is_excluded),
        faults=tuple(faults),
    )


def parse_information(text: str) -> dict[str, str]:
    r"""Return the lines of an `information` file, such as `Device Minor: \t 0`, by what they say."""
    pairs = (line.partition(":") for line in text.splitlines())
    return {key.strip(): value.strip() for key, colon, value in pairs if colon}


def majors(host: Host) -> Mapping[str, int]:
    """Return the numbers that drivers of character devices have, by the names in /proc/devices."""
    try:
        text = host.read_text("/proc/devices")
    except HostError:
        return {}
    rows = (line.split() for line in text.partition("Block devices:")[0].splitlines())
    return {row[1]: int(row[0]) for row in rows if len(row) == len(("major", "name")) and row[0].isdigit()}


def _gpu(host: Host, bdf: str, lines: Mapping[str, str]) -> Gpu:
    minor = parse_number(lines.get("Device Minor", ""))
    uuid = lines.get("GPU UUID", "")
    instances = list_instances(host, minor) if minor is not None else ()
    return Gpu(
        index=0,
        minor=minor,
        uuid=uuid if uuid and "?" not in uuid else None,  # question marks until somebody has opened the GPU
        model=lines.get("Model") or None,
        bdf=bdf,
        mig=True if instances else None,
        instances=instances,
    )
