"""Network interfaces that can be moved into a container (CDI 1.1.0, `netDevices`)."""

from __future__ import annotations

__all__ = ["FAMILY"]

import re
from typing import TYPE_CHECKING

import msgspec

from cdi.discovery.found import Family, Found, Report, Skipped, present
from cdi.discovery.net import Interface, read_default_routes, read_interface
from cdi.host import Host, HostError
from cdi.model import ContainerEdits, NetDevice
from cdi.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    Rule = Callable[[Interface, "_Surroundings"], "str | None"]

_NAME = "netdev"
_KIND = "host.local/netdev"
_ETHERNET, _LOOPBACK = 1, 772  # linux/if_arp.h
_NOARP, _MULTICAST = 0x80, 0x1000  # linux/if.h
# DEVTYPE of what the kernel never lets leave its network namespace (netns_immutable in its sources).
_IMMOVABLE = {
    "bond": "a bond",
    "bridge": "a bridge",
    "dsa": "a port of a switch chip",
    "openvswitch": "a port of Open vSwitch",
    "ppp": "a point-to-point link",
    "vrf": "a routing domain",
}
_TAPS = frozenset({"macvtap", "ipvtap"})
# DEVTYPE of virtual interfaces that are made to be given away; others are for who knows what they are.
_OFFERED = {"dummy": "dummy", "ipvlan": "ipvlan", "macvlan": "macvlan", "vlan": "VLAN"}
# The host's end of a virtual function behind a switch: phys_port_name is pf0vf3, c1pf0vf3 or pf0sf88.
_REPRESENTOR = re.compile(r"(?:c\d+)?pf\d+(?P<what>vf|sf)(?P<number>\d+)")


class _Surroundings(msgspec.Struct, frozen=True, kw_only=True):
    """What an interface is judged by besides itself."""

    by_name: Mapping[str, Interface]
    by_index: Mapping[int, Interface]
    carriers: Mapping[str, str]  # of default routes, and what they are built on


def _discover(host: Host, wanted: frozenset[str]) -> Iterator[Report]:
    interfaces: list[Interface] = []
    for name in host.listdir("/sys/class/net"):
        try:
            interface = read_interface(host, name)
        except HostError as error:
            yield Skipped(family=_NAME, what=name, why=error.message)
            continue
        if interface is not None:
            interfaces.append(interface)
    routes, failures = read_default_routes(host)
    for failure in failures:
        yield Problem(severity="warning", rule="host-unreadable", message=failure)
    around = _surroundings(interfaces, routes)
    for interface in interfaces:
        yield _judge(interface, around, wanted=interface.name in wanted)


def _surroundings(interfaces: list[Interface], routes: Mapping[str, str]) -> _Surroundings:
    by_name = {interface.name: interface for interface in interfaces}
    carriers = {name: f"carries the {family} default route" for name, family in routes.items()}
    pending = list(carriers)
    while pending:
        upper = pending.pop()
        for lower in by_name[upper].lowers if upper in by_name else ():
            if lower not in carriers:
                carriers[lower] = f"carries {upper}, which has a default route"
                pending.append(lower)
    indexed = {interface.index: interface for interface in interfaces if interface.index is not None}
    return _Surroundings(by_name=by_name, by_index=indexed, carriers=carriers)


def _judge(interface: Interface, around: _Surroundings, *, wanted: bool) -> Found | Skipped:
    fact = next((why for rule in _FACTS if (why := rule(interface, around))), None)
    if fact is not None:
        return Skipped(family=_NAME, what=interface.name, why=fact)
    caution = next((why for rule in _CAUTIONS if (why := rule(interface, around))), None)
    if caution is not None and not wanted:
        return Skipped(
            family=_NAME,
            what=interface.name,
            why=caution,
            hint=f"--include {interface.name} offers it all the same",
        )
    return _found(interface, around, caution)


def _found(interface: Interface, around: _Surroundings, caution: str | None) -> Found:
    kind = _type(interface, around) or "virtual interface"
    function = interface.function
    peer = _peer(interface, around)
    parts = [f"/sys/class/net/{interface.name}: {kind}"]
    parts += [f"PCI function {function.bdf}"] if function is not None else []
    parts += [f"of {function.parent}"] if function is not None and function.parent is not None else []
    parts += [f"driver {interface.driver}"] if interface.driver else []
    parts += [f"its other end is {peer.name}"] if kind == "veth" and peer is not None else []
    parts += ["asked for by name"] if caution is not None else []
    attributes = {
        "interface": interface.name,
        "type": kind,
        "driver": interface.driver or (function.driver if function is not None else None),
        "pciAddress": function.bdf if function is not None else None,
        "parentPciAddress": function.parent if function is not None else None,
        "virtualFunctions": function.functions or None if function is not None else None,
        "numaNode": function.numa_node if function is not None else None,
        "state": interface.state,
        "speedMbps": interface.speed,
        "mtu": interface.mtu,
        "mac": interface.mac,
    }
    net = NetDevice(host_interface_name=interface.name, name=interface.name)
    return Found(
        family=_NAME,
        kind=_KIND,
        name=interface.name,
        names={"bdf": function.bdf} if function is not None else {},
        edits=ContainerEdits(net_devices=(net,)),
        how=", ".join(parts),
        attributes=present(attributes),
        warnings=(*([caution] if caution is not None else []), *interface.unread),
        in_all=caution is None,
    )


