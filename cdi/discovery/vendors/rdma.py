"""RDMA devices: InfiniBand, RoCE, iWARP, EFA; the nodes of verbs and management, beside an interface or without."""

from __future__ import annotations

__all__ = ["FAMILY"]

from typing import TYPE_CHECKING

from cdi.discovery.found import Family, Found, Report, Shared, Skipped, present
from cdi.discovery.nic import AWAY, Nic, read_nics
from cdi.discovery.node import NodeFault, edits_of
from cdi.discovery.rdma import EXCLUSIVE, RdmaDevice, find_rdma_cm, is_exclusive, read_rdma
from cdi.host import HostError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cdi.host import Host

_NAME = "rdma"
_KIND = "host.local/rdma"
_NO_VERBS = "modprobe ib_uverbs makes it"


def _discover(host: Host, wanted: frozenset[str]) -> Iterator[Report]:
    devices = host.once(read_rdma)
    if not devices:
        yield Skipped(family=_NAME, what=_NAME, why="there is nothing in /sys/class/infiniband", absent=True)
        return
    owners = {device.name: nic for nic in host.once(read_nics) for device in nic.rdma}
    for device in devices:
        yield _reported(device, owners.get(device.name), wanted) if device.has_verbs else _without_verbs(device)
    if is_exclusive(host):
        yield EXCLUSIVE
    if any(device.has_connections for device in devices):
        yield _connections(host)


def _without_verbs(device: RdmaDevice) -> Skipped:
    if device.nodes:  # the planes of an XDR port, smi1 beside mlx5_0
        nodes = ", ".join(node.path.rpartition("/")[2] for node in device.nodes)
        return Skipped(family=_NAME, what=device.name, why=f"it has no verbs, only what manages the fabric: {nodes}")
    why, hint = ("; ".join(device.faults), None) if device.faults else ("it has no uverbs node", _NO_VERBS)
    return Skipped(family=_NAME, what=device.name, why=why, hint=hint, broken=True)


def _connections(host: Host) -> Report:
    try:
        cm = find_rdma_cm(host)
    except (NodeFault, HostError) as fault:
        why, hint = f"{fault}; programs that use librdmacm need it", "modprobe rdma_ucm makes it"
        return Skipped(family=_NAME, what="rdma_cm", why=why, hint=hint)
    edits = edits_of([cm], permissions="rw", groups=True)
    return Shared(family=_NAME, kind=_KIND, edits=edits, how=f"{cm.path}: the connection manager of all RDMA devices")


def _reported(device: RdmaDevice, nic: Nic | None, wanted: frozenset[str]) -> Found | Skipped:
    names = {sort: name for sort, name in nic.names.items() if sort != "rdma"} if nic is not None else {}
    is_away = nic is not None and nic.away
    if is_away and wanted.isdisjoint({device.name, *names.values()}):
        lent, hint = (device.name, *names.values()), f"--include {device.name} offers it all the same"
        return Skipped(family=_NAME, what=device.name, why=AWAY, hint=hint, lent=lent)
    where = f"PCI function {device.bdf}" if device.bdf is not None else "in software"
    # InfiniBand does not say which interface has its addresses: it is that of the function.
    beside = [interface.name for interface in nic.interfaces] if nic is not None else []
    interfaces = ", ".join(device.interfaces or beside)
    over = f" over {interfaces}" if interfaces else ""
    known = nic.attributes if nic is not None else {"pciAddress": device.bdf}
    return Found(
        family=_NAME,
        kind=_KIND,
        name=device.name,
        names=names,
        also=("bdf",),
        edits=edits_of(device.nodes, permissions="rw", groups=True),
        how=f"/sys/class/infiniband/{device.name}: {where}{over}: {', '.join(node.path for node in device.nodes)}",
        attributes=present({**known, "interface": interfaces or None, **device.attributes}),
        warnings=(*([AWAY] if is_away else []), *device.faults, *device.unread),
        in_all=not is_away,
    )


FAMILY = Family(
    name=_NAME,
    kind=_KIND,
    summary="RDMA devices: InfiniBand, RoCE, iWARP, EFA",
    discover=_discover,
)
