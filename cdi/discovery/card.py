"""What a network card's function gives to a container: all that it has as what it is bound to, under one name."""

from __future__ import annotations

__all__ = ["Addition", "offer"]

import json
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import field

from cdi.discovery.found import Found, Skipped, present
from cdi.discovery.movable import Judgement, Surroundings, judge
from cdi.discovery.nic import AWAY
from cdi.discovery.node import Node, NodeFault, edits_of, find_node
from cdi.discovery.rdma import find_rdma_cm
from cdi.discovery.sysfs import Kobject
from cdi.discovery.vfio import UNPROTECTED, Vfio, is_vfio, read_vfio
from cdi.edits import append
from cdi.host import HostError
from cdi.model import ContainerEdits, NetDevice

if TYPE_CHECKING:
    from cdi.discovery.net import Interface
    from cdi.discovery.nic import Nic
    from cdi.discovery.rdma import RdmaDevice
    from cdi.host import Host


class Addition(msgspec.Struct, frozen=True, kw_only=True):
    """What a device brings besides: nodes, entries of its information, and what is missing."""

    nodes: tuple[Node, ...] = ()
    info: dict[str, dict[str, str]] = field(default_factory=dict[str, "dict[str, str]"])
    warnings: tuple[str, ...] = ()


class _Parts:
    """What a function has, as it is collected; `info` is in the form of the SR-IOV network device plugin."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.interfaces: list[Interface] = []
        self.info: dict[str, dict[str, Any]] = {}
        self.said: list[str] = []
        self.warnings: list[str] = []
        self.vfio: Vfio | None = None


def offer(  # noqa: PLR0913 - one argument a fact, all by keyword
    host: Host,
    nic: Nic,
    around: Surroundings,
    *,
    family: str,
    kind: str,
    wanted: frozenset[str],
    besides: Addition | None = None,
) -> Found | Skipped:
    """Return the device that brings a function into a container, or why there is none.

    `wanted` are the names that the user asks for in spite of a caution. The environment is that of the SR-IOV
    network device plugin: PCIDEVICE_HOST_LOCAL_NIC=0000:3b:00.2, and with _INFO what belongs to it as JSON
    (pkg/resources/server.go and pkg/infoprovider in its sources).
    """
    skipped = partial(Skipped, family=family, what=nic.name)
    judged = [(interface, judge(interface, around)) for interface in nic.interfaces]
    movable = [(interface, judgement) for interface, judgement in judged if judgement.fact is None]
    asked = bool(wanted & {nic.name, *nic.names.values(), *(interface.name for interface in nic.interfaces)})
    cautions = _cautions(nic, movable)
    if cautions and not asked:
        return skipped(why=cautions[0], hint=f"--include {nic.name} offers it all the same")
    if nic.away:
        return skipped(why=AWAY, lent=(nic.name, *nic.names.values()))
    parts = _Parts()
    try:
        _add_pass_through(host, nic, parts)
    except (NodeFault, HostError) as fault:
        return skipped(why=str(fault), hint="modprobe vfio-pci makes the nodes", broken=True)
    in_use = parts.vfio.caution if parts.vfio is not None else None
    if in_use is not None and not asked:
        way_out = f"--include {nic.name} offers it all the same"
        return skipped(why=in_use, hint=way_out, lent=(nic.name, *nic.names.values()))
    cautions += [in_use] if in_use is not None else []
    _add_interfaces(movable, parts)
    for device in nic.rdma:
        _add_rdma(host, device, parts)
    for vdpa in nic.vdpa:
        if vdpa.node is not None:
            parts.nodes.append(vdpa.node)
            parts.info["vdpa"] = {"mount": vdpa.node.path}
            parts.said.append(f"vDPA device {vdpa.name}")
        parts.warnings += [f"{vdpa.name}: {vdpa.fault}"] if vdpa.fault is not None else []
    if not parts.said:
        why, hint = _nothing(nic, judged)
        return skipped(why=why, hint=hint)
    if besides is not None:
        parts.nodes += besides.nodes
        parts.info |= besides.info
        parts.warnings += besides.warnings
    return _found(nic, parts, cautions, family=family, kind=kind)


def _cautions(nic: Nic, movable: list[tuple[Interface, Judgement]]) -> list[str]:
    """Return why a function should stay: because of its interfaces, or, where it has none, because of itself."""
    found = [judgement.caution for _, judgement in movable if judgement.caution is not None]
    own = nic.function.caution if nic.subfunction is None and not nic.interfaces else None
    return [*found, own] if own is not None else found


def _add_pass_through(host: Host, nic: Nic, parts: _Parts) -> None:
    """Add what a program that drives the function itself opens: by VFIO, or by UIO."""
    if nic.subfunction is not None:
        return
    function = nic.function
    if is_vfio(function.driver):
        parts.vfio = vfio = read_vfio(host, function)
        parts.nodes += [*vfio.own, *vfio.shared]
        parts.said.append(f"IOMMU group {vfio.group}")
        parts.warnings += vfio.warnings
        parts.info["vfio"] = {"dev-mount": vfio.own[0].path, "mount": vfio.shared[0].path}
    uio = Kobject(host, function.path).below("uio")
    for name in sorted(uio.names) if uio is not None else ():
        parts.nodes.append(find_node(host, sysfs=f"{function.path}/uio/{name}", path=f"/dev/{name}"))
        parts.said.append(name)
        parts.info["uio"] = {"mount": f"/dev/{name}"}
        parts.warnings.append(UNPROTECTED)


def _add_interfaces(movable: list[tuple[Interface, Judgement]], parts: _Parts) -> None:
    for interface, judgement in movable:
        parts.interfaces.append(interface)
        parts.said.append(f"{judgement.type} {interface.name}")
        parts.warnings += interface.unread


def _add_rdma(host: Host, device: RdmaDevice, parts: _Parts) -> None:
    parts.warnings += (*device.faults, *device.unread)
    if not device.has_verbs:
        return
    parts.nodes += device.nodes
    parts.said.append(f"RDMA device {device.name}")
    info = parts.info.setdefault("rdma", {"rdma_dev": device.name})
    for node in device.nodes:
        leaf = node.path.rpartition("/")[2]
        info.setdefault(leaf.rstrip("0123456789"), node.path)
    if not device.has_connections:
        return
    try:
        cm = find_rdma_cm(host)
    except (NodeFault, HostError) as fault:
        parts.warnings.append(f"{fault}; modprobe rdma_ucm makes it")
    else:
        parts.nodes.append(cm)
        info["rdma_cm"] = cm.path


def _nothing(nic: Nic, judged: list[tuple[Interface, Judgement]]) -> tuple[str, str | None]:
    """Return why a function has nothing to offer, and the way out."""
    fact = next((judgement.fact for _, judgement in judged if judgement.fact is not None), None)
    if fact is not None:
        return fact, None
    if nic.function.driver is None:
        return "no driver is bound to it", f"echo {nic.function.bdf} > /sys/bus/pci/drivers_probe"
    for device in nic.vdpa:
        if device.driver is None:
            return f"its vDPA device {device.name} has no driver", device.way_out
    if not nic.function.is_network:
        return f"its driver {nic.function.driver} makes no nodes of VFIO or UIO", "bind it to vfio-pci"
    return f"its driver {nic.function.driver} has made no interface", None


def _found(nic: Nic, parts: _Parts, cautions: list[str], *, family: str, kind: str) -> Found:
    function = nic.function
    variable = f"PCIDEVICE_{kind.upper().replace('.', '_').replace('/', '_')}"
    info = json.dumps({nic.name: {"generic": {"deviceID": nic.name}, **parts.info}}, sort_keys=True)
    own = ContainerEdits(
        env=(f"{variable}={nic.name}", f"{variable}_INFO={info}"),
        net_devices=tuple(NetDevice(host_interface_name=one.name, name=one.name) for one in parts.interfaces),
    )
    what = f"subfunction {nic.subfunction}" if nic.subfunction is not None else f"PCI function {function.bdf}"
    parent = function.bdf if nic.subfunction is not None else function.parent
    whose = f" of {parent}" if parent is not None else ""
    interface = parts.interfaces[0] if len(parts.interfaces) == 1 else None
    usable = [device for device in nic.rdma if device.has_verbs]
    device = usable[0] if len(usable) == 1 else None
    facts = {
        **nic.attributes,
        "usedBy": parts.vfio.use if parts.vfio is not None else None,
        **({"interface": interface.name, **interface.attributes} if interface is not None else {}),
        **({f"rdma{sort[0].upper()}{sort[1:]}": fact for sort, fact in device.attributes.items()} if device else {}),
    }
    return Found(
        family=family,
        kind=kind,
        name=nic.name,
        names=nic.names,
        also=("vf", "sf"),
        edits=append(own, edits_of(parts.nodes, permissions="rw", groups=True)),
        env_lists={variable: nic.name, f"{variable}_INFO": info},
        how=f"{what}{whose}, driver {function.driver}: {', '.join(parts.said)}",
        attributes=present(facts),
        warnings=tuple(dict.fromkeys((*cautions, *parts.warnings))),
        in_all=not cautions and UNPROTECTED not in parts.warnings,
    )
