"""Container edits in words."""

from __future__ import annotations

__all__ = ["described", "summary"]

from typing import TYPE_CHECKING

from cdi_cli.text import counted

if TYPE_CHECKING:
    from cdi.model import ContainerEdits, DeviceNode, Hook, IntelRdt, Mount


def summary(edits: ContainerEdits) -> str:
    """Return how many edits there are of each kind: `1 device node, 2 mounts`."""
    counts = (
        (len(edits.device_nodes), "device node"),
        (len(edits.net_devices), "network interface"),
        (len(edits.mounts), "mount"),
        (len(edits.hooks), "hook"),
        (len(edits.env), "variable"),
        (len(edits.additional_gids), "group"),
    )
    words = [counted(number, noun) for number, noun in counts if number]
    return ", ".join([*words, *(["RDT settings"] if edits.intel_rdt else [])])


def described(edits: ContainerEdits) -> list[tuple[str, str, str]]:
    """Return a row for each edit: what it is, what it does, and where it stands in the edits."""
    rows = [("device node", _node(node), f"deviceNodes[{i}]") for i, node in enumerate(edits.device_nodes)]
    for i, net in enumerate(edits.net_devices):
        rows.append(("network interface", f"{net.host_interface_name} as {net.name}", f"netDevices[{i}]"))
    rows += [("mount", _mount(mount), f"mounts[{i}]") for i, mount in enumerate(edits.mounts)]
    rows += [("hook", _hook(hook), f"hooks[{i}]") for i, hook in enumerate(edits.hooks)]
    rows += [("variable", variable, f"env[{i}]") for i, variable in enumerate(edits.env)]
    rows += [("group", str(gid), f"additionalGids[{i}]") for i, gid in enumerate(edits.additional_gids)]
    if edits.intel_rdt is not None:
        rows.append(("RDT settings", _rdt(edits.intel_rdt), "intelRdt"))
    return rows


def _node(node: DeviceNode) -> str:
    numbers = f" {node.type or ''} {node.major}:{node.minor or 0}" if node.major else f" {node.type or ''}"
    mode = "" if node.file_mode is None else f"mode {node.file_mode:04o}"
    owner = [f"{who} {number}" for who, number in (("uid", node.uid), ("gid", node.gid)) if number is not None]
    facts = [numbers.strip(), node.permissions or "rwm", mode, *owner]
    return f"{_moved(node.host_path, node.path)} ({', '.join(filter(None, facts))})"


def _mount(mount: Mount) -> str:
    facts = [f"type {mount.type}"] if mount.type else []
    return f"{_moved(mount.host_path, mount.container_path)} ({','.join([*facts, *mount.options])})"


def _hook(hook: Hook) -> str:
    timeout = "" if hook.timeout is None else f" (timeout {hook.timeout} s)"
    return " ".join([f"{hook.hook_name}: {hook.path}", *hook.args[1:]]) + timeout


def _rdt(rdt: IntelRdt) -> str:
    named = (("closID", rdt.clos_id), ("L3", rdt.l3_cache_schema), ("memory", rdt.mem_bw_schema))
    facts = [f"{name} {value}" for name, value in named if value]
    facts += rdt.schemata or ()
    return ", ".join([*facts, *(["monitoring"] if rdt.enable_monitoring else [])])


def _moved(host: str | None, container: str) -> str:
    return container if host in {None, "", container} else f"{host} at {container}"
