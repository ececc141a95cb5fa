"""PCI functions: which ones there are, which one a kernel object belongs to, and what each says of itself."""

from __future__ import annotations

__all__ = [
    "NETWORK",
    "Function",
    "find_function",
    "function_path",
    "list_functions",
    "parse_bdf",
    "parse_subfunction",
    "read_function",
]

import re
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from cdi.discovery.sysfs import Kobject, parse_number, parse_uevent
from cdi.host import HostError
from cdi.names import natural_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from cdi.host import Host

# domain:bus:device.function; domains have up to 32 bits (Intel VMD, Hyper-V).
_BDF = re.compile(r"[0-9a-f]{4,8}:[0-9a-f]{2}:[01][0-9a-f]\.[0-7]")
_ROOT = re.compile(r"pci[0-9a-f]{4,8}:[0-9a-f]{2}")
_SUBFUNCTION = re.compile(r"[A-Za-z0-9_]+\.sf\.[0-9]+")
_DEVICES = "/sys/bus/pci/devices"
NETWORK = 0x02  # base class


class Function(msgspec.Struct, frozen=True, kw_only=True):
    """A PCI function; `bdf` is its address, `parent` the physical function that a virtual one belongs to.

    `class_code` is base class, subclass and interface: 0x030200 is a 3D controller.
    """

    bdf: str
    path: str  # without links
    vendor: int | None = None
    device: int | None = None
    subsystem: int | None = None  # its vendor and its device: 0x10de1626
    class_code: int | None = None
    driver: str | None = None
    numa_node: int | None = None  # None also when the kernel says -1
    parent: str | None = None
    functions: int = 0  # how many virtual functions it has
    capacity: int | None = None  # how many it may have; None for a function that can have none
    unread: tuple[str, ...] = ()

    @property
    def stable_id(self) -> str:
        """A name that lasts as long as the card stays in its slot: `0000-03-00-0-0x56c0`, address and device id."""
        place = self.bdf.replace(":", "-").replace(".", "-")
        return place if self.device is None else f"{place}-0x{self.device:04x}"

    @property
    def attributes(self) -> dict[str, str | int | bool | None]:
        """What is known of it; what is not is None."""
        return {
            "pciAddress": self.bdf,
            "pcieRoot": self.root,
            "numaNode": self.numa_node,
            "driver": self.driver,
            "vendorId": f"0x{self.vendor:04x}" if self.vendor is not None else None,
            "deviceId": f"0x{self.device:04x}" if self.device is not None else None,
            "parentPciAddress": self.parent,
        }

    @property
    def is_network(self) -> bool:
        """Whether it is an Ethernet, InfiniBand or other network controller, by its base class."""
        return (self.class_code or 0) >> 16 == NETWORK

    @property
    def caution(self) -> str | None:
        """Why a physical function should stay with the host, whatever it is bound to."""
        if not self.functions:
            return None
        return f"its {self.virtual_functions} depend{'s' if self.functions == 1 else ''} on it"

    @property
    def virtual_functions(self) -> str:
        """How many it has, in words that fit behind `its`: `virtual function`, `8 virtual functions`."""
        return "virtual function" if self.functions == 1 else f"{self.functions} virtual functions"

    @property
    def root(self) -> str | None:
        """The PCI host bridge, in Kubernetes' words the PCIe root, that it is below: `pci0000:3a`."""
        return next((part for part in self.path.split("/") if _ROOT.fullmatch(part)), None)


def list_functions(
    host: Host,
    *,
    vendor: int | None = None,
    base_class: int | None = None,
    driver: Callable[[str | None], bool] | None = None,
) -> Iterator[Function]:
    """Yield the PCI functions of a host by address, all or those of a vendor, a base class or certain drivers.

    One that cannot be read is left out. One file tells what a function is, so that a thousand others cost little:

        /sys/bus/pci/devices/0000:01:00.0 -> ../../../devices/pci0000:00/0000:00:01.0/0000:01:00.0
        /sys/bus/pci/devices/0000:01:00.0/uevent   DRIVER=nvidia PCI_CLASS=30200 PCI_ID=10DE:20B0 PCI_SUBSYS_ID=…
    """
    for path, identity in host.once(_identities).items():
        try:
            if vendor is not None and identity.vendor != vendor:
                continue
            if base_class is not None and (identity.class_code or 0) >> 16 != base_class:
                continue
            if driver is not None and not driver(identity.driver):
                continue
            function = read_function(host, host.resolve(path))
            if function is not None:
                yield function
        except HostError:  # it was unplugged meanwhile, or its attributes are out of reach
            continue


