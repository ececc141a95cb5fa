"""RDMA devices: which interface and function each belongs to, and the nodes that programs open."""

from __future__ import annotations

__all__ = ["RdmaDevice", "find_rdma_cm", "read_rdma"]

from typing import TYPE_CHECKING

import msgspec

from cdi.discovery.node import Node, NodeFault, find_node
from cdi.discovery.pci import parse_bdf
from cdi.discovery.sysfs import Kobject
from cdi.host import HostError
from cdi.names import natural_key

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cdi.host import Host

_DEVICES = "/sys/class/infiniband"
# Where the nodes of RDMA devices are: verbs, management, and of old kernels connections.
_CLASSES = ("infiniband_verbs", "infiniband_mad", "infiniband_cm")
_ORDER = {"uverbs": 0, "umad": 1, "issm": 1, "ucm": 2}
_CM = "rdma_cm"


class RdmaDevice(msgspec.Struct, frozen=True, kw_only=True):
    """An RDMA device; `home` is the path in /sys/devices of what it is a device of, a PCI function for example.

    `nodes` are its own: uverbs, then umad and issm of each port. `faults` say which are unusable.
    """

    name: str
    path: str
    home: str
    bdf: str | None
    nodes: tuple[Node, ...]
    faults: tuple[str, ...] = ()
    interfaces: tuple[str, ...] = ()
    link_layer: str | None = None
    state: str | None = None
    rate: str | None = None
    firmware: str | None = None
    model: str | None = None
    guid: str | None = None
    ports: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()

    @property
    def has_verbs(self) -> bool:
        """Whether programs can use it: without uverbs they cannot."""
        return any("/uverbs" in node.path for node in self.nodes)

    @property
    def attributes(self) -> dict[str, str | int | bool | None]:
        """What is known of it, of a device with several ports of the first; what is not is None."""
        return {
            "model": self.model,
            "firmware": self.firmware,
            "linkLayer": self.link_layer,
            "portState": self.state,
            "rate": self.rate,
            "ports": len(self.ports) or None,
            "nodeGuid": self.guid,
        }


def read_rdma(host: Host) -> tuple[RdmaDevice, ...]:
    """Return the RDMA devices of a host, by name.

    /sys/class/infiniband/mlx5_0 -> ../../devices/pci0000:16/0000:16:02.0/0000:17:00.0/infiniband/mlx5_0
    /sys/class/infiniband_verbs/uverbs0/ibdev    mlx5_0
    /sys/class/infiniband_mad/umad0/ibdev        mlx5_0
    /sys/class/infiniband_mad/umad0/port         1

    (drivers/infiniband/core/uverbs_main.c and user_mad.c in the kernel's sources)
    """
    try:
        names = host.listdir(_DEVICES)
    except HostError as error:
        if error.missing:
            return ()
        raise
    nodes = _nodes(host)
    devices: list[RdmaDevice] = []
    for name in names:
        try:
            here = Kobject(host, f"{_DEVICES}/{name}")
        except HostError:  # a file, or it was unplugged meanwhile
            continue
        devices.append(_read_device(host, name, here, nodes.get(name) or _nodes_beside(host, here)))
    return tuple(devices)


def find_rdma_cm(host: Host) -> Node:
    """Return the node of the connection manager, which all RDMA devices share; raise `NodeFault`."""
    sysfs = f"/sys/class/misc/{_CM}"
    return find_node(host, sysfs=sysfs if host.exists(sysfs) else None, path=f"/dev/infiniband/{_CM}")


def _nodes(host: Host) -> Mapping[str, list[str]]:
    """Return the kernel objects of the nodes of each RDMA device."""
    found: dict[str, list[str]] = {}
    for class_ in _CLASSES:
        for path in _entries(host, f"/sys/class/{class_}"):
            found.setdefault(_owner(host, path), []).append(path)
    return found


def _nodes_beside(host: Host, here: Kobject) -> list[str]:
    """Return the same where there are no such classes, from beside the device.

    /sys/devices/pci0000:00/0000:00:03.0/0000:04:00.0/infiniband/mlx4_0
    /sys/devices/pci0000:00/0000:00:03.0/0000:04:00.0/infiniband_verbs/uverbs0
    """
    home, name = _home(here.path), here.path.rpartition("/")[2]
    return [path for class_ in _CLASSES for path in _entries(host, f"{home}/{class_}") if _owner(host, path) == name]


def _entries(host: Host, directory: str) -> Iterator[str]:
    try:
        yield from (f"{directory}/{name}" for name in host.listdir(directory) if name != "abi_version")
    except HostError as error:
        if not error.missing:
            raise


def _owner(host: Host, path: str) -> str:
    try:
        return host.read_text(f"{path}/ibdev").strip()
    except HostError:  # unplugged meanwhile
        return ""


def _home(path: str) -> str:
    """Return what an RDMA device is a device of: two levels up, as its class has a directory there."""
    return path.rpartition("/")[0].rpartition("/")[0]


def _read_device(host: Host, name: str, here: Kobject, paths: list[str]) -> RdmaDevice:
    nodes: list[Node] = []
    faults: list[str] = []
    for path in sorted(paths, key=_order):
        leaf = path.rpartition("/")[2]
        try:
            nodes.append(find_node(host, sysfs=path, path=f"/dev/infiniband/{leaf}"))
        except (NodeFault, HostError) as fault:
            faults.append(f"{leaf}: {fault}")
    ports = here.below("ports")
    numbers = tuple(sorted(ports.names, key=natural_key)) if ports is not None else ()
    first = ports.below(numbers[0]) if ports is not None and numbers else None
    return RdmaDevice(
        name=name,
        path=here.path,
        home=_home(here.path),
        bdf=parse_bdf(here.path),
        nodes=tuple(nodes),
        faults=tuple(faults),
        interfaces=tuple(dict.fromkeys(_interfaces(host, here, numbers))),
        link_layer=first.text("link_layer") if first is not None else None,
        state=_word(first.text("state")) if first is not None else None,
        rate=first.text("rate") if first is not None else None,
        firmware=here.text("fw_ver"),
        model=here.text("hca_type"),
        guid=here.text("node_guid"),
        ports=numbers,
        unread=(*here.unread, *(first.unread if first is not None else ())),
    )


def _order(path: str) -> tuple[int, int, bool]:
    """Return a key for uverbs0, umad0, issm0, umad1, issm1, ucm0: the nodes of a port beside each other."""
    leaf = path.rpartition("/")[2]
    word = leaf.rstrip("0123456789")
    return _ORDER.get(word, len(_ORDER)), int(leaf[len(word) :] or 0), word == "issm"


def _interfaces(host: Host, here: Kobject, numbers: tuple[str, ...]) -> Iterator[str]:
    """Yield the network interfaces that an RDMA device works over, by what the kernel says of its first addresses.

    /sys/class/infiniband/mlx5_0/ports/1/gid_attrs/ndevs/0   ens1f0np0
    /sys/class/infiniband/rxe0/parent                        eth0
    """
    parent = here.text("parent")
    if parent:
        yield parent
    for number in numbers:
        try:
            yield host.read_text(f"{here.path}/ports/{number}/gid_attrs/ndevs/0").strip()
        except HostError:  # the port has no address
            continue


def _word(state: str | None) -> str | None:
    """Return the word of a port's state: `4: ACTIVE` is active."""
    return state.rpartition(": ")[2].lower() if state else None
