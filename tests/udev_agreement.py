"""Whether libudev and the reader of sysfs say the same of a machine: `python -m tests.udev_agreement`."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import msgspec
import pyudev  # type: ignore[import-untyped]

from cdi.discovery.net import read_interface
from cdi.discovery.node import NodeFault, find_node
from cdi.host import Host, HostError, Stat
from cdi.host.kernel_nodes import KernelNodes
from cdi.host.udev import read_udev_names

if TYPE_CHECKING:
    from collections.abc import Iterator


class Agreement(msgspec.Struct, frozen=True, kw_only=True):
    """How many nodes and interfaces were compared, and in what they differ; `settled` are those udev knows, too."""

    nodes: int
    interfaces: int
    settled: int
    differences: tuple[str, ...]


def agreement() -> Agreement:
    """Return how libudev and the reader of sysfs agree on this machine's nodes and interfaces."""
    host = Host()
    devices = [device for device in pyudev.Context().list_devices() if device.device_node is not None]
    interfaces = list(pyudev.Context().list_devices(subsystem="net"))
    return Agreement(
        nodes=len(devices),
        interfaces=len(interfaces),
        settled=sum(bool(device.is_initialized) for device in (*devices, *interfaces)),
        differences=(*_nodes(host, devices), *_interfaces(host, interfaces)),
    )


def _nodes(host: Host, devices: list[Any]) -> Iterator[str]:
    told = {
        (path, stat.type, stat.numbers, host.resolve(f"/sys/dev/{_place(stat)}"))
        for path, stat in KernelNodes(host.source).nodes.items()
        if host.exists(f"/sys/dev/{_place(stat)}/subsystem")  # libudev lists no device without class and bus
    }
    said = {
        (device.device_node, "b" if device.subsystem == "block" else "c", _numbers(device), device.sys_path)
        for device in devices
    }
    yield from (f"only sysfs has the node {node}" for node in sorted(told - said))
    yield from (f"only libudev has the node {node}" for node in sorted(said - told))
    for device in devices:
        try:
            node = find_node(host, sysfs=device.sys_path)
        except (NodeFault, HostError) as fault:
            yield f"{device.sys_path}: {fault}"
            continue
        if (node.path, node.stat.numbers) != (device.device_node, _numbers(device)):
            yield f"{device.sys_path}: {node.path} {node.stat.numbers}, {device.device_node} {_numbers(device)}"
        yield from (
            f"{link} does not lead to {node.path}" for link in device.device_links if host.resolve(link) != node.path
        )


def _interfaces(host: Host, devices: list[Any]) -> Iterator[str]:
    by_udev = read_udev_names(host)
    for device in devices:
        name = device.sys_name
        interface = read_interface(host, name)
        if interface is None:
            yield f"{name} is no interface"
            continue
        mac = device.attributes.get("address", b"").decode() or None
        ours = (interface.path, interface.index, interface.devtype, interface.mac)
        theirs = (device.sys_path, int(device.properties["IFINDEX"]), device.device_type, mac)
        if ours != theirs:
            yield f"{name}: {ours}, {theirs}"
        path = device.properties.get("ID_NET_NAME_PATH")
        if by_udev and name in by_udev and by_udev[name].path != path:
            yield f"{name}: {by_udev[name].path}, {path}"


def _place(stat: Stat) -> str:
    return f"{'block' if stat.type == 'b' else 'char'}/{stat.numbers}"


def _numbers(device: Any) -> str:
    return f"{os.major(device.device_number)}:{os.minor(device.device_number)}"


if __name__ == "__main__":
    found = agreement()
    sys.stdout.write(f"{msgspec.json.encode(found).decode()}\n")
    sys.exit(1 if found.differences else 0)
