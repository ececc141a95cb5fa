"""Device nodes: the path and numbers that sysfs gives, and whether the node in /dev agrees."""

from __future__ import annotations

__all__ = ["Node", "NodeFault", "edits_of", "find_node"]

from typing import TYPE_CHECKING

import msgspec

from cdi.discovery.sysfs import Kobject, parse_uevent
from cdi.host import HostError
from cdi.host.kernel_nodes import parse_node
from cdi.model import ContainerEdits, DeviceNode

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cdi.host import Host, Stat

_ANYONE = 0o006  # may read and write


class NodeFault(Exception):
    """A device whose node in /dev is missing or another device's; the message says which."""


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """A device node that exists; `sysfs` is its kernel object, None while no driver has registered one.

    Where only sysfs tells of it, since `/dev` is not the host's, it has no owner, and a mode only if its driver asks
    for one.
    """

    path: str  # as programs know it: /dev/kvm
    host_path: str  # below the host's dev_root
    stat: Stat
    sysfs: str | None

    @property
    def mode(self) -> int | None:
        """The permission bits."""
        return self.stat.mode or None if self.stat.told else self.stat.mode

    @property
    def uid(self) -> int | None:
        """The owner."""
        return None if self.stat.told else self.stat.uid

    @property
    def gid(self) -> int | None:
        """The group."""
        return None if self.stat.told else self.stat.gid

    def edit(self, *, permissions: str | None = None) -> DeviceNode:
        """Return the edit that brings the node into a container, with the numbers that it has now."""
        host_path = self.host_path if self.host_path != self.path else None
        return DeviceNode(
            path=self.path,
            host_path=host_path,
            type=self.stat.type,
            major=self.stat.major,
            minor=self.stat.minor,
            permissions=permissions,
        )


def edits_of(nodes: Iterable[Node], *, permissions: str | None = None, groups: bool = False) -> ContainerEdits:
    """Return the edits that bring nodes into a container.

    With `groups` also the groups (`additionalGids`, CDI 0.7.0) of nodes that not everybody may open: a process
    that is not root needs them.
    """
    nodes = list(nodes)
    closed = {node.gid for node in nodes if node.gid and (node.mode or 0) & _ANYONE != _ANYONE}
    return ContainerEdits(
        device_nodes=tuple(node.edit(permissions=permissions) for node in nodes),
        additional_gids=tuple(sorted(closed)) if groups else (),
    )


def find_node(host: Host, *, sysfs: str | None = None, path: str | None = None) -> Node:
    """Return the node of a kernel object, or of a path in /dev; raise `NodeFault` when there is none to use.

    A kernel object without numbers, as in an incomplete recording of sysfs, is believed to be what `path` is. Of a
    host from `Host.with_nodes`, what sysfs tells of stands for a node that cannot be seen.

    /sys/class/misc/tun/dev     10:200
    /sys/class/misc/tun/uevent  MAJOR=10 MINOR=200 DEVNAME=net/tun
    """
    numbers, name, unread = _said(host, sysfs) if sysfs is not None else (None, None, [])
    path = f"/dev/{name}" if name else path
    if path is None or (numbers is None and unread):
        message = unread[0] if unread else f"{sysfs} names no device node"
        raise NodeFault(message)
    host_path = host.dev(path)
    stat = host.lookup(host_path, follow=False)
    if stat is None and not host.has_nodes:
        stat = _told(Kobject(host, sysfs), numbers) if sysfs is not None and numbers is not None else None
        if stat is None:
            message = f"there is no {host_path} to be seen: /dev is not the host's, and sysfs does not name it"
            raise NodeFault(message)
    if stat is None:
        known = f"the kernel has it as {numbers}, but " if numbers else ""
        message = f"{known}there is no {host_path}"
        raise NodeFault(message)
    if not stat.is_node:
        is_link = "a symbolic link, which runtimes do not follow to a device" if stat.type == "l" else "no device node"
        message = f"{host_path} is {is_link}"
        raise NodeFault(message)
    if numbers is not None and stat.numbers != numbers:
        message = f"{host_path} is {stat.numbers}, but the kernel has the device as {numbers}"
        raise NodeFault(message)
    return Node(path=path, host_path=host_path, stat=stat, sysfs=sysfs)


def _said(host: Host, sysfs: str) -> tuple[str | None, str | None, list[str]]:
    """Return numbers and name of a kernel object's node, and what could not be read: mostly one file has them all."""
    try:
        uevent = parse_uevent(host.read_text(f"{sysfs}/uevent"))
    except HostError:
        uevent = {}
    if {"MAJOR", "MINOR", "DEVNAME"} <= uevent.keys():
        return f"{uevent['MAJOR']}:{uevent['MINOR']}", uevent["DEVNAME"], []
    here = Kobject(host, sysfs)
    return here.text("dev"), here.uevent().get("DEVNAME"), here.unread


def _told(kobject: Kobject, numbers: str) -> Stat | None:
    """Return what a kernel object says of its node, for a sysfs that was recorded without /sys/dev."""
    type_ = "b" if kobject.target("subsystem") == "block" else "c"
    called = kobject.path.rpartition("/")[2]
    node = parse_node(kobject.text("uevent") or "", numbers, type_, called=called)
    return node[1] if node is not None else None