def _identities(host: Host) -> Mapping[str, _Identity]:
    identities: dict[str, _Identity] = {}
    for path in _functions(host):
        try:
            identities[path] = _identity(host, host.resolve(path))
        except HostError:  # it was unplugged meanwhile
            continue
    return identities


def _functions(host: Host) -> Iterator[str]:
    """Yield the paths of all functions; where the bus does not list them, of those that drivers list."""
    try:
        names = host.listdir(_DEVICES)
    except HostError as error:
        if not error.missing:
            raise
        places = {path.rpartition("/")[2]: path for path in host.glob("/sys/bus/pci/drivers/*/*:*:*")}
        yield from (places[name] for name in sorted(places, key=natural_key) if _BDF.fullmatch(name))
    else:
        yield from (f"{_DEVICES}/{name}" for name in names if _BDF.fullmatch(name))


class _Identity(NamedTuple):
    """What a function is, told by its `uevent`, or by its other attributes where a recording has no such file."""

    vendor: int | None
    class_code: int | None
    driver: str | None


def _identity(host: Host, path: str) -> _Identity:
    try:
        uevent = parse_uevent(host.read_text(f"{path}/uevent"))
    except HostError:
        uevent = {}
    known = _parse_id(uevent.get("PCI_ID"))
    class_code = parse_number(f"0x{uevent['PCI_CLASS']}") if "PCI_CLASS" in uevent else None
    if known is not None and class_code is not None:
        return _Identity(known[0], class_code, uevent.get("DRIVER"))
    function = host.once(_read_function, path)
    return _Identity(function.vendor, function.class_code, function.driver)


def parse_bdf(path: str) -> str | None:
    """Return the address of the innermost PCI function in a path without links.

    /sys/devices/pci0000:00/0000:00:03.0/virtio2/net/eth0 is of 0000:00:03.0.
    """
    place = function_path(path)
    return place.rpartition("/")[2] if place is not None else None


def function_path(path: str) -> str | None:
    """Return the part of a path without links that leads to the innermost PCI function; None when there is none."""
    parts = path.split("/")
    last = next((index for index in reversed(range(len(parts))) if _BDF.fullmatch(parts[index])), None)
    return "/".join(parts[: last + 1]) if last is not None else None


def parse_subfunction(path: str) -> str | None:
    """Return the name on the auxiliary bus of the subfunction that a path without links is below.

    /sys/devices/pci0000:3a/0000:3a:00.0/0000:3b:00.0/mlx5_core.sf.4/net/enp59s0f0s88 is of mlx5_core.sf.4.
    """
    return next((part for part in reversed(path.split("/")) if _SUBFUNCTION.fullmatch(part)), None)


def read_function(host: Host, path: str) -> Function | None:
    """Return the PCI function that is at, or above, a path without links; None when there is none."""
    place = function_path(path)
    if place is None:
        return None
    return host.once(_read_function, place)


def find_function(host: Host, bdf: str) -> Function | None:
    """Return the PCI function at an address; None when it was unplugged meanwhile, or is not in a recording."""
    try:
        return read_function(host, host.resolve(f"{_DEVICES}/{bdf}"))
    except HostError:
        return None


def _read_function(host: Host, place: str) -> Function:
    here = Kobject(host, place)
    uevent = here.uevent()
    vendor, device = _parse_id(uevent.get("PCI_ID")) or (here.number("vendor"), here.number("device"))
    parts = _parse_id(uevent.get("PCI_SUBSYS_ID")) or (here.number("subsystem_vendor"), here.number("subsystem_device"))
    class_code = parse_number(f"0x{uevent['PCI_CLASS']}") if "PCI_CLASS" in uevent else None
    numa = here.number("numa_node")
    return Function(
        bdf=place.rpartition("/")[2],
        path=here.path,
        vendor=vendor,
        device=device,
        subsystem=None if parts[0] is None or parts[1] is None else parts[0] << 16 | parts[1],
        class_code=class_code if class_code is not None else here.number("class"),
        driver=uevent.get("DRIVER") or here.target("driver"),
        numa_node=numa if numa is not None and numa >= 0 else None,
        parent=here.target("physfn"),
        functions=here.number("sriov_numvfs") or 0,
        capacity=here.number("sriov_totalvfs") or None,
        unread=tuple(here.unread),
    )


def _parse_id(text: str | None) -> tuple[int, int] | None:
    """Return the two numbers of an id in a uevent: `8086:1592`."""
    first, _, second = (text or "").partition(":")
    numbers = parse_number(f"0x{first}"), parse_number(f"0x{second}")
    return None if numbers[0] is None or numbers[1] is None else (numbers[0], numbers[1])
