"""RDMA devices: which interface and function each belongs to, and the nodes that programs open."""

from __future__ import annotations

__all__ = ["EXCLUSIVE", "RdmaDevice", "find_rdma_cm", "is_exclusive", "read_rdma"]

from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from cdi.discovery.node import Node, NodeFault, find_node
from cdi.discovery.pci import parse_bdf
from cdi.discovery.sysfs import Kobject
from cdi.host import HostError
from cdi.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from cdi.host import Host

_DEVICES = "/sys/class/infiniband"
# Where the nodes of RDMA devices are: verbs, management, and of old kernels connections.
_CLASSES = ("infiniband_verbs", "infiniband_mad", "infiniband_cm")
_ORDER = {"uverbs": 0, "umad": 1, "issm": 1, "ucm": 2}
_CM = "rdma_cm"
_MODE = "/sys/module/ib_core/parameters/netns_mode"
_NO_GUID = "0000:0000:0000:0000"
EXCLUSIVE = Problem(
    severity="warning",
    rule="rdma-exclusive",
    message="each RDMA device is in one network namespace: a container with its own can open none of them",
    hint="`rdma system set netns shared`, or let containers use the host's network",
)


class RdmaDevice(msgspec.Struct, frozen=True, kw_only=True):
    """An RDMA device; `nodes` are its own: uverbs, then umad and issm of each port. `faults` say which are unusable."""

    name: str
    path: str
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
    def is_emulated(self) -> bool:
        """Whether no hardware is behind it, but a network interface: rxe (RoCE) and siw (iWARP)."""
        return "/devices/virtual/" in self.path

    @property
    def has_connections(self) -> bool:
        """Whether rdma_cm makes connections for it: not for EFA, which has neither InfiniBand nor Ethernet links."""
        return self.link_layer is not None

    @property
    def attributes(self) -> dict[str, str | int | bool | None]:
        """What is known of it; what differs between its ports is a list, what is not known is None."""
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
    names = host.names(_DEVICES)
    if not names:
        return ()
    nodes, unread = _nodes(host)
    devices: list[RdmaDevice] = []
    for name in names:
        try:
            here = Kobject(host, f"{_DEVICES}/{name}")
        except HostError:  # a file, or it was unplugged meanwhile
            continue
        device = _read_device(host, name, here, nodes.get(name) or _nodes_beside(host, here))
        devices.append(device if device.nodes else replace(device, faults=(*device.faults, *unread)))
    return tuple(devices)


def find_rdma_cm(host: Host) -> Node:
    """Return the node of the connection manager, which all RDMA devices share; raise `NodeFault`."""
    sysfs = f"/sys/class/misc/{_CM}"
    return _find_node(host, sysfs, _CM) if host.exists(sysfs) else find_node(host, path=f"/dev/infiniband/{_CM}")


def is_exclusive(host: Host) -> bool:
    """Return whether an RDMA device is in one network namespace, and of no use in others (rdma-system(8))."""
    try:
        return host.read_text(_MODE).strip() == "N"
    except HostError:  # before Linux 5.2 there is one mode, or the module is not loaded
        return False


def _find_node(host: Host, sysfs: str, leaf: str) -> Node:
    """Return a node as programs know it; raise `NodeFault`.

    Old kernels name it without its directory, DEVNAME=uverbs0, and a rule of udev puts it, or a link to it, there.
    """
    usual = f"/dev/infiniband/{leaf}"
    try:
        node = find_node(host, sysfs=sysfs, path=usual)
        return replace(node, path=usual, host_path=host.dev(usual) if node.stat.told else node.host_path)
    except NodeFault:
        placed = host.lookup(host.dev(usual), follow=False)
        if placed is None or not placed.is_node or placed.numbers != Kobject(host, sysfs).text("dev"):
            raise
        return Node(path=usual, host_path=host.dev(usual), stat=placed, sysfs=sysfs)


