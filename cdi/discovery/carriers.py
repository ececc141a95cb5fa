"""Carriers: the network interfaces that the host itself cannot do without."""

from __future__ import annotations

__all__ = ["read_carriers"]

from typing import TYPE_CHECKING

from cdi.discovery.addresses import is_link_local, is_swapped, parse_addresses, v4_of, v6_of
from cdi.discovery.connections import read_connections
from cdi.discovery.routes import connected, read_routes, read_tables, toward
from cdi.host import HostError
from cdi.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from cdi.discovery.connections import Connection
    from cdi.discovery.routes import Route
    from cdi.host import Host


def read_carriers(host: Host) -> tuple[Mapping[str, str], tuple[Problem, ...]]:
    """Return why the host needs which interfaces, and what could not be told.

    eth0    carries the IPv4 and IPv6 default route
    eth1    carries an SSH connection
    eth2    carries bond0, which carries an SSH connection
    """
    routes, failures = read_routes(host)
    connections, unread = read_connections(host)
    failures += unread
    carriers = {name: (f"the {versions} default route", "has a default route") for name, versions in _defaults(routes)}
    texts, failed = read_tables(host, "if_inet6") if connections else ([], [])
    failures += failed
    addresses = [pair for text in texts for pair in parse_addresses(text)]
    by_version = {version: [one for one in routes if one.version == version] for version in ("IPv4", "IPv6")}
    problems = [Problem(severity="warning", rule="host-unreadable", message=failure) for failure in failures]
    for connection in sorted(connections, key=lambda one: one.what):
        what = connection.what
        names = _interfaces(connection, by_version, addresses)
        if not names:
            message = f"cannot tell which interface carries {what}: no route leads to its addresses"
            problems.append(Problem(severity="warning", rule="carrier-unknown", message=message))
        for name in sorted(names):
            carriers.setdefault(name, (what, f"carries {what}"))
    reasons = {name: f"carries {what}" for name, (what, _) in carriers.items()}
    for name, (_, what) in carriers.items():
        for upper, lower in _below(host, name):
            reasons.setdefault(lower, f"carries {upper}, which {what}")
    return reasons, tuple(dict.fromkeys(problems))


def _defaults(routes: Iterable[Route]) -> Iterator[tuple[str, str]]:
    versions: dict[str, dict[str, None]] = {}
    for route in routes:
        if route.is_default:
            versions.setdefault(route.interface, {})[route.version] = None
    return ((name, " and ".join(said)) for name, said in versions.items())


def _interfaces(
    connection: Connection, routes: Mapping[str, Sequence[Route]], addresses: Sequence[tuple[str, str]]
) -> set[str]:
    """Return the interfaces that have the local address of a connection, and those by which its answers go out.

    No file says which interface has an address of IPv4: it is in the network of one. A link-local address of IPv6 is
    next to every interface.
    """
    local, remote = v4_of(connection.local), v4_of(connection.remote)
    if local is not None and remote is not None:
        return connected(int(local, 16), routes["IPv4"]) | toward(int(remote, 16), routes["IPv4"])
    swapped = is_swapped(connection.local, {address for address, _ in addresses})
    local, remote = (v6_of(address, swapped=swapped) for address in (connection.local, connection.remote))
    holders = {name for address, name in addresses if address == local}
    if is_link_local(remote):
        return holders
    return holders | toward(int(remote, 16), routes["IPv6"])


def _below(host: Host, top: str) -> Iterator[tuple[str, str]]:
    """Yield what an interface is built on, all the way down: members of a bond, ports of a bridge, a VLAN's parent.

    /sys/class/net/bond0/lower_eno1 -> ../../../pci0000:17/0000:18:00.0/net/eno1
    """
    seen = {top}
    pending = [top]
    while pending:
        upper = pending.pop()
        try:
            entries = host.listdir(f"/sys/class/net/{upper}")
        except HostError:  # the interface has gone, or is of another namespace
            continue
        for entry in entries:
            lower = entry.removeprefix("lower_")
            if lower != entry and lower not in seen:
                seen.add(lower)
                pending.append(lower)
                yield upper, lower
