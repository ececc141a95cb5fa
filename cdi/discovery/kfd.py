"""KFD topology: the compute devices that amdgpu, and drivers made from it, give to programs through /dev/kfd."""

from __future__ import annotations

__all__ = ["KfdNode", "Topology", "parse_properties", "parse_target", "read_topology"]

from typing import TYPE_CHECKING

import msgspec

from cdi.discovery.sysfs import Kobject, parse_number
from cdi.host import HostError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cdi.host import Host

_NODES = "/sys/class/kfd/kfd/topology/nodes"
_SYSTEM_HEAP = 0  # HSA_MEM_HEAP_TYPE_SYSTEM: memory of the host, which an APU has no other than


class KfdNode(msgspec.Struct, frozen=True, kw_only=True):
    """A GPU, or a partition of one, as a node of the topology (drivers/gpu/drm/amd/amdkfd/kfd_topology.c).

    /sys/class/kfd/kfd/topology/nodes/3/{gpu_id,name,properties,mem_banks/0/properties}

    `location` is the PCI address below the domain, bus << 8 | device << 3, and besides that the number of the
    partition: some drivers put it in the place of the function (bits 0 to 2), some in bits 28 to 31.
    """

    number: int
    gpu_id: int | None = None
    vendor: int | None = None
    domain: int = 0
    location: int = 0
    render_minor: int | None = None
    unique_id: int | None = None  # None also when the kernel says 0
    target: str | None = None  # of the compiler: gfx942
    compute_units: int | None = None
    memory: int | None = None  # bytes
    unread: tuple[str, ...] = ()

    @property
    def slot(self) -> tuple[int, int]:
        """Domain, and bus and device: what the partitions of a GPU have in common, as no unique id does."""
        return self.domain, (self.location & 0xFFFF) >> 3

    @property
    def address(self) -> str:
        """The PCI address without the function: `0000:0c:00`."""
        return f"{self.domain:04x}:{self.location >> 8 & 0xFF:02x}:{self.location >> 3 & 0x1F:02x}"

    @property
    def low(self) -> int:
        """The lowest bits of the location, a function or a partition."""
        return self.location & 7

    @property
    def high(self) -> int:
        """The highest bits of the location, a partition or nothing."""
        return self.location >> 28 & 0xF


class Topology(msgspec.Struct, frozen=True, kw_only=True):
    """The GPUs of a host in the order of KFD; `hidden` are the numbers of nodes that cannot be read, and why."""

    nodes: tuple[KfdNode, ...] = ()
    hidden: tuple[tuple[int, str], ...] = ()


def read_topology(host: Host) -> Topology:
    """Return the topology without the CPUs in it; raise `HostError` when the host has none.

    The kernel answers EPERM for a GPU that the device cgroup of the asking process lacks.
    """
    nodes: list[KfdNode] = []
    hidden: list[tuple[int, str]] = []
    for name in host.listdir(_NODES):
        number = parse_number(name)
        if number is None:
            continue
        try:
            node = _read_node(host, number)
        except HostError as error:
            hidden.append((number, error.message))
            continue
        if node is not None:
            nodes.append(node)
    return Topology(nodes=tuple(nodes), hidden=tuple(hidden))


def _read_node(host: Host, number: int) -> KfdNode | None:
    """Return a node, None for a CPU; raise `HostError` for one that cannot be read."""
    here = Kobject(host, f"{_NODES}/{number}")
    gpu_id = parse_number(host.read_text(f"{here.path}/gpu_id")) if "gpu_id" in here.names else None
    if gpu_id == 0:
        return None
    properties = parse_properties(host.read_text(f"{here.path}/properties"))
    if gpu_id is None and not properties.get("simd_count"):
        return None
    simds, width = properties.get("simd_count"), properties.get("simd_per_cu")
    minor = properties.get("drm_render_minor", 0)
    memory, unread = _memory(host, f"{here.path}/mem_banks/0")
    return KfdNode(
        number=number,
        gpu_id=gpu_id,
        vendor=properties.get("vendor_id"),
        domain=properties.get("domain", 0),
        location=properties.get("location_id", 0),
        render_minor=minor if minor > 0 else None,
        unique_id=properties.get("unique_id") or None,
        target=parse_target(properties.get("gfx_target_version", 0)),
        compute_units=simds // width if simds and width else None,
        memory=memory,
        unread=unread,
    )


def _memory(host: Host, bank: str) -> tuple[int | None, tuple[str, ...]]:
    try:
        properties = parse_properties(host.read_text(f"{bank}/properties"))
    except HostError as error:
        return None, () if error.absent else (error.message,)
    if properties.get("heap_type") == _SYSTEM_HEAP:
        return None, ()
    return properties.get("size_in_bytes"), ()


def parse_properties(text: str) -> Mapping[str, int]:
    """Return the `name number` lines of a file of the topology."""
    pairs = (line.split() for line in text.splitlines())
    numbers = ((pair[0], parse_number(pair[1])) for pair in pairs if len(pair) == 2)  # noqa: PLR2004 - a pair
    return {name: number for name, number in numbers if number is not None}


def parse_target(version: int) -> str | None:
    """Return the name of an instruction set: 90402 is gfx942, 90010 gfx90a; None for 0."""
    major, minor, step = version // 10000, version // 100 % 100, version % 100
    return f"gfx{major}{minor:x}{step:x}" if version > 0 else None
