"""What a snapshot leaves out of /proc: connections, routes, addresses and processes that discovery does not need."""

from __future__ import annotations

__all__ = ["redacted"]

import re
from typing import TYPE_CHECKING, Literal

from msgspec.structs import replace

from cdi.discovery.addresses import is_swapped, parse_addresses, v4_of, v6_of
from cdi.discovery.connections import own_sockets, parse_connections, ssh_ports
from cdi.discovery.routes import parse_routes, parse_routes_v6
from cdi.discovery.vfio_users import CONTAINED, is_node
from cdi.disk_redaction import of_disks
from cdi.host import Host
from cdi.host.tree import FILE, Tree

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from cdi.discovery.connections import Connection
    from cdi.discovery.routes import Route
    from cdi.host.tree import Entry

_OF_A_PROCESS = re.compile(r"/proc/(self|[0-9]+)/(?!net/)(.*)")
_LEFT_OUT = re.compile(rf"{_OF_A_PROCESS.pattern}|/etc/ssh(/|$)")
_OF_PROC = re.compile(r"/proc/[^/]+")
_SAID = re.compile(r"^(?:Name|NSpid):.*\n", re.MULTILINE)  # of a status
_TABLE = re.compile(r"/proc/(?:1/)?net/(if_inet6|ipv6_route|route|tcp6?)")
_V4_DIGITS, _V6_DIGITS = 8, 32
_MASK = 7  # the field of /proc/net/route
_REST = "01 00000000:00000000 00:00000000 00000000     0        0 0 1 0000000000000000"  # of an established connection


def redacted(entries: Mapping[str, Entry]) -> dict[str, Entry]:
    """Return the entries of a host with what nobody needs left out, so that discovery still finds the same.

    Of the connections those by SSH remain, as if all were to port 22, and those to storage; of routes the default ones,
    and those of the addresses of these connections; of addresses theirs; of processes those that use VFIO, with what
    tells that, and that others could not be looked at. Addresses become others, of which any two agree in as many bits
    as before, so that they belong to the same routes.
    """
    kept = {path: entry for path, entry in entries.items() if not (_LEFT_OUT.match(path) or _is_bare(path, entry))}
    kept |= dict(_users(entries))
    kept |= dict(of_disks(entries))
    tables = {path: match[1] for path in sorted(kept) if (match := _TABLE.fullmatch(path))}
    texts = {path: kept[path].content.decode("utf-8", "replace") for path in tables}
    network = _Network([(tables[path], text) for path, text in texts.items()], Host(source=Tree(entries)))
    for path, text in texts.items():
        lines = network.lines(tables[path], text)
        kept[path] = replace(kept[path], content="".join(f"{line}\n" for line in lines).encode())
    return kept


def _is_bare(path: str, entry: Entry) -> bool:
    """Return whether it is no more than a name in /proc, which was listed for processes."""
    return _OF_PROC.fullmatch(path) is not None and not entry.content and entry.error is None


def _users(entries: Mapping[str, Entry]) -> Iterator[tuple[str, Entry]]:
    """Yield what tells of the processes that use VFIO, and the first one that could not be looked at."""
    of: dict[int, dict[str, Entry]] = {}
    for path, entry in entries.items():
        match = _OF_A_PROCESS.match(path)
        if match is not None and match[1] != "self":
            of.setdefault(int(match[1]), {})[match[2]] = entry
    listed = [pid for pid in sorted(of) if f"/proc/{pid}" in entries]
    closed = [pid for pid in listed if "fd" in of[pid] and of[pid]["fd"].error is not None]
    yield from ((f"/proc/{pid}/fd", of[pid]["fd"]) for pid in closed[:1])
    for pid, files in of.items():
        nodes = {name: entry for name, entry in files.items() if name.startswith("fd/") and is_node(entry.target)}
        if nodes:
            status, cgroup = (files.get(name, FILE).content.decode("utf-8", "replace") for name in ("status", "cgroup"))
            contained = CONTAINED.search(cgroup)
            yield from ((f"/proc/{pid}/{name}", entry) for name, entry in nodes.items())
            yield f"/proc/{pid}/status", replace(FILE, content="".join(_SAID.findall(status)).encode())
            yield f"/proc/{pid}/cgroup", replace(FILE, content=f"{contained[0]}\n".encode() if contained else b"")


