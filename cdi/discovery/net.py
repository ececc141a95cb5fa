"""Network interfaces: what /sys/class/net says of each, and which of them carry a default route."""

from __future__ import annotations

__all__ = ["Interface", "parse_routes", "parse_routes_v6", "read_default_routes", "read_interface"]

from typing import TYPE_CHECKING

import msgspec

from cdi.discovery.pci import Function, parse_subfunction, read_function
from cdi.discovery.sysfs import Kobject, parse_number
from cdi.host import HostError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cdi.host import Host

_UP, _REJECT = 0x1, 0x200  # linux/route.h
_INFINIBAND = 32
_LINK_TYPES = {1: "ether", _INFINIBAND: "infiniband"}  # linux/if_arp.h
_V4_FIELDS = 8
_V6_FIELDS = 10
# Routes to half of all addresses are how VPN clients override a default route without replacing it.
_DEFAULT_MASKS = {"00000000", "00000080"}
_DEFAULT_LENGTHS = {"00", "01"}


class Interface(msgspec.Struct, frozen=True, kw_only=True):
    """A network interface; sizes and speeds as the kernel gives them (bytes, Mbit/s)."""

    name: str
    path: str  # in /sys/devices
    hardware: int | None = None  # ARPHRD_*: 1 Ethernet, 32 InfiniBand, 772 loopback
    flags: int = 0
    index: int | None = None
    link: int | None = None  # ifindex of the peer or of what it is built on; its own when there is none
    devtype: str | None = None
    driver: str | None = None
    function: Function | None = None
    mac: str | None = None
    mtu: int | None = None
    state: str | None = None
    speed: int | None = None
    port_name: str | None = None
    switch: str | None = None  # phys_switch_id, the same for all ports of a switch
    master: str | None = None
    uppers: tuple[str, ...] = ()
    lowers: tuple[str, ...] = ()
    partition_of: str | None = None  # of a partition of InfiniBand, ib0.8001: ib0, which does not know of it
    marks: frozenset[str] = frozenset()  # of `MARKS`, those that it has
    unread: tuple[str, ...] = ()

    @property
    def virtual(self) -> bool:
        """Whether no hardware is behind it."""
        return "/devices/virtual/" in self.path

    @property
    def subfunction(self) -> str | None:
        """The part of a PCI function that it belongs to, by its name on the auxiliary bus: `mlx5_core.sf.4`."""
        return parse_subfunction(self.path)

    @property
    def attributes(self) -> dict[str, str | int | bool | None]:
        """What is known of it; what is not is None."""
        return {
            "driver": self.driver or (self.function.driver if self.function is not None else None),
            "state": self.state,
            "speedMbps": self.speed,
            "mtu": self.mtu,
            "mac": self.mac,
            "linkType": _LINK_TYPES.get(self.hardware or 0),
        }


# Entries that only one type of interface has.
MARKS = frozenset({"bonding", "bridge", "phy80211", "tun_flags"})


def read_interface(host: Host, name: str) -> Interface | None:
    """Return an interface, or None for what is none: /sys/class/net/bonding_masters is a file."""
    if host.stat(f"/sys/class/net/{name}").type != "d":
        return None
    here = Kobject(host, f"/sys/class/net/{name}")
    device = here.below("device")
    function = read_function(host, device.path) if device is not None else None
    speed = here.number("speed")
    hardware = here.number("type")
    partition_of = here.text("parent") if hardware == _INFINIBAND else None
    return Interface(
        name=name,
        path=here.path,
        hardware=hardware,
        flags=here.number("flags") or 0,
        index=here.number("ifindex"),
        link=here.number("iflink"),
        devtype=here.uevent().get("DEVTYPE"),
        driver=device.target("driver") if device is not None else None,
        function=function,
        mac=here.text("address") or None,
        mtu=here.number("mtu"),
        state=here.text("operstate"),
        speed=speed if speed is not None and speed > 0 else None,  # -1: unknown
        port_name=here.text("phys_port_name") or None,
        switch=here.text("phys_switch_id") or None,
        master=here.target("master"),
        uppers=_stacked(here, "upper_"),
        lowers=(*_stacked(here, "lower_"), *((partition_of,) if partition_of else ())),
        partition_of=partition_of or None,
        marks=here.names & MARKS,
        unread=(*here.unread, *(function.unread if function is not None else ())),
    )


def read_default_routes(host: Host) -> tuple[dict[str, str], list[str]]:
    """Return what carries a default route (interface to "IPv4", "IPv6" or both), and what could not be read.

    The table of process 1 counts too: below another root, /proc/net is that of the namespace that we run in.
    """
    carriers: dict[str, list[str]] = {}
    failures: list[str] = []
    for family, file, parse in (("IPv4", "route", parse_routes), ("IPv6", "ipv6_route", parse_routes_v6)):
        tables = 0
        for directory in ("/proc/net", "/proc/1/net"):
            try:
                text = host.read_text(f"{directory}/{file}", limit=64 << 20)
            except HostError as error:
                if not error.missing:
                    failures.append(error.message)
                continue
            tables += 1
            for name in parse(text):
                said = carriers.setdefault(name, [])
                said += [family] if family not in said else []
        if not tables and family == "IPv4":
            failures.append("no routing table in /proc/net: cannot tell which interface has the default route")
    return {name: " and ".join(said) for name, said in carriers.items()}, failures


def parse_routes(text: str) -> Iterator[str]:
    """Yield the interfaces that /proc/net/route sends everything to.

    Iface  Destination  Gateway   Flags  RefCnt  Use  Metric  Mask      …
    eth0   00000000     010200C0  0003   0       0    0       00000000  …
    """
    for fields in map(str.split, text.splitlines()[1:]):
        if len(fields) < _V4_FIELDS or fields[1] not in _DEFAULT_MASKS or fields[7] not in _DEFAULT_MASKS:
            continue
        if _is_usable(fields[3]):
            yield fields[0]


def parse_routes_v6(text: str) -> Iterator[str]:
    """Yield the interfaces that /proc/net/ipv6_route sends everything to.

    destination length source length next-hop metric references uses flags interface, all but the last in hex.
    """
    for fields in map(str.split, text.splitlines()):
        if len(fields) < _V6_FIELDS or fields[1] not in _DEFAULT_LENGTHS or fields[0].strip("0") not in {"", "8"}:
            continue
        if _is_usable(fields[8]) and fields[9] != "lo":
            yield fields[9]


def _is_usable(flags: str) -> bool:
    number = parse_number(f"0x{flags}")
    return number is not None and number & (_UP | _REJECT) == _UP


def _stacked(here: Kobject, prefix: str) -> tuple[str, ...]:
    return tuple(sorted(name[len(prefix) :] for name in here.names if name.startswith(prefix)))
