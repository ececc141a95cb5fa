"""Intel Gaudi: the compute, control and verbs nodes of the driver habanalabs, old and new."""

from __future__ import annotations

__all__ = ["FAMILY"]

import re
from typing import TYPE_CHECKING

import msgspec

from cdi.discovery.accel import read_accel
from cdi.discovery.found import Family, Found, Report, Shared, Skipped, present
from cdi.discovery.node import Node, NodeFault, edits_of, find_node
from cdi.discovery.pci import Function, list_functions
from cdi.discovery.sysfs import parse_number
from cdi.host import Host, HostError
from cdi.model import ContainerEdits, Mount

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_NAME = "intel-gaudi"
_KIND = "intel.com/gaudi"
_VENDOR = 0x1DA3  # Habana Labs
_GOYA = 0x0001  # its inference card, from before Gaudi
_DRIVER = "habanalabs"
_MODELS = {
    0x1000: "Gaudi",
    0x1001: "Gaudi",
    0x1010: "Gaudi",
    0x1011: "Gaudi",
    0x1020: "Gaudi2",
    0x1030: "Gaudi3",
    0x1060: "Gaudi3",
    0x1061: "Gaudi3",
    0x1062: "Gaudi3",
    0x1063: "Gaudi3",
}
_OPTIONS = ("ro", "nosuid", "nodev", "rbind", "rprivate")
_NETWORK = "/etc/habanalabs/gaudinet.json"  # addresses of the external ports, which collective communication reads


class _Layout(msgspec.Struct, frozen=True, kw_only=True):
    """How a generation of the driver calls its objects: a class, and in it devices and their control devices."""

    subsystem: str
    device: re.Pattern[str]
    control: str
    directory: str  # of the nodes

    def control_path(self, number: int) -> str:
        """Return the path of a control node."""
        return f"{self.directory}/{self.control}{number}"


# Accelerators have a class of their own now; drivers from before that made one for themselves.
_NEW = _Layout(subsystem="accel", device=re.compile(r"accel(\d+)"), control="accel_controlD", directory="/dev/accel")
_OLD = _Layout(subsystem="habanalabs", device=re.compile(r"hl(\d+)"), control="hl_controlD", directory="/dev")


class _Device(msgspec.Struct, frozen=True, kw_only=True):
    """A Gaudi as its driver has registered it: `path` is the kernel object, `name` accelN or hlN."""

    name: str
    number: int
    path: str
    layout: _Layout
    node: Node


def _discover(host: Host, _: frozenset[str]) -> Iterator[Report]:
    functions = list(list_functions(host, vendor=_VENDOR))
    apart = _registered_apart(host) if functions else {}
    found = 0
    for function in functions:
        try:
            report = _report(host, function, apart)
        except (NodeFault, HostError) as fault:
            hint = "udevadm trigger makes missing nodes"
            report = Skipped(family=_NAME, what=function.bdf, why=str(fault), hint=hint, broken=True)
        found += isinstance(report, Found)
        yield report
    if found and host.exists(_NETWORK):
        mount = Mount(host_path=_NETWORK, container_path=_NETWORK, options=_OPTIONS)
        yield Shared(
            family=_NAME, kind=_KIND, edits=ContainerEdits(mounts=(mount,)), how=f"{_NETWORK}: addresses of the ports"
        )


def _registered_apart(host: Host) -> Mapping[str, tuple[_Layout, str]]:
    """Return devices whose objects are not below their PCI function, by its address, with layout and path.

    /sys/class/accel/accel0 -> ../../devices/virtual/accel/accel0
    /sys/devices/virtual/accel/accel0/device/pci_addr   0000:19:00.0
    /sys/class/habanalabs/hl0/pci_addr                  0000:19:00.0
    """
    apart: dict[str, tuple[_Layout, str]] = {}
    for layout in (_OLD, _NEW):
        directory = f"/sys/class/{layout.subsystem}"
        for name in host.listdir(directory) if host.is_dir(directory) else ():
            if layout.device.fullmatch(name):
                address = _first(host, f"{directory}/{name}/device/pci_addr", f"{directory}/{name}/pci_addr")
                if address is not None:
                    apart[address] = layout, f"{directory}/{name}"
    return apart