def _nodes(host: Host) -> tuple[Mapping[str, list[str]], tuple[str, ...]]:
    """Return the kernel objects of the nodes of each RDMA device, and why for others nothing tells whose they are."""
    found: dict[str, list[str]] = {}
    unread: list[str] = []
    for class_ in _CLASSES:
        for path in _entries(host, f"/sys/class/{class_}"):
            try:
                found.setdefault(_owner(host, path), []).append(path)
            except HostError as error:
                # Unplugged meanwhile; or of infiniband_cm, which has an entry mlx4_0 with counters.
                unread += [] if error.missing else [error.message]
    return found, tuple(unread)


def _nodes_beside(host: Host, here: Kobject) -> list[str]:
    """Return the same where there are no such classes, from beside the device.

    /sys/devices/pci0000:00/0000:00:03.0/0000:04:00.0/infiniband/mlx4_0
    /sys/devices/pci0000:00/0000:00:03.0/0000:04:00.0/infiniband_verbs/uverbs0
    """
    home, name = _home(here.path), here.path.rpartition("/")[2]
    paths: list[str] = []
    for class_ in _CLASSES:
        for path in _entries(host, f"{home}/{class_}"):
            with suppress(HostError):  # the class has said so already, where there is one
                paths += [path] if _owner(host, path) == name else []
    return paths


def _entries(host: Host, directory: str) -> Iterator[str]:
    return (f"{directory}/{name}" for name in host.names(directory) if name != "abi_version")


def _owner(host: Host, path: str) -> str:
    return host.read_text(f"{path}/ibdev").strip()


def _home(path: str) -> str:
    """Return what an RDMA device is a device of: two levels up, as its class has a directory there."""
    return path.rpartition("/")[0].rpartition("/")[0]


def _read_device(host: Host, name: str, here: Kobject, paths: list[str]) -> RdmaDevice:
    nodes: list[Node] = []
    faults: list[str] = []
    for path in sorted(paths, key=_order):
        leaf = path.rpartition("/")[2]
        try:
            nodes.append(_find_node(host, path, leaf))
        except (NodeFault, HostError) as fault:
            faults.append(f"{leaf}: {fault}")
    numbers = host.listdir(f"{here.path}/ports") if "ports" in here.names else ()
    ports = [_read_port(host, f"{here.path}/ports/{number}") for number in numbers]
    layers = _of_all(port.get("link_layer") for port in ports)
    guid = here.text("node_guid")
    return RdmaDevice(
        name=name,
        path=here.path,
        bdf=parse_bdf(here.path),
        nodes=tuple(nodes),
        faults=tuple(faults),
        interfaces=tuple(dict.fromkeys(_interfaces(host, here, numbers))),
        link_layer=layers if layers != "Unknown" else None,
        state=_of_all(_word(port.get("state")) for port in ports),
        rate=_of_all(port.get("rate") for port in ports),
        firmware=here.text("fw_ver") or None,
        model=here.text("hca_type") or None,
        guid=guid if guid != _NO_GUID else None,
        ports=numbers,
        unread=(*here.unread, *(port["unread"] for port in ports if "unread" in port)),
    )


def _read_port(host: Host, path: str) -> dict[str, str]:
    """Return the attributes of a port, with what could not be read as `unread`."""
    said: dict[str, str] = {}
    for name in ("link_layer", "state", "rate"):
        try:
            said[name] = host.read_text(f"{path}/{name}").strip()
        except HostError as error:
            said |= {} if error.absent else {"unread": error.message}
    return said


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


def _of_all(said: Iterable[str | None]) -> str | None:
    """Return what ports say, in their order: one value if all say the same."""
    return ", ".join(dict.fromkeys(value for value in said if value)) or None


def _word(state: str | None) -> str | None:
    """Return the word of a port's state: `4: ACTIVE` is active."""
    return state.rpartition(": ")[2].lower() if state else None
