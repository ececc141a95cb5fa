"""DRM nodes: /dev/dri/cardN and renderDN of a device, and the links by which programs find them."""

from __future__ import annotations

__all__ = ["Drm", "read_drm"]

import posixpath
import re
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from cdi.discovery.node import Node, NodeFault, find_node
from cdi.host import HostError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cdi.host import Host

_NODE = re.compile(r"(?P<kind>card|renderD)(?P<minor>\d+)")
_BY_PATH = "/dev/dri/by-path"


class Drm(msgspec.Struct, frozen=True, kw_only=True):
    """The DRM nodes of a device; either may be missing, and `faults` says why one is that sysfs has.

    `links` are those of /dev/dri/by-path that lead to these nodes, each with its node.
    """

    card: Node | None = None
    render: Node | None = None
    links: tuple[tuple[str, Node], ...] = ()
    faults: tuple[str, ...] = ()

    @property
    def nodes(self) -> tuple[Node, ...]:
        """The nodes that there are."""
        return tuple(node for node in (self.card, self.render) if node is not None)

    @property
    def twins(self) -> tuple[Node, ...]:
        """The nodes under the names of their links.

        A container gets a second node where the host has a link: that needs no hook, and no runtime lacks it.
        """
        return tuple(replace(node, path=path) for path, node in self.links)


def read_drm(host: Host, device: str, *, links: str | None = None) -> Drm:
    """Return the DRM nodes of a device in sysfs; `links` is how its links are called, by default by its address.

    /sys/bus/pci/devices/0000:03:00.0/drm/  card1 renderD129
    /dev/dri/by-path/pci-0000:03:00.0-card -> ../card1
    """
    found: dict[str, Node] = {}
    faults: list[str] = []
    try:
        names = host.listdir(f"{device}/drm")
    except HostError as error:
        return Drm(faults=() if error.missing else (error.message,))
    for name in names:
        match = _NODE.fullmatch(name)
        if match is None:
            continue
        try:
            found.setdefault(match["kind"], find_node(host, sysfs=f"{device}/drm/{name}", path=f"/dev/dri/{name}"))
        except (NodeFault, HostError) as fault:
            faults.append(str(fault))
    stem = links or f"pci-{posixpath.basename(device)}"
    return Drm(
        card=found.get("card"),
        render=found.get("renderD"),
        links=tuple(_links(host, stem, found)),
        faults=tuple(faults),
    )


def _links(host: Host, stem: str, found: dict[str, Node]) -> Iterator[tuple[str, Node]]:
    for suffix, kind in (("card", "card"), ("render", "renderD")):
        path = f"{_BY_PATH}/{stem}-{suffix}"
        node = found.get(kind)
        if node is not None and _leads_to(host, path, node.path):
            yield path, node


def _leads_to(host: Host, link: str, path: str) -> bool:
    """Return whether a link leads to a node; where it cannot be seen, udev has made it (60-drm.rules)."""
    try:
        target = host.readlink(host.dev(link))
    except HostError:
        return not host.has_nodes
    return posixpath.normpath(posixpath.join(_BY_PATH, target)) == path