def _type(interface: Interface, around: _Surroundings) -> str | None:
    """Return what an interface is, in words; None for a virtual one that is not known as giveable."""
    if not interface.virtual:
        is_virtual_function = interface.function is not None and interface.function.parent is not None
        return "virtual function" if is_virtual_function else "network card"
    if interface.devtype in _OFFERED:
        return _OFFERED[interface.devtype]
    if _peer(interface, around) is not None:
        return "veth"
    # Neither dummy nor ifb says what it is: no ARP and no multicast tell both, the name of the second is its own.
    is_mute = interface.flags & (_NOARP | _MULTICAST) == _NOARP and interface.link == interface.index
    is_plain = interface.hardware == _ETHERNET and interface.devtype is None
    return "dummy" if is_mute and is_plain and not interface.name.startswith("ifb") else None


def _peer(interface: Interface, around: _Surroundings) -> Interface | None:
    """Return the other end of a veth pair, if that is on this host too: each `iflink` is the other's `ifindex`."""
    if not interface.virtual or interface.link is None or interface.link == interface.index:
        return None
    peer = around.by_index.get(interface.link)
    return peer if peer is not None and peer.link == interface.index else None


# Facts: such an interface cannot be moved, or not as a network device.


def _loopback(interface: Interface, _: _Surroundings) -> str | None:
    return "the loopback interface, each container has its own" if interface.hardware == _LOOPBACK else None


def _immovable(interface: Interface, _: _Surroundings) -> str | None:
    if "phy80211" in interface.marks or interface.devtype == "wlan":
        return "wireless: the kernel moves it only together with its radio"
    devtype = "bridge" if "bridge" in interface.marks else "bond" if "bonding" in interface.marks else interface.devtype
    what = _IMMOVABLE.get(devtype or "")
    return f"{what}, which the kernel keeps in its network namespace" if what else None


def _combined(interface: Interface, _: _Surroundings) -> str | None:
    """A team names its ports as its lower interfaces, and itself as nothing."""
    if interface.virtual and interface.lowers and interface.devtype is None and interface.link == interface.index:
        return f"combines {', '.join(interface.lowers)}, which the kernel keeps in its network namespace"
    return None


def _nameless(interface: Interface, _: _Surroundings) -> str | None:
    if any("\ud800" <= char <= "\udfff" for char in interface.name):
        return "its name is not UTF-8, so that no spec can hold it"
    return None


# Cautions: taking such an interface from the host breaks something, unless the user knows better.


def _carrier(interface: Interface, around: _Surroundings) -> str | None:
    return around.carriers.get(interface.name)


def _member(interface: Interface, _: _Surroundings) -> str | None:
    return f"member of {interface.master}" if interface.master is not None else None


def _foundation(interface: Interface, _: _Surroundings) -> str | None:
    return f"{', '.join(interface.uppers)} built on it" if interface.uppers else None


def _representor(interface: Interface, _: _Surroundings) -> str | None:
    match = _REPRESENTOR.fullmatch(interface.port_name or "")
    if match is None:
        return None
    what = "virtual function" if match["what"] == "vf" else "subfunction"
    return f"the switch port of {what} {match['number']}, not the function itself"


def _tap(interface: Interface, _: _Surroundings) -> str | None:
    if "tun_flags" in interface.marks:
        return "belongs to the program that made it with /dev/net/tun"
    if interface.devtype in _TAPS:
        return f"{interface.devtype}: serves a virtual machine through /dev/tap{interface.index}"
    return None


def _far_end(interface: Interface, around: _Surroundings) -> str | None:
    """Where `iflink` is another's index but that one does not point back, the peer is elsewhere."""
    stacked = interface.devtype is not None and interface.devtype != "veth"
    is_pair = interface.virtual and not stacked and interface.link not in {None, 0, interface.index}
    if is_pair and _peer(interface, around) is None:
        return "veth whose other end is in another network namespace already"
    return None


def _unknown(interface: Interface, around: _Surroundings) -> str | None:
    if _type(interface, around) is not None:
        return None
    return (
        f"virtual interface of type {interface.devtype}" if interface.devtype else "virtual interface of unknown type"
    )


_FACTS: tuple[Rule, ...] = (_loopback, _immovable, _combined, _nameless)
_CAUTIONS: tuple[Rule, ...] = (_carrier, _member, _foundation, _representor, _tap, _far_end, _unknown)

FAMILY = Family(
    name=_NAME,
    kind=_KIND,
    summary="network interfaces that can be moved into a container",
    discover=_discover,
)
