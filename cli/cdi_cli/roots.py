"""The same spec seen from another root: paths below one directory become paths below another."""

from __future__ import annotations

__all__ = ["moved"]

import posixpath
from typing import TYPE_CHECKING, Literal

from msgspec.structs import replace

if TYPE_CHECKING:
    from collections.abc import Callable

    from cdi.model import ContainerEdits, DeviceNode, Hook, Spec

# Where a hook's own path is looked up, and where it runs (OCI runtime spec, "POSIX-platform Hooks").
_PATH_IN_CONTAINER = frozenset({"startContainer"})
_RUNS_IN_CONTAINER = frozenset({"createContainer", "startContainer"})

Side = Literal["host", "container"]


def moved(spec: Spec, *, start: str, end: str, relative_to: Side) -> Spec:
    """Return a spec whose paths at or below `start` are below `end`, those on the host or those in the container.

    Paths of device nodes, mounts and hooks change, and those arguments of hooks that are such a path.
    """

    def move(path: str) -> str:
        return _moved(path, start, end)

    def move_edits(edits: ContainerEdits) -> ContainerEdits:
        return _edits(edits, move, relative_to)

    devices = tuple(replace(device, container_edits=move_edits(device.container_edits)) for device in spec.devices)
    return replace(spec, devices=devices, container_edits=move_edits(spec.container_edits))


def _moved(path: str, start: str, end: str) -> str:
    start = start.rstrip("/")
    if path != start and not path.startswith(f"{start}/"):
        return path
    return posixpath.normpath(f"{end}/{path[len(start) :]}") if path.startswith("/") else path


def _edits(edits: ContainerEdits, move: Callable[[str], str], side: Side) -> ContainerEdits:
    field = "host_path" if side == "host" else "container_path"
    return replace(
        edits,
        device_nodes=tuple(_node(node, move, side) for node in edits.device_nodes),
        mounts=tuple(replace(mount, **{field: move(getattr(mount, field))}) for mount in edits.mounts),
        hooks=tuple(_hook(hook, move, side) for hook in edits.hooks),
    )


def _node(node: DeviceNode, move: Callable[[str], str], side: Side) -> DeviceNode:
    """Return a node that still is the same device: without `hostPath`, `path` serves for both sides."""
    host, inside = node.host_path or node.path, node.path
    host, inside = (move(host), inside) if side == "host" else (host, move(inside))
    return replace(node, path=inside, host_path=node.host_path if host == inside and not node.host_path else host)


def _hook(hook: Hook, move: Callable[[str], str], side: Side) -> Hook:
    in_container = side == "container"
    if (hook.hook_name in _PATH_IN_CONTAINER) == in_container:
        hook = replace(hook, path=move(hook.path))
    if (hook.hook_name in _RUNS_IN_CONTAINER) == in_container:
        hook = replace(hook, args=tuple(move(arg) for arg in hook.args))
    return hook