def _report(host: Host, function: Function, apart: Mapping[str, tuple[_Layout, str]]) -> Found | Skipped:
    if function.device == _GOYA:
        return Skipped(family=_NAME, what=function.bdf, why="a Goya, not a Gaudi")
    if function.driver != _DRIVER:
        why = f"driven by {function.driver}, not by {_DRIVER}" if function.driver else "no driver is bound to it"
        return Skipped(family=_NAME, what=function.bdf, why=why, hint=f"modprobe {_DRIVER}")
    device = _device(host, function, apart)
    if device is None:
        why = f"{_DRIVER} has registered no accelerator for it"
        hint = "dmesg says why; a device that failed to start, or is being reset, has none"
        return Skipped(family=_NAME, what=function.bdf, why=why, hint=hint, broken=True)
    return _found(host, function, device)


def _device(host: Host, function: Function, apart: Mapping[str, tuple[_Layout, str]]) -> _Device | None:
    accel = read_accel(host, function.path)
    if accel is not None:
        return _Device(name=accel.name, number=accel.number, path=accel.path, layout=_NEW, node=accel.node)
    if function.bdf not in apart:
        return None
    layout, path = apart[function.bdf]
    name = path.rpartition("/")[2]
    number = int(layout.device.sub(r"\1", name))
    node = find_node(host, sysfs=path, path=f"{layout.directory}/{name}")
    return _Device(name=name, number=number, path=path, layout=layout, node=node)


def _found(host: Host, function: Function, device: _Device) -> Found:
    warnings: list[str] = []
    others = [*_control(host, device, warnings), *_verbs(host, function, warnings)]
    module = _module(host, function, device)
    place = "" if module is None else f", module {module}"
    if module is None:
        warnings.append("it does not say which module it is, so that HABANA_VISIBLE_MODULES goes without it")
    attributes = {
        "model": _MODELS.get(function.device or 0),
        "deviceId": f"0x{function.device:04x}" if function.device is not None else None,
        "driver": function.driver,
        "pciAddress": function.bdf,
        "numaNode": function.numa_node,
        "accel": device.number,
        "moduleId": module,
        "verbs": ", ".join(node.path for node in others if "uverbs" in node.path) or None,
    }
    return Found(
        family=_NAME,
        kind=_KIND,
        name=device.name,
        names={"bdf": function.bdf, "id": function.stable_id, "index": str(device.number)}
        | ({"module": f"module{module}"} if module is not None else {}),
        also=("id",),
        edits=edits_of((device.node, *others), groups=True),
        env_lists=_env_lists(device, module),
        how=f"PCI function {function.bdf}, driver {_DRIVER}{place}: {device.node.path}",
        attributes=present(attributes),
        warnings=(*warnings, *function.unread),
    )


def _env_lists(device: _Device, module: int | None) -> dict[str, str]:
    """Return the variables by which Gaudi software is told what it has.

    The first is for Habana's own container runtime, the second for frameworks: the process of rank N takes the
    module at place N. Where it is not set, that is the module N, or for a process without rank any that is free.
    """
    lists = {"HABANA_VISIBLE_DEVICES": str(device.number), "HL_VISIBLE_DEVICES": device.node.path}
    return lists if module is None else lists | {"HABANA_VISIBLE_MODULES": str(module)}


def _control(host: Host, device: _Device, warnings: list[str]) -> Iterator[Node]:
    """Yield the node that tells about a device while another process has its own."""
    layout = device.layout
    sysfs = f"/sys/class/{layout.subsystem}/{layout.control}{device.number}"
    try:
        path = layout.control_path(device.number)
        yield find_node(host, sysfs=sysfs if host.exists(sysfs) else None, path=path)
    except (NodeFault, HostError) as fault:
        warnings.append(str(fault))


def _verbs(host: Host, function: Function, warnings: list[str]) -> Iterator[Node]:
    """Yield the nodes of the network ports: /sys/bus/pci/devices/0000:19:00.0/infiniband_verbs/uverbs0."""
    directory = f"{function.path}/infiniband_verbs"
    try:
        names = host.listdir(directory)
    except HostError as error:
        warnings += [] if error.missing else [error.message]
        return
    for name in names:
        try:
            yield find_node(host, sysfs=f"{directory}/{name}", path=f"/dev/infiniband/{name}")
        except (NodeFault, HostError) as fault:
            warnings.append(str(fault))


def _module(host: Host, function: Function, device: _Device) -> int | None:
    """Return the slot on the board: what is 5 stays 5, while the numbers of nodes change from start to start."""
    text = _first(host, f"{function.path}/module_id", f"{device.path}/device/module_id", f"{device.path}/module_id")
    return parse_number(text) if text is not None else None


def _first(host: Host, *paths: str) -> str | None:
    """Return the text of the first of these attributes that can be read."""
    for path in paths:
        try:
            return host.read_text(path).strip()
        except HostError:
            continue
    return None


FAMILY = Family(name=_NAME, kind=_KIND, summary="Intel Gaudi accelerators", discover=_discover)