class _Network:
    """The tables of one host, less what its connections do not need, with other addresses."""

    def __init__(self, tables: Collection[tuple[str, str]], host: Host) -> None:
        self._sockets, _ = own_sockets(host)
        self._ports = ssh_ports(host)
        self._known = {one for table, text in tables if table == "if_inet6" for one, _ in parse_addresses(text)}
        self._ends = {
            v4_of(end) or v6_of(end, swapped=self._is_swapped(one))
            for table, text in tables
            if table in {"tcp", "tcp6"}
            for one in self._parse(text)
            for end in (one.local, one.remote)
        }
        self._addresses = _Addresses(is_big=any(_is_big(text) for table, text in tables if table == "route"))
        self._ways: Mapping[str, Callable[[str], Iterator[str]]] = {
            "if_inet6": self._of_interfaces,
            "ipv6_route": self._routes_v6,
            "route": self._routes,
            "tcp": self._connections,
            "tcp6": self._connections,
        }

    def lines(self, table: str, text: str) -> Iterator[str]:
        """Yield what remains of a table."""
        return self._ways[table](text)

    def _parse(self, text: str) -> Iterator[Connection]:
        return parse_connections(text, self._sockets, self._ports)

    def _is_swapped(self, connection: Connection) -> bool:
        return is_swapped(connection.local, self._known)

    def _is_needed(self, route: Route, digits: int) -> bool:
        return route.is_default or any(route.holds(int(end, 16)) for end in self._ends if len(end) == digits)

    def _connections(self, text: str) -> Iterator[str]:
        yield from text.splitlines()[:1]
        for number, one in enumerate(dict.fromkeys(self._parse(text))):
            swapped = self._is_swapped(one)
            local, remote = (self._addresses.end(end, swapped=swapped) for end in (one.local, one.remote))
            yield f"{number:4}: {local}:{one.ports[0]} {remote}:{one.ports[1]} {_REST}"

    def _of_interfaces(self, text: str) -> Iterator[str]:
        for line in text.splitlines():
            if any(address in self._ends for address, _ in parse_addresses(line)):
                yield self._addresses.v6(line[:_V6_DIGITS]) + line[_V6_DIGITS:]

    def _routes(self, text: str) -> Iterator[str]:
        yield from text.splitlines()[:1]
        for line in text.splitlines()[1:]:
            fields = line.split()
            for route in parse_routes(f"\n{line}"):
                if not self._is_needed(route, _V4_DIGITS):
                    continue
                fields[1:3] = self._addresses.v4(fields[1], route.length), self._addresses.v4(fields[2])
                yield "\t".join(fields)

    def _routes_v6(self, text: str) -> Iterator[str]:
        for line in text.splitlines():
            fields = line.split()
            for route in parse_routes_v6(line):
                if not self._is_needed(route, _V6_DIGITS):
                    continue
                fields[0] = self._addresses.v6(fields[0], route.length)
                fields[2], fields[4] = self._addresses.v6(fields[2]), self._addresses.v6(fields[4])
                yield " ".join(fields)


class _Addresses:
    """Other addresses for those of a host, given out from 10.0.0.1 or 138.0.0.1 and from 2001:db8::1 on.

    Kept are the first bit of IPv4, since default routes may go to one half of all addresses each, and those bits of
    IPv6 that tell link-local addresses from others.
    """

    def __init__(self, *, is_big: bool) -> None:
        self._order: Literal["big", "little"] = "big" if is_big else "little"
        self._v4 = _Prefixes(32, first=10 << 24 | 1, kept=1)
        self._v6 = _Prefixes(128, first=0x20010DB8 << 96 | 1, kept=10)

    def end(self, address: str, *, swapped: bool) -> str:
        """Return another address for one of a connection."""
        v4 = v4_of(address)
        if v4 is not None:
            return address[: -len(v4)] + self.v4(v4)
        return v6_of(self.v6(v6_of(address, swapped=swapped)), swapped=swapped).upper()

    def v4(self, address: str, length: int = 32) -> str:
        """Return another address of IPv4, or another network of this length, as the files write it."""
        number = int.from_bytes(bytes.fromhex(address), self._order)
        return self._v4.other(number, length).to_bytes(4, self._order).hex().upper()

    def v6(self, address: str, length: int = 128) -> str:
        """Return another address of IPv6, or another network of this length."""
        return f"{self._v6.other(int(address, 16), length):032x}"


def _is_big(text: str) -> bool:
    """Return whether a table of routes is of a big-endian machine, which writes 255.255.255.0 as FFFFFF00."""
    masks = (fields[7] for fields in map(str.split, text.splitlines()[1:]) if len(fields) > _MASK)
    return any(mask.startswith("F") and not mask.endswith("F") for mask in masks)


class _Prefixes:
    """Numbers of some bits that agree in as many first bits as those that they replace; some of these are kept.

    Of the two ways on after each prefix, the one that turns up first becomes the one that leads to the number `first`.
    """

    def __init__(self, bits: int, *, first: int, kept: int) -> None:
        self._bits = bits
        self._first = first
        self._kept = kept
        self._taken: dict[tuple[int, int], int] = {}

    def other(self, number: int, length: int) -> int:
        """Return the number that replaces this one, zeros after `length` bits; 0, which is no address, for itself."""
        if not number and length == self._bits:
            return number
        result = 0
        for place in range(length):
            shift = self._bits - 1 - place
            prefix, bit = number >> shift + 1, number >> shift & 1
            if place >= self._kept:
                bit ^= self._taken.setdefault((place, prefix), bit) ^ self._first >> shift & 1
            result = result << 1 | bit
        return result << self._bits - length
