"""Nodes of the NVIDIA driver: in the root of devices that the user named, else the driver's own, else in /dev."""

from __future__ import annotations

__all__ = ["CONTROL_NODES", "find_drm", "find_nvidia_node", "number_fault"]

import re
from typing import TYPE_CHECKING

from cdi.discovery.drm import read_drm
from cdi.discovery.node import Node, NodeFault, find_node
from cdi.discovery.nvidia.procfs import majors
from cdi.host import Stat

if TYPE_CHECKING:
    from cdi.discovery.drm import Drm
    from cdi.host import Host

# What every program that uses a GPU opens besides the GPU itself.
CONTROL_NODES = ("/dev/nvidiactl", "/dev/nvidia-modeset", "/dev/nvidia-uvm", "/dev/nvidia-uvm-tools")

_GPU = re.compile(r"/dev/nvidia(\d+)")
# By the names of a node, what /proc/devices calls its driver; one release of the driver has one of them.
_DRIVERS = (
    (re.compile(r"/dev/nvidia-uvm(?P<minor>-tools)?"), ("nvidia-uvm",)),
    (re.compile(r"/dev/nvidia-caps/nvidia-cap(?P<minor>\d+)"), ("nvidia-caps",)),
    (re.compile(r"/dev/nvidia(?P<minor>\d+|ctl)"), ("nvidia", "nvidia-frontend")),
)
_MINORS = {None: 0, "-tools": 1, "ctl": 255}  # of nodes without a number in their names


def find_nvidia_node(host: Host, path: str) -> Node:
    """Return a node of the driver; raise `NodeFault` or `HostError`."""
    *first, last = _places(host)
    for place in first:
        if host.lookup(place.dev(path), follow=False) is not None:
            return find_node(place, path=path)
    try:
        return find_node(last, path=path)
    except NodeFault as fault:
        told = _told(last, path) if not last.has_nodes else None
        if told is not None:
            return told
        if not first or last.lookup(path, follow=False) is not None:
            raise
        message = f"there is no {', nor '.join(place.dev(path) for place in (*first, last))}"
        raise NodeFault(message) from fault


def find_drm(host: Host, device: str) -> Drm:
    """Return the DRM nodes of a device in sysfs."""
    found = [read_drm(place, device) for place in _places(host)]
    return next((drm for drm in found if drm.nodes), next((drm for drm in found if drm.faults), found[-1]))


def number_fault(host: Host, node: Node) -> str | None:
    """Return in what a node's numbers are not what the driver has now: it was made for an earlier load of it.

    Numbers of nvidia-uvm and nvidia-caps are given out anew whenever their modules are loaded.
    """
    expected, _ = _numbers(host, node.path)
    if expected is not None and node.stat.major != expected:
        return f"{node.host_path} is {node.stat.numbers}, but the kernel has the driver as {expected}"
    gpu = _GPU.fullmatch(node.path)
    if gpu is not None and node.stat.minor != int(gpu[1]):
        return f"{node.host_path} is {node.stat.numbers}, not minor {gpu[1]}"
    return None


def _told(host: Host, path: str) -> Node | None:
    """Return a node that cannot be seen, by the numbers of its driver: sysfs does not know it, programs make it.

    They make it when the driver is used first (nvidia-modprobe); that of nvidia-modeset only for who shows pictures.
    """
    major, minor = _numbers(host, path)
    if major is None or minor is None:
        return None
    stat = Stat(type="c", mode=0, major=major, minor=minor, told=True)
    return Node(path=path, host_path=host.dev(path), stat=stat, sysfs=None)


def _numbers(host: Host, path: str) -> tuple[int | None, int | None]:
    """Return the numbers that a node should have, as far as its name and the loaded driver tell."""
    known = majors(host)
    for pattern, names in _DRIVERS:
        match = pattern.fullmatch(path)
        if match is not None:
            named = match["minor"]
            minor = _MINORS[named] if named in _MINORS else int(named)
            return next((known[name] for name in names if name in known), None), minor
    return None, None


def _places(host: Host) -> tuple[Host, ...]:
    if host.dev_root_given or host.driver_root == "/":
        return (host,)
    return host.over(host.source, dev_root=host.driver_root), host
