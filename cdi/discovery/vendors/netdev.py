"""Network interfaces that can be moved into a container (CDI 1.1.0, `netDevices`)."""

from __future__ import annotations

__all__ = ["FAMILY"]

from typing import TYPE_CHECKING

from cdi.discovery.found import Family, Found, Report, Skipped, present
from cdi.discovery.movable import Judgement, judge, peer_of, read_surroundings
from cdi.discovery.nic import Nic, read_nics
from cdi.model import ContainerEdits, NetDevice

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cdi.discovery.net import Interface
    from cdi.host import Host

_NAME = "netdev"
_KIND = "host.local/netdev"


def _discover(host: Host, wanted: frozenset[str]) -> Iterator[Report]:
    around = host.once(read_surroundings)
    for name, why in around.unreadable.items():
        yield Skipped(family=_NAME, what=name, why=why)
    yield from around.problems
    cards = {interface.name: nic for nic in host.once(read_nics) for interface in nic.interfaces}
    for interface in around.by_name.values():
        judgement = judge(interface, around)
        peer = peer_of(interface, around)
        if judgement.fact is not None:
            yield Skipped(family=_NAME, what=interface.name, why=judgement.fact)
        elif judgement.caution is not None and interface.name not in wanted:
            hint = f"--include {interface.name} offers it all the same"
            yield Skipped(family=_NAME, what=interface.name, why=judgement.caution, hint=hint)
        else:
            other_end = peer.name if judgement.type == "veth" and peer is not None else None
            yield _found(interface, judgement, cards.get(interface.name), other_end)


def _found(interface: Interface, judgement: Judgement, nic: Nic | None, other_end: str | None) -> Found:
    function = interface.function
    caution = judgement.caution
    parts = [f"/sys/class/net/{interface.name}: {judgement.type}"]
    parts += [f"PCI function {function.bdf}"] if function is not None else []
    parts += [f"of {function.parent}"] if function is not None and function.parent is not None else []
    parts += [f"driver {interface.driver}"] if interface.driver else []
    parts += [f"its other end is {other_end}"] if other_end is not None else []
    parts += ["asked for by name"] if caution is not None else []
    known = nic.attributes if nic is not None else {}
    net = NetDevice(host_interface_name=interface.name, name=interface.name)
    names = {sort: name for sort, name in nic.names.items() if sort != "interface"} if nic is not None else {}
    names |= interface.by_udev.names
    return Found(
        family=_NAME,
        kind=_KIND,
        name=interface.name,
        names=names,
        edits=ContainerEdits(net_devices=(net,)),
        how=", ".join(parts),
        attributes=present({"interface": interface.name, "type": judgement.type, **known, **interface.attributes}),
        warnings=(*([caution] if caution is not None else []), *interface.unread),
        in_all=caution is None,
    )


FAMILY = Family(
    name=_NAME,
    kind=_KIND,
    summary="network interfaces that can be moved into a container",
    discover=_discover,
)
