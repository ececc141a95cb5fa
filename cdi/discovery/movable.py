"""Which network interfaces can be moved into a container, and which the host needs itself."""

from __future__ import annotations

__all__ = ["NOWHERE", "Judgement", "Surroundings", "judge", "peer_of", "read_surroundings", "representors"]

import re
from typing import TYPE_CHECKING

import msgspec

from cdi.discovery.carriers import read_carriers
from cdi.discovery.net import Interface, read_interface
from cdi.discovery.rdma import read_rdma
from cdi.host import Host, HostError
from cdi.problem import Problem  # noqa: TC001 - part of a struct

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    Rule = Callable[[Interface, "Surroundings"], "str | None"]

_ETHERNET, _LOOPBACK = 1, 772  # linux/if_arp.h
_NOARP, _MASTER, _MULTICAST = 0x80, 0x400, 0x1000  # linux/if.h
# DEVTYPE of what the kernel never lets leave its network namespace (netns_immutable in its sources).
_IMMOVABLE = {
    "bond": "a bond",
    "bridge": "a bridge",
    "dsa": "a port of a switch chip",
    "openvswitch": "a port of Open vSwitch",
    "ppp": "a point-to-point link",
    "vrf": "a routing domain",
}
_STANDBY = "sby"  # phys_port_name of a virtio interface that stands in for a virtual function
_TAPS = frozenset({"macvtap", "ipvtap"})
# DEVTYPE of virtual interfaces that are made to be given away; others are for who knows what they are.
_OFFERED = {"dummy": "dummy", "ipvlan": "ipvlan", "macvlan": "macvlan", "vlan": "VLAN"}
# The host's end of a function behind a switch: phys_port_name is pf0vf3, c1pf0vf3 or pf0sf88, and on a DPU pf0 too
# (net/devlink/port.c in the kernel's sources).
_REPRESENTOR = re.compile(r"(?:c\d+)?pf(?P<pf>\d+)(?:(?P<what>vf|sf)(?P<number>\d+))?")
_FUNCTIONS = {"vf": "virtual function", "sf": "subfunction", None: "physical function"}


class Surroundings(msgspec.Struct, frozen=True, kw_only=True):
    """The interfaces of a host, and what each is judged by besides itself.

    `unreadable` are interfaces with the reason, `problems` what else could not be told.
    """

    by_name: Mapping[str, Interface]
    by_index: Mapping[int, Interface]
    partitions: Mapping[str, tuple[str, ...]]  # those of InfiniBand, by what they are of
    carriers: Mapping[str, str]  # those that the host itself needs, and why
    emulated: Mapping[str, str]  # those that RDMA devices in software work over, and which
    unreadable: Mapping[str, str]
    problems: tuple[Problem, ...]


NOWHERE = Surroundings(by_name={}, by_index={}, partitions={}, carriers={}, emulated={}, unreadable={}, problems=())


class Judgement(msgspec.Struct, frozen=True, kw_only=True):
    """What is said of an interface: what it is, the fact that forbids moving it, what speaks against that."""

    type: str
    fact: str | None = None
    caution: str | None = None


def read_surroundings(host: Host) -> Surroundings:
    """Return the interfaces of a host, by /sys/class/net, and which of them it needs itself."""
    interfaces: list[Interface] = []
    unreadable: dict[str, str] = {}
    for name in host.listdir("/sys/class/net"):
        try:
            interface = read_interface(host, name)
        except HostError as error:
            unreadable[name] = error.message
            continue
        if interface is not None:
            interfaces.append(interface)
    carriers, problems = read_carriers(host)
    return Surroundings(
        by_name={interface.name: interface for interface in interfaces},
        by_index={interface.index: interface for interface in interfaces if interface.index is not None},
        partitions=_partitions(interfaces),
        carriers=carriers,
        emulated=_emulated(host),
        unreadable=unreadable,
        problems=problems,
    )


