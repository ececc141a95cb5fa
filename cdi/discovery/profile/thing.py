"""Things that may be devices: where they were found, and the facts by which a profile chooses among them."""

from __future__ import annotations

__all__ = ["Thing", "functions_with", "things"]

from fnmatch import fnmatchcase
from functools import cached_property
from typing import TYPE_CHECKING

from cdi.discovery.pci import Function, list_functions, read_function
from cdi.discovery.profile.pattern import is_pattern, search
from cdi.discovery.sysfs import Kobject, parse_number
from cdi.host import HostError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cdi.discovery.profile.format import Subject
    from cdi.host import Host

_CODE = 6  # digits of a class: 120000 is base class, subclass and interface


class Thing:
    """A kernel object, a node in /dev or a PCI function, with the facts that are asked about it.

    `sysfs` is its directory without links, None for a node that sysfs does not know; `path` is that of a node that
    was found in /dev; `number` is what `{n}` stands for.
    """

    def __init__(
        self, host: Host, name: str, *, sysfs: str | None = None, path: str | None = None, number: str | None = None
    ) -> None:
        self._host = host
        self.name = name
        self.sysfs = sysfs
        self.path = path
        self.number = number

    @cached_property
    def has_node(self) -> bool:
        """Whether it is itself behind a node in /dev."""
        return self.sysfs is None or self._host.exists(f"{self.sysfs}/dev")

    @cached_property
    def device(self) -> str | None:
        """The directory of the hardware: /sys/class/drm/card0/device leads there (a PCI function's is its id).

        Some drivers make virtual objects, and say in `device/pci_addr` what they are of: habanalabs is one.
        """
        if self.sysfs is None:
            return None
        place = f"{self.sysfs}/device"
        if not self._host.is_dir(place):
            return self.sysfs
        address = self.attribute("device/pci_addr", [])
        return self._of_address(address) or self._host.resolve(place)

    def _of_address(self, address: str | None) -> str | None:
        if address is None or "/" in address:
            return None
        try:
            return self._host.resolve(f"/sys/bus/pci/devices/{address}")
        except HostError:
            return None

    @cached_property
    def function(self) -> Function | None:
        """The PCI function that it is, or belongs to."""
        return read_function(self._host, self.device) if self.device is not None else None

    @cached_property
    def driver(self) -> str | None:
        """Its driver: of virtio_gpu on virtio-pci the former; of a platform device without one, its own name."""
        if self.device is None:
            return None
        own = Kobject(self._host, self.device).target("driver")
        bus, _, name = self.variables.get("MODALIAS", "").partition(":")
        return own or (name if bus == "platform" else None) or (self.function.driver if self.function else None)

    @cached_property
    def variables(self) -> dict[str, str]:
        """What `uevent` says: of the hardware, and of the thing itself."""
        places = [place for place in (self.device, self.sysfs) if place is not None]
        return {key: value for place in places for key, value in Kobject(self._host, place).uevent().items()}

    def attribute(self, path: str, unread: list[str]) -> str | None:
        """Return the text of a file below its directory, or of the device that it belongs to."""
        if self.sysfs is None:
            return None
        try:
            return self._host.read_text(f"{self.sysfs}/{path}").strip()
        except HostError as error:
            if not error.absent:
                unread.append(error.message)
            return None

    def is_meant(self, subject: Subject) -> bool:
        """Return whether a subject means this thing, drivers of other families aside."""
        function = self.function if subject.pci or subject.pci_class or subject.except_pci else None
        return (
            (not subject.pci or (function is not None and any(_has_id(function, one) for one in subject.pci)))
            and (not subject.pci_class or (function is not None and _has_class(function, subject.pci_class)))
            and (not subject.drivers or any(fnmatchcase(self.driver or "", one) for one in subject.drivers))
            and not (function is not None and any(_has_id(function, one) for one in subject.except_pci))
            and all(self._says(key, wanted) for key, wanted in subject.match.items())
        )

    def family_of_driver(self, subject: Subject) -> str | None:
        """Return the family that a subject leaves this thing to, by its driver."""
        driver = self.driver if subject.except_drivers else None
        found = (family for one, family in subject.except_drivers.items() if fnmatchcase(driver or "", one))
        return next(found, None) if driver else None

    def _says(self, key: str, wanted: str | tuple[str, ...]) -> bool:
        said = self.variables.get(key) if key.isupper() else self.attribute(key, [])
        patterns = (wanted,) if isinstance(wanted, str) else wanted
        return said is not None and any(fnmatchcase(said, pattern) for pattern in patterns)


def things(host: Host, subject: Subject) -> Iterator[Thing]:
    """Yield what there is at the place where a subject is looked for; what cannot be listed raises `HostError`."""
    seen = False
    if subject.sysfs is not None:
        for path, number in search(host, subject.sysfs):
            seen = True
            yield Thing(host, path.rpartition("/")[2], sysfs=host.resolve(path), number=number)
    if subject.node is not None and not seen:
        yield from _nodes(host, subject.node)
    if subject.sysfs is None and subject.node is None:
        for function in _functions(host, subject):
            yield Thing(host, function.bdf, sysfs=function.path)


def functions_with(host: Host, ids: tuple[str, ...]) -> Iterator[Function]:
    """Yield the PCI functions that have one of the ids, by address."""
    vendors = {parse_number("0x" + one.partition(":")[0]) for one in ids}
    found = {function.bdf: function for vendor in vendors for function in list_functions(host, vendor=vendor)}
    yield from (found[bdf] for bdf in sorted(found) if any(_has_id(found[bdf], one) for one in ids))


def _nodes(host: Host, pattern: str) -> Iterator[Thing]:
    """Yield a thing for each node, with its kernel object: /sys/dev/char/241:0 -> ../../devices/virtual/npu/npu0."""
    below = host.dev("")
    found = list(search(host, pattern, below=below)) if is_pattern(pattern) else [(below + pattern, None)]
    for place, number in found:
        sysfs = _kernel_object(host, place)
        yield Thing(host, place.rpartition("/")[2], sysfs=sysfs, path=place[len(below) :], number=number)


def _kernel_object(host: Host, place: str) -> str | None:
    try:
        stat = host.stat(place, follow=False)
        kind = "block" if stat.type == "b" else "char"
        return host.resolve(f"/sys/dev/{kind}/{stat.numbers}") if stat.numbers is not None else None
    except HostError:
        return None


def _functions(host: Host, subject: Subject) -> Iterator[Function]:
    if subject.pci:
        yield from functions_with(host, subject.pci)
    elif subject.drivers and not any(is_pattern(driver) for driver in subject.drivers):
        for driver in subject.drivers:
            for path, _ in search(host, f"/sys/bus/pci/drivers/{driver}/*:*"):
                function = read_function(host, host.resolve(path))
                if function is not None:
                    yield function
    else:
        yield from list_functions(host)


def _has_id(function: Function, wanted: str) -> bool:
    """Return whether a function has an id, written as `17cb:a100` or with its subsystem `1ae0:0027:1ae0:004f`."""
    own = function.vendor, function.device, *_halves(function.subsystem)
    return all(
        part == "*" or (value is not None and int(part, 16) == value)
        for part, value in zip(wanted.split(":"), own, strict=False)
    )


def _halves(subsystem: int | None) -> tuple[int | None, int | None]:
    return (None, None) if subsystem is None else (subsystem >> 16, subsystem & 0xFFFF)


def _has_class(function: Function, wanted: tuple[str, ...]) -> bool:
    own = "" if function.class_code is None else f"{function.class_code:0{_CODE}x}"
    return any(own.startswith(one) for one in wanted)
