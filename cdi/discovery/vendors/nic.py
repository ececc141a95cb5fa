"""Network cards: a function's interface, its RDMA, VFIO, UIO or vDPA nodes and its address, under one name."""

from __future__ import annotations

__all__ = ["FAMILY"]

from typing import TYPE_CHECKING

from cdi.discovery.card import offer
from cdi.discovery.found import Family, Report, Skipped
from cdi.discovery.movable import read_surroundings
from cdi.discovery.nic import read_nics
from cdi.discovery.rdma import EXCLUSIVE, is_exclusive

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cdi.host import Host

_NAME = "nic"
_KIND = "host.local/nic"


def _discover(host: Host, wanted: frozenset[str]) -> Iterator[Report]:
    around = host.once(read_surroundings)
    yield from around.problems
    nics = host.once(read_nics)
    for nic in nics:
        yield offer(host, nic, around, family=_NAME, kind=_KIND, wanted=wanted)
    if any(nic.rdma for nic in nics) and is_exclusive(host):
        yield EXCLUSIVE
    if not nics:
        yield Skipped(family=_NAME, what=_NAME, why="there is no network card on the PCI bus", absent=True)


FAMILY = Family(
    name=_NAME,
    kind=_KIND,
    summary="functions of network cards with all that they have: interface, RDMA, VFIO, UIO and vDPA nodes",
    discover=_discover,
)
