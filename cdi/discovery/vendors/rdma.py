"""RDMA devices: InfiniBand, RoCE, iWARP, EFA; the nodes of verbs and management, beside an interface or without."""

from __future__ import annotations

__all__ = ["FAMILY"]

from typing import TYPE_CHECKING

from cdi.discovery.found import Family, Found, Report, Shared, Skipped, present
from cdi.discovery.nic import Nic, read_nics
from cdi.discovery.node import NodeFault, edits_of
from cdi.discovery.rdma import RdmaDevice, find_rdma_cm, read_rdma
from cdi.host import HostError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cdi.host import Host

_NAME = "rdma"
_KIND = "host.local/rdma"


def _discover(host: Host, _: frozenset[str]) -> Iterator[Report]:
    devices = host.once(read_rdma)
    if not devices:
        yield Skipped(family=_NAME, what=_NAME, why="there is nothing in /sys/class/infiniband", absent=True)
        return
    owners = {device.name: nic for nic in host.once(read_nics) for device in nic.rdma}
    for device in devices:
        if device.has_verbs:
            yield _found(device, owners.get(device.name))
        else:
            why = device.faults[0] if device.faults else "it has no uverbs node"
            yield Skipped(family=_NAME, what=device.name, why=why, hint="modprobe ib_uverbs makes it", broken=True)
    try:
        cm = find_rdma_cm(host)
    except (NodeFault, HostError) as fault:
        why, hint = f"{fault}; programs that use librdmacm need it", "modprobe rdma_ucm makes it"
        yield Skipped(family=_NAME, what="rdma_cm", why=why, hint=hint)
    else:
        edits = edits_of([cm], permissions="rw", groups=True)
        yield Shared(
            family=_NAME, kind=_KIND, edits=edits, how=f"{cm.path}: the connection manager of all RDMA devices"
        )


def _found(device: RdmaDevice, nic: Nic | None) -> Found:
    names = {sort: name for sort, name in nic.names.items() if sort != "rdma"} if nic is not None else {}
    where = f"PCI function {device.bdf}" if device.bdf is not None else "no PCI function"
    over = f" over {', '.join(device.interfaces)}" if device.interfaces else ""
    known = nic.attributes if nic is not None else {"pciAddress": device.bdf}
    return Found(
        family=_NAME,
        kind=_KIND,
        name=device.name,
        names=names,
        also=("bdf",),
        edits=edits_of(device.nodes, permissions="rw", groups=True),
        how=f"/sys/class/infiniband/{device.name}: {where}{over}: {', '.join(node.path for node in device.nodes)}",
        attributes=present({**known, **device.attributes}),
        warnings=(*device.faults, *device.unread),
    )


FAMILY = Family(
    name=_NAME,
    kind=_KIND,
    summary="RDMA devices: InfiniBand, RoCE, iWARP, EFA",
    discover=_discover,
)
