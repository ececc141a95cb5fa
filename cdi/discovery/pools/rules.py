"""What is wrong with the values of pools, each with the way out: names, ids, ranges, selectors of another type."""

from __future__ import annotations

__all__ = ["faults_of"]

import re
from typing import TYPE_CHECKING, Any

import msgspec

from cdi.discovery.form import Fault
from cdi.discovery.pools.format import ACCELERATOR, AUXILIARY, NETWORK, Pool, PoolFile, Selector, selectors_of
from cdi.discovery.pools.ranges import parse_ranged
from cdi.names import class_fault, vendor_fault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_BDF = re.compile(r"[0-9a-f]{4,8}:[0-9a-f]{2}:[01][0-9a-f]\.[0-7]")
_ID = re.compile(r"[0-9a-f]{4}")
_NUMBER = re.compile(r"[0-9]{1,9}")
_KEY = re.compile(r"0x[0-9a-f]{4}")
_NAME = re.compile(r"[^\s/#]{1,15}")  # of an interface
_LINKS = ("ether", "infiniband")
_ANY = "*"
# Which selectors a type of devices has (pkg/types/types.go); the plugin does not look at the others.
_PCI = frozenset({"vendors", "devices", "drivers"})
_NET = _PCI | {"pf_names", "root_devices", "link_types", "is_rdma", "need_vhost_net"}
_KNOWN = {
    NETWORK: _NET | {"pci_addresses", "acpi_indexes", "p_keys", "vdpa_type"},
    ACCELERATOR: _PCI | {"pci_addresses"},
    AUXILIARY: _NET | {"aux_types"},
}


def faults_of(part: object) -> Iterator[Fault]:
    """Yield what is wrong with a part of the file, the parts inside of it aside."""
    rule = _RULES.get(type(part))
    return iter(()) if rule is None else rule(part)


def _file(file: PoolFile) -> Iterator[Fault]:
    if not file.resource_list:
        yield Fault("resourceList", "no pools", "write one, with resourceName and selectors")
    first: dict[str, int] = {}
    for index, pool in enumerate(file.resource_list):
        if pool.resource_name and first.setdefault(pool.kind, index) != index:
            message = f"the kind {pool.kind!r} is that of resourceList[{first[pool.kind]}] already"
            hint = "give it another name or prefix, or put its selectors into the list of the other"
            yield Fault(f"resourceList[{index}].resourceName", message, hint)


def _pool(pool: Pool) -> Iterator[Fault]:
    for where, text, fault_of in (
        ("resourceName", pool.resource_name, class_fault),
        ("resourcePrefix", pool.resource_prefix, vendor_fault),
    ):
        fault = fault_of(text) if text else None  # a name that is missing is a problem of its own
        if fault is not None:
            yield Fault(where, fault, "kind and devices of a pool are called as its prefix and its name")
        elif len(text) == 1:
            yield Fault(where, f"{text!r} has one letter", "runtimes before CDI 1.1.0 crash of that: use two")
    selectors = selectors_of(pool)
    if not selectors:
        yield Fault("selectors", "no selectors", "write one; {} takes every function")
    single = isinstance(pool.selectors, Selector)
    for index, selector in enumerate(selectors):
        yield from _types(pool.device_type, selector, "selectors" if single else f"selectors[{index}]")
    for key in pool.additional_info:
        if key != _ANY and not _BDF.fullmatch(key):
            hint = "write a PCI address, as in '0000:3b:02.0', or '*' for all"
            yield Fault(f"additionalInfo.{key}", f"{key!r} is no function", hint)


def _types(device_type: str, selector: Selector, where: str) -> Iterator[Fault]:
    known = _KNOWN[device_type]
    for one in msgspec.structs.fields(Selector):
        if getattr(selector, one.name) and one.name not in known and one.name != "ddp_profiles":
            there_are = ", ".join(f.encode_name for f in msgspec.structs.fields(Selector) if f.name in known)
            message = f"{one.encode_name!r} is not for devices of the type {device_type}"
            yield Fault(f"{where}.{one.encode_name}", message, f"there are {there_are}")
    if device_type == AUXILIARY and not selector.aux_types:
        yield Fault(where, f"devices of the type {AUXILIARY} need 'auxTypes'", 'write "auxTypes": ["sf"]')


def _selector(selector: Selector) -> Iterator[Fault]:
    if selector.ddp_profiles:
        hint = "select by pfNames or pciAddresses; without it the pool would take functions with any profile"
        yield Fault("ddpProfiles", "which DDP profile a card has loaded, only its firmware can tell", hint)
    if selector.is_rdma and selector.vdpa_type is not None:
        yield Fault("vdpaType", "'isRdma' and 'vdpaType' exclude each other", "make two pools, or leave out one")
    for attribute, (pattern, what, hint) in _TEXTS.items():
        field = _FIELDS[attribute]
        for index, text in enumerate(getattr(selector, attribute)):
            if not pattern(text):
                yield Fault(f"{field}[{index}]", f"invalid {what} {text!r}", hint)
    yield from _twice("pfNames", selector.pf_names)
    yield from _twice("rootDevices", selector.root_devices)


def _twice(field: str, texts: tuple[str, ...]) -> Iterator[Fault]:
    """Yield a function that stands there twice: the plugin looks at the first only."""
    first: dict[str, int] = {}
    for index, text in enumerate(texts):
        ranged = parse_ranged(text)
        function = ranged.function.lower() if ranged is not None else ""
        if ranged is not None and first.setdefault(function, index) != index:
            message = f"{field}[{first[function]}] is of the same function, and the only one that counts"
            yield Fault(f"{field}[{index}]", message, "write it once, with all ranges: 'eth0#0-3,7'")


def _ranged(of: re.Pattern[str]) -> Callable[[str], bool]:
    def fits(text: str) -> bool:
        ranged = parse_ranged(text)
        return ranged is not None and of.fullmatch(ranged.function) is not None

    return fits


def _like(pattern: re.Pattern[str]) -> Callable[[str], bool]:
    return lambda text: pattern.fullmatch(text) is not None


_ID_HINT = "write 4 hexadecimal digits in small letters, as in '8086'"
_RANGES = "numbers and ranges follow after #, as in"
_TEXTS: dict[str, tuple[Callable[[str], bool], str, str]] = {
    "vendors": (_like(_ID), "vendor id", _ID_HINT),
    "devices": (_like(_ID), "device id", _ID_HINT),
    "drivers": (_like(re.compile(r"[^\s/]+")), "name of a driver", "it is a name as in /sys/bus/pci/drivers"),
    "pci_addresses": (_like(_BDF), "PCI address", "write it in small letters with its domain, as in '0000:3b:02.0'"),
    "acpi_indexes": (_like(_NUMBER), "index", "write a number, as in /sys/bus/pci/devices/*/acpi_index"),
    "aux_types": (lambda text: text == "sf", "type", "'sf', for subfunctions, is the only one"),
    "pf_names": (_ranged(_NAME), "physical function", f"write its interface; {_RANGES} 'eth0#0-3,7'"),
    "root_devices": (_ranged(_BDF), "physical function", f"write its address; {_RANGES} '0000:3b:00.0#0-3,7'"),
    "link_types": (lambda text: text in _LINKS, "link type", f"there are {' and '.join(_LINKS)}"),
    "p_keys": (_like(_KEY), "partition key", "write 4 hexadecimal digits in small letters, as in '0x8001'"),
}
_FIELDS = {one.name: one.encode_name for one in msgspec.structs.fields(Selector)}
_RULES: dict[type, Callable[[Any], Iterator[Fault]]] = {PoolFile: _file, Pool: _pool, Selector: _selector}
