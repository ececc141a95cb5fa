"""Nodes of the NVIDIA driver: in the root of devices that the user named, else the driver's own, else in /dev."""

from __future__ import annotations

__all__ = ["CONTROL_NODES", "find_drm", "find_nvidia_node", "number_fault"]

import re
from typing import TYPE_CHECKING

from cdi.discovery.drm import read_drm
from cdi.discovery.node import NodeFault, find_node
from cdi.discovery.nvidia.procfs import majors

if TYPE_CHECKING:
    from cdi.discovery.drm import Drm
    from cdi.discovery.node import Node
    from cdi.host import Host

# What every program that uses a GPU opens besides the GPU itself.
CONTROL_NODES = ("/dev/nvidiactl", "/dev/nvidia-modeset", "/dev/nvidia-uvm", "/dev/nvidia-uvm-tools")

_GPU = re.compile(r"/dev/nvidia(\d+)")
# By the names of a node, what /proc/devices calls its driver; one release of the driver has one of them.
_DRIVERS = (
    (re.compile(r"/dev/nvidia-uvm(-tools)?"), ("nvidia-uvm",)),
    (re.compile(r"/dev/nvidia-caps/nvidia-cap\d+"), ("nvidia-caps",)),
    (re.compile(r"/dev/nvidia(\d+|ctl)"), ("nvidia", "nvidia-frontend")),
)


def find_nvidia_node(host: Host, path: str) -> Node:
    """Return a node of the driver; raise `NodeFault` or `HostError`."""
    *first, last = _places(host)
    for place in first:
        if host.lookup(place.dev(path), follow=False) is not None:
            return find_node(place, path=path)
    try:
        return find_node(last, path=path)
    except NodeFault as fault:
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
    known = majors(host)
    names = next((names for pattern, names in _DRIVERS if pattern.fullmatch(node.path)), ())
    expected = next((known[name] for name in names if name in known), None)
    if expected is not None and node.stat.major != expected:
        return f"{node.host_path} is {node.stat.numbers}, but the kernel has the driver as {expected}"
    gpu = _GPU.fullmatch(node.path)
    if gpu is not None and node.stat.minor != int(gpu[1]):
        return f"{node.host_path} is {node.stat.numbers}, not minor {gpu[1]}"
    return None


def _places(host: Host) -> tuple[Host, ...]:
    if host.dev_root_given or host.driver_root == "/":
        return (host,)
    return host.over(host.source, dev_root=host.driver_root), host
