"""Routes of the kernel's tables: which interfaces have a default route, and by which an address is reached."""

from __future__ import annotations

__all__ = ["Route", "connected", "parse_routes", "parse_routes_v6", "read_routes", "read_tables", "toward"]

import re
from typing import TYPE_CHECKING

import msgspec

from cdi.discovery.sysfs import parse_number
from cdi.host import HostError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from cdi.host import Host

# The tables of process 1 count too: below another root, /proc/net is that of the namespace that we run in.
_NET = ("/proc/net", "/proc/1/net")
_LIMIT = 64 << 20
_UP, _REJECT = 0x1, 0x200  # linux/route.h
_DIGITS = re.compile(r"[0-9A-Fa-f]+")
_V4_FIELDS = 8
_V6_FIELDS = 10
_V6_BITS = 128


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """A route that is in use: addresses that agree with `network` in the bits of `mask` go out by `interface`.

    Numbers of IPv4 are as the file writes them, an address of four bytes read as a number of this machine: they are
    compared, and in which order the bytes are does not matter for that.
    """

    version: str  # IPv4 or IPv6
    interface: str
    network: int
    mask: int
    metric: int
    is_connected: bool  # without a gateway: its addresses are next to the interface

    @property
    def length(self) -> int:
        """How many bits the mask has."""
        return f"{self.mask:b}".count("1")

    @property
    def is_default(self) -> bool:
        """Whether everything goes there, or one half: so VPN clients override a default route without replacing it."""
        return self.length <= 1

    def holds(self, address: int) -> bool:
        """Return whether an address of its version belongs to it."""
        return address & self.mask == self.network


def read_routes(host: Host) -> tuple[list[Route], list[str]]:
    """Return the routes of a host, and what could not be read.

    Of IPv4 the kernel shows the main table only, not those of policy rules and VRFs, and of a route that goes by
    several interfaces the first.
    """
    routes: list[Route] = []
    failures: list[str] = []
    for file, parse in (("route", parse_routes), ("ipv6_route", parse_routes_v6)):
        texts, failed = read_tables(host, file)
        failures += failed
        if not texts and not failed and file == "route":
            failures.append("no routing table in /proc/net: cannot tell which interface has the default route")
        for text in texts:
            routes += parse(text)
    return routes, failures


def read_tables(host: Host, file: str) -> tuple[list[str], list[str]]:
    """Return a table of the kernel, as it is for us and for process 1, and what could not be read."""
    texts: list[str] = []
    failures: list[str] = []
    for directory in _directories(host):
        try:
            texts.append(host.read_text(f"{directory}/{file}", limit=_LIMIT))
        except HostError as error:
            if not error.missing:
                failures.append(error.message)
    return texts, failures


def _directories(host: Host) -> tuple[str, ...]:
    """Return where tables are: of process 1, too, unless that is in our network namespace, as far as we may know."""
    try:
        is_one = host.readlink("/proc/self/ns/net") == host.readlink("/proc/1/ns/net")
    except HostError:
        is_one = False
    return _NET[:1] if is_one else _NET


def parse_routes(text: str) -> Iterator[Route]:
    """Yield the routes of /proc/net/route that are in use.

    Iface  Destination  Gateway   Flags  RefCnt  Use  Metric  Mask      …
    eth0   00000000     010200C0  0003   0       0    0       00000000  …
    eth0   000200C0     00000000  0001   0       0    0       00FFFFFF  …
    """
    for fields in map(str.split, text.splitlines()[1:]):
        if len(fields) < _V4_FIELDS:
            continue
        network, gateway, mask = (_hex(fields[i], digits=8) for i in (1, 2, 7))
        flags = _hex(fields[3])
        if network is None or gateway is None or flags is None or mask is None or not _is_usable(flags):
            continue
        yield Route(
            version="IPv4",
            interface=fields[0],
            network=network & mask,
            mask=mask,
            metric=parse_number(fields[6]) or 0,
            is_connected=not gateway,
        )


def parse_routes_v6(text: str) -> Iterator[Route]:
    """Yield the routes of /proc/net/ipv6_route that are in use; those of the loopback interface lead nowhere.

    destination length source length next-hop metric references uses flags interface, all but the last in hex.
    """
    for fields in map(str.split, text.splitlines()):
        if len(fields) < _V6_FIELDS or fields[9] == "lo":
            continue
        network, gateway = _hex(fields[0], digits=32), _hex(fields[4], digits=32)
        length, metric, flags = (_hex(fields[i]) for i in (1, 5, 8))
        if network is None or gateway is None or length is None or flags is None:
            continue
        if length > _V6_BITS or not _is_usable(flags):
            continue
        mask = (1 << _V6_BITS) - (1 << _V6_BITS - length)
        yield Route(
            version="IPv6",
            interface=fields[9],
            network=network & mask,
            mask=mask,
            metric=metric or 0,
            is_connected=not gateway,
        )


def connected(address: int, routes: Iterable[Route]) -> set[str]:
    """Return the interfaces in whose own network an address is: the narrowest, of several all."""
    nearest = _narrowest([route for route in routes if route.is_connected and route.mask and route.holds(address)])
    return {route.interface for route in nearest}


def toward(address: int, routes: Iterable[Route]) -> set[str]:
    """Return the interfaces by which what is sent to an address goes out."""
    nearest = _narrowest([route for route in routes if route.holds(address)])
    least = min((route.metric for route in nearest), default=0)
    return {route.interface for route in nearest if route.metric == least}


def _narrowest(routes: Sequence[Route]) -> list[Route]:
    longest = max((route.length for route in routes), default=0)
    return [route for route in routes if route.length == longest]


def _is_usable(flags: int) -> bool:
    return flags & (_UP | _REJECT) == _UP


def _hex(text: str, *, digits: int | None = None) -> int | None:
    return int(text, 16) if _DIGITS.fullmatch(text) and digits in {None, len(text)} else None