def _partitions(interfaces: Iterable[Interface]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for one in interfaces:
        if one.partition_of is not None:
            found[one.partition_of] = (*found.get(one.partition_of, ()), one.name)
    return found


def _emulated(host: Host) -> dict[str, str]:
    try:
        devices = host.once(read_rdma)
    except HostError:  # the family of RDMA devices says so
        return {}
    return {name: device.name for device in devices if device.is_emulated for name in device.interfaces}


def judge(interface: Interface, around: Surroundings) -> Judgement:
    """Return what an interface is, and why it should stay where it is."""
    return Judgement(
        type=_type(interface, around) or "virtual interface",
        fact=next((why for rule in _FACTS if (why := rule(interface, around))), None),
        caution=next((why for rule in _CAUTIONS if (why := rule(interface, around))), None),
    )


def representors(around: Surroundings) -> dict[tuple[bool, str, int | None], str]:
    """Return the host's ends of functions behind a switch: whether it is a subfunction, physical function, number.

    Its `device` is the physical function, and phys_port_name says which function it is the end of: pf0vf3, pf0sf88.
    """
    found: dict[tuple[bool, str, int | None], str] = {}
    for interface in around.by_name.values():
        match = _REPRESENTOR.fullmatch(interface.port_name or "")
        if match is not None and match["what"] and interface.function is not None:
            found[match["what"] == "sf", interface.function.bdf, int(match["number"])] = interface.name
    return found


def _type(interface: Interface, around: Surroundings) -> str | None:
    """Return what an interface is, in words; None for a virtual one that is not known as giveable."""
    if not interface.virtual:
        return _hardware(interface)
    if interface.devtype in _OFFERED:
        return _OFFERED[interface.devtype]
    if interface.partition_of is not None:
        return "InfiniBand partition"
    if (below := _lower_of(interface, around)) is not None:
        return "ipvlan" if interface.mac == below.mac else "macvlan"
    if peer_of(interface, around) is not None:
        return "veth"
    # Neither dummy nor ifb says what it is: no ARP and no multicast tell both, the name of the second is its own.
    is_mute = interface.flags & (_NOARP | _MULTICAST) == _NOARP and interface.link == interface.index
    is_plain = interface.hardware == _ETHERNET and interface.devtype is None
    return "dummy" if is_mute and is_plain and not interface.name.startswith("ifb") else None


def _hardware(interface: Interface) -> str:
    if interface.subfunction is not None:
        return "subfunction"
    is_virtual_function = interface.function is not None and interface.function.parent is not None
    return "virtual function" if is_virtual_function else "network card"


def _lower_of(interface: Interface, around: Surroundings) -> Interface | None:
    """Return what a macvlan or ipvlan is built on, which is all that it says of itself (Linux 6.12).

    /sys/class/net/mac0/lower_eth0 -> ../eth0, and iflink is eth0's ifindex; an ipvlan has eth0's address too.
    """
    if interface.devtype is not None or not interface.virtual or interface.link == interface.index:
        return None
    lowers = (around.by_name.get(name) for name in interface.lowers)
    return next((lower for lower in lowers if lower is not None and lower.index == interface.link), None)


def peer_of(interface: Interface, around: Surroundings) -> Interface | None:
    """Return the other end of a veth pair, if that is on this host too: each `iflink` is the other's `ifindex`."""
    if not interface.virtual or interface.link is None or interface.link == interface.index:
        return None
    peer = around.by_index.get(interface.link)
    return peer if peer is not None and peer.link == interface.index else None


# Facts: such an interface cannot be moved, or not as a network device.


def _loopback(interface: Interface, _: Surroundings) -> str | None:
    return "the loopback interface, each container has its own" if interface.hardware == _LOOPBACK else None


def _immovable(interface: Interface, _: Surroundings) -> str | None:
    if "phy80211" in interface.marks or interface.devtype == "wlan":
        return "wireless: the kernel moves it only together with its radio"
    devtype = "bridge" if "bridge" in interface.marks else "bond" if "bonding" in interface.marks else interface.devtype
    if devtype is None and interface.virtual and interface.flags & (_NOARP | _MASTER) == _NOARP | _MASTER:
        devtype = "vrf"  # these flags are all that it says of itself (Linux 6.12)
    what = _IMMOVABLE.get(devtype or "")
    return f"{what}, which the kernel keeps in its network namespace" if what else None


def _combined(interface: Interface, around: Surroundings) -> str | None:
    """A team names its ports as its lower interfaces, and itself as nothing.

    Nor does net_failover, an interface of the same virtio device as its standby one (drivers/net/net_failover.c).
    """
    is_team = interface.virtual and interface.devtype is None and interface.link == interface.index
    lowers = [around.by_name[name] for name in interface.lowers if name in around.by_name]
    if interface.lowers and (is_team or any(lower.port_name == _STANDBY for lower in lowers)):
        return f"combines {', '.join(interface.lowers)}, which the kernel keeps in its network namespace"
    return None


def _representor(interface: Interface, _: Surroundings) -> str | None:
    match = _REPRESENTOR.fullmatch(interface.port_name or "")
    if match is None:
        return None
    return f"the switch port of {_FUNCTIONS[match['what']]} {match['number'] or match['pf']}, not the function itself"


def _nameless(interface: Interface, _: Surroundings) -> str | None:
    if any("\ud800" <= char <= "\udfff" for char in interface.name):
        return "its name is not UTF-8, so that no spec can hold it"
    return None


# Cautions: taking such an interface from the host breaks something, unless the user knows better.


def _carrier(interface: Interface, around: Surroundings) -> str | None:
    return around.carriers.get(interface.name)


def _member(interface: Interface, _: Surroundings) -> str | None:
    return f"member of {interface.master}" if interface.master is not None else None


def _foundation(interface: Interface, around: Surroundings) -> str | None:
    """A partition of InfiniBand is not among the upper interfaces; it goes when what it is of goes."""
    uppers = (*interface.uppers, *around.partitions.get(interface.name, ()))
    return f"{', '.join(uppers)} built on it" if uppers else None


def _physical(interface: Interface, _: Surroundings) -> str | None:
    """A physical function is how the host sets up its virtual ones: addresses, VLANs, limits."""
    function = interface.function
    if function is None or not function.functions or interface.subfunction is not None:
        return None
    return f"the host sets up its {function.virtual_functions} through it"


def _rdma(interface: Interface, around: Surroundings) -> str | None:
    """Moving it is the end of such a device (NETDEV_UNREGISTER in drivers/infiniband/sw of the kernel)."""
    device = around.emulated.get(interface.name)
    return f"the RDMA device {device} works over it, and is removed when it is moved" if device is not None else None


def _tap(interface: Interface, _: Surroundings) -> str | None:
    if "tun_flags" in interface.marks:
        return "belongs to the program that made it with /dev/net/tun"
    for tap in _TAPS & interface.marks:
        return f"{tap}: serves a virtual machine through /dev/tap{interface.index}"
    return None


def _far_end(interface: Interface, around: Surroundings) -> str | None:
    """Where `iflink` is another's index but that one does not point back, the peer is elsewhere."""
    stacked = bool(interface.lowers) or interface.devtype not in {None, "veth"} or interface.hardware != _ETHERNET
    is_pair = interface.virtual and not stacked and interface.link not in {None, 0, interface.index}
    if is_pair and peer_of(interface, around) is None:
        return "veth whose other end is in another network namespace already"
    return None


def _unknown(interface: Interface, around: Surroundings) -> str | None:
    if _type(interface, around) is not None:
        return None
    return (
        f"virtual interface of type {interface.devtype}" if interface.devtype else "virtual interface of unknown type"
    )


_FACTS: tuple[Rule, ...] = (_loopback, _immovable, _combined, _representor, _nameless)
_CAUTIONS: tuple[Rule, ...] = (_carrier, _member, _foundation, _physical, _rdma, _tap, _far_end, _unknown)
