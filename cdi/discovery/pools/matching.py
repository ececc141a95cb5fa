"""Which pool takes a function: selectors held against what sysfs says of it."""

from __future__ import annotations

__all__ = ["PARTS", "VALUES", "VDPA_DRIVERS", "Candidate", "refusal", "taken_by"]

from functools import cached_property
from typing import TYPE_CHECKING

import msgspec

from cdi.discovery.pools.format import ACCELERATOR, AUXILIARY, NETWORK, Selector, selectors_of
from cdi.discovery.pools.ranges import parse_ranged
from cdi.host import HostError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cdi.discovery.net import Interface
    from cdi.discovery.nic import Nic
    from cdi.discovery.pools.format import Pool
    from cdi.host import Host

VDPA_DRIVERS = {"virtio": "virtio_vdpa", "vhost": "vhost_vdpa"}  # of vDPA devices, by the type that they make
_INFINIBAND = "infiniband"
_BY_CLASS = {0x0200: "ether", 0x0207: _INFINIBAND}


class Candidate:
    """A function or subfunction that pools may take, with the facts that their selectors ask for.

    It has a device type, as pools have: functions of network cards and of accelerators are told apart by their class,
    and no pool takes both.
    """

    def __init__(self, host: Host, nic: Nic, interfaces: Mapping[str, Interface], *, accelerator: bool = False) -> None:
        self._host = host
        self._interfaces = interfaces
        self.nic = nic
        self.type = AUXILIARY if nic.subfunction is not None else ACCELERATOR if accelerator else NETWORK

    @property
    def root(self) -> str | None:
        """The address of the physical function: its own only if it is a subfunction."""
        return self.nic.function.bdf if self.nic.subfunction is not None else self.nic.function.parent

    @cached_property
    def link_type(self) -> str | None:
        """That of its interface, else of the physical function's; of one that a container has, what its class says."""
        physical = self._interfaces.get(self.nic.physical or "")
        interface = next(iter(self.nic.interfaces), physical)
        if interface is None and self.nic.away:
            return _BY_CLASS.get((self.nic.function.class_code or 0) >> 8)
        return interface.link_type if interface is not None else None

    @cached_property
    def has_rdma(self) -> bool:
        """Whether it has an RDMA device that programs can use, or had one until a container got that."""
        if self.nic.away and not self.nic.rdma:
            part = f"/{self.nic.subfunction}" if self.nic.subfunction is not None else ""
            return self._host.is_dir(f"{self.nic.function.path}{part}/{_INFINIBAND}")
        return any(device.has_verbs for device in self.nic.rdma)

    @cached_property
    def acpi_index(self) -> str | None:
        """What the firmware numbers it as."""
        return self._text("acpi_index")

    @cached_property
    def partition_key(self) -> str | None:
        """The first partition key of an InfiniBand port."""
        device = next(iter(self.nic.rdma), None)
        if device is None or self.link_type != _INFINIBAND:
            return None
        return self._text(f"infiniband/{device.name}/ports/1/pkeys/0")

    def _text(self, path: str) -> str | None:
        try:
            return self._host.read_text(f"{self.nic.function.path}/{path}").strip()
        except HostError:
            return None


def taken_by(pool: Pool, candidate: Candidate) -> Selector | None:
    """Return the first selector of a pool that takes a function, None when none does."""
    if pool.device_type != candidate.type:
        return None
    return next((one for one in selectors_of(pool) if refusal(one, candidate) is None), None)


def refusal(selector: Selector, candidate: Candidate) -> str | None:
    """Return which part of a selector leaves a function out, in the plugin's order; None when it takes it."""
    for name, value_of in VALUES.items():
        wanted: tuple[str, ...] = getattr(selector, _ATTRIBUTES[name])
        if wanted and not _is_one(name, value_of(candidate), wanted, candidate.nic.index):
            return name
    if selector.is_rdma and not candidate.has_rdma:
        return "isRdma"
    driver = VDPA_DRIVERS.get(selector.vdpa_type or "")
    if driver is not None and all(device.driver != driver for device in candidate.nic.vdpa):
        return "vdpaType"
    return None


def _is_one(name: str, value: str | None, wanted: tuple[str, ...], index: int | None) -> bool:
    if name not in _RANGED:
        return value in wanted
    ranged = (one for one in map(parse_ranged, wanted) if one is not None)
    return value is not None and any(one.means(value, index) for one in ranged)


def _hexadecimal(number: int | None) -> str | None:
    return f"{number:04x}" if number is not None else None


# What a function has of that which selectors list, in the order of the plugin (pkg/netdevice/netDeviceProvider.go).
VALUES: dict[str, Callable[[Candidate], str | None]] = {
    "vendors": lambda one: _hexadecimal(one.nic.function.vendor),
    "devices": lambda one: _hexadecimal(one.nic.function.device),
    "drivers": lambda one: one.nic.function.driver,
    "pciAddresses": lambda one: one.nic.function.bdf,
    "acpiIndexes": lambda one: one.acpi_index,
    "pfNames": lambda one: one.nic.physical if one.root is not None else None,
    "rootDevices": lambda one: one.root,
    "linkTypes": lambda one: one.link_type,
    "pKeys": lambda one: one.partition_key,
}
PARTS = (*VALUES, "isRdma", "vdpaType")
_RANGED = frozenset({"pfNames", "rootDevices"})
_ATTRIBUTES = {one.encode_name: one.name for one in msgspec.structs.fields(Selector)}
