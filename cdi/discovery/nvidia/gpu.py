"""What is known of a GPU and of the parts that MIG made of it, whoever said so."""

from __future__ import annotations

__all__ = ["Gpu", "Instance", "parse_address"]

import re

import msgspec

_ADDRESS = re.compile(
    r"(?P<domain>[0-9a-f]{4,8}):(?P<bus>[0-9a-f]{2}):(?P<device>[0-9a-f]{2})(?:\.(?P<function>[0-7]))?", re.IGNORECASE
)


class Instance(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """A MIG device: a compute instance within a GPU instance, by the numbers that the driver gave them.

    `index` counts the MIG devices of a GPU, `profile` is such as `1g.10gb`, sizes are in MiB.
    """

    index: int
    gpu_instance: int | None = None
    compute_instance: int | None = None
    uuid: str | None = None
    profile: str | None = None
    graphics: bool = False
    memory: int | None = None
    failure: str | None = None  # nothing but the index is known, and why


class Gpu(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """A GPU; what nobody told is None.

    `index` is what the driver's tools call it, `minor` is the number of its node in /dev: they may differ.
    `mig` is whether MIG is enabled now, `mig_pending` whether it will be after a reset. `coherent` is whether the
    GPU shares the page tables of the processor (address translation services), `memory_node` the NUMA node that
    its memory is then.
    """

    index: int
    minor: int | None = None
    uuid: str | None = None
    model: str | None = None
    bdf: str | None = None
    coherent: bool | None = None
    memory_node: int | None = None
    mig: bool | None = None
    mig_pending: bool | None = None
    instances: tuple[Instance, ...] = ()
    failure: str | None = None  # nothing but the index is known, and why


def parse_address(text: str) -> str | None:
    """Return a PCI address as sysfs writes it; NVML has `00000000:3B:00.0` for `0000:3b:00.0`."""
    match = _ADDRESS.fullmatch(text.strip())
    if match is None:
        return None
    return f"{int(match['domain'], 16):04x}:{match['bus']}:{match['device']}.{match['function'] or 0}".lower()
