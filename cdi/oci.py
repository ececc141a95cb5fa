"""Apply container edits to an OCI runtime spec, as the CDI reference library does it."""

from __future__ import annotations

__all__ = ["NodeInfo", "inject"]

import posixpath
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace

from cdi.errors import InjectionFailed

if TYPE_CHECKING:
    from cdi.model import ContainerEdits, DeviceNode, Hook, IntelRdt, Mount

_HOOK_LISTS = frozenset(
    {"prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"},
)
_ID_MAP = {"bind": "idmap", "rbind": "ridmap"}
_UINT32 = range(2**32)
_JSON_NAMES: dict[type, str] = {
    dict: "an object",
    list: "a list",
    str: "a string",
    int: "a number",
    float: "a number",
    bool: "a boolean",
    type(None): "null",
}


class NodeInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What the host knows about a device node: `type` is b, c or p, `mode` its permission bits."""

    type: str
    major: int
    minor: int
    mode: int


NodeAt = Callable[[str], NodeInfo | None]


def inject(oci: Mapping[str, Any], edits: ContainerEdits, *, node_at: NodeAt) -> dict[str, Any]:
    """Return the OCI runtime spec with the edits applied; the argument stays as it is.

    The result shares with the argument what did not change, and keeps fields that we do not know. `node_at`
    returns what the host has at a path (not following links), or None when there is no device node; it is asked
    for each device node, to fill in what its edits leave out. Raises `InjectionFailed` when the host lacks a
    node, has another type of node there, or the OCI spec has a wrong type in a field that must be edited.
    """
    result = dict(_mapping(oci, "OCI spec", optional=False))
    if edits.env:
        process = _section(result, "process")
        process["env"] = _replaced_env(_strings(process, "env", "process.env"), edits.env)
    for node in edits.device_nodes:
        _add_node(result, _filled(node, node_at))
    if edits.net_devices:
        _add_net_devices(result, edits)
    if edits.mounts:
        _add_mounts(result, edits.mounts)
    for hook in edits.hooks:
        _add_hook(result, hook)
    if edits.intel_rdt is not None:
        _section(result, "linux")["intelRdt"] = _oci_rdt(edits.intel_rdt)
    gids = [gid for gid in edits.additional_gids if gid != 0]
    if gids:
        _add_gids(result, gids)
    return result


def _replaced_env(env: list[str], new: tuple[str, ...]) -> list[str]:
    """Return `env` with each new entry at the place of the last one of its name, or at the end."""
    places = {entry.partition("=")[0]: place for place, entry in enumerate(env)}
    for entry in new:
        place = places.setdefault(entry.partition("=")[0], len(env))
        env[place : place + 1] = [entry]
    return env


def _filled(node: DeviceNode, node_at: NodeAt) -> DeviceNode:
    """Return the node with what its edits leave out, from the host."""
    # With type and major, a node may be missing on the host (a vendor may make it later). 0 counts as absent.
    specified = bool(node.type and (node.major or node.type == "p"))
    host_path = node.host_path or node.path
    host = node_at(host_path)
    if host is None:
        if specified:
            return node
        message = f"no device node {host_path!r} on this host"
        if host_path != node.path:
            message += f" for {node.path!r} in the container"
        raise InjectionFailed(message, hint="is the driver loaded? the spec may be stale: generate it again")
    if node.file_mode is None:
        node = replace(node, file_mode=host.mode)
    if specified:
        return node
    if node.type and node.type != host.type:
        message = (
            f"device node {node.path!r} has type {node.type!r} in the spec, {host_path!r} on this host is {host.type!r}"
        )
        raise InjectionFailed(message, hint="the spec may be stale: generate it again")
    if host.type == "p" or node.major:
        return replace(node, type=host.type)
    return replace(node, type=host.type, major=host.major, minor=host.minor)


def _add_node(oci: dict[str, Any], node: DeviceNode) -> None:
    uid, gid = _process_owner(oci)
    linux = _section(oci, "linux")
    devices = _objects(linux, "devices", "linux.devices")
    linux["devices"] = devices
    device = {
        "path": node.path,
        "type": node.type,
        "major": node.major or 0,
        "minor": node.minor or 0,
        "fileMode": node.file_mode,
        "uid": uid if node.uid is None else node.uid,
        "gid": gid if node.gid is None else node.gid,
    }
    if node.type == "p":  # a FIFO has no numbers, but those that a spec gives are passed on
        device["major"], device["minor"] = node.major or None, node.minor or None
    same = [place for place, other in enumerate(devices) if other.get("path") == node.path]
    if len(same) > 1:  # a spec that names the path twice keeps the place of the second
        devices[same[1]] = _present(device)
    else:
        devices.append(_present(device))
    if same:
        del devices[same[0]]
    if node.type in {"b", "c"}:
        resources = _section(linux, "resources", "linux.resources")
        rules = _list(resources, "devices", "linux.resources.devices")
        access = "" if node.permissions == "none" else node.permissions or "rwm"
        rule = {"allow": True, "type": node.type, "major": node.major or 0, "minor": node.minor or 0}
        resources["devices"] = [*rules, {**rule, "access": access} if access else rule]


def _process_owner(oci: dict[str, Any]) -> tuple[int | None, int | None]:
    """Return uid and gid of the container's process, None for root."""
    process = _mapping(oci.get("process"), "process")
    user = _mapping(process.get("user"), "process.user")
    return _uint32(user.get("uid"), "process.user.uid") or None, _uint32(user.get("gid"), "process.user.gid") or None


def _add_net_devices(oci: dict[str, Any], edits: ContainerEdits) -> None:
    devices = _section(_section(oci, "linux"), "netDevices", "linux.netDevices")
    for net in edits.net_devices:
        devices[net.host_interface_name] = {"name": net.name}


def _add_mounts(oci: dict[str, Any], new: tuple[Mount, ...]) -> None:
    mounts = _objects(oci, "mounts", "mounts")
    id_mapped = _has_user_namespace(oci)
    for mount in new:
        same = [place for place, other in enumerate(mounts) if other.get("destination") == mount.container_path]
        if same:
            del mounts[same[0]]
        mounts.append(_oci_mount(mount, id_mapped=id_mapped))
    # Parents before what is mounted below them; otherwise in the order given.
    depths = [_depth(mount.get("destination"), f"mounts[{place}].destination") for place, mount in enumerate(mounts)]
    oci["mounts"] = [mounts[place] for place in sorted(range(len(mounts)), key=depths.__getitem__)]


def _has_user_namespace(oci: dict[str, Any]) -> bool:
    linux = _mapping(oci.get("linux"), "linux")
    return any(namespace.get("type") == "user" for namespace in _objects(linux, "namespaces", "linux.namespaces"))


def _oci_mount(mount: Mount, *, id_mapped: bool) -> dict[str, Any]:
    options = list(mount.options)
    if id_mapped and not {"idmap", "ridmap"} & set(options):
        # The last of bind and rbind decides; a type of bind means the same as the option.
        binds = [_ID_MAP[option] for option in options if option in _ID_MAP]
        options += binds[-1:] or (["idmap"] if mount.type == "bind" else [])
    parts = {"destination": mount.container_path, "type": mount.type, "source": mount.host_path, "options": options}
    return {key: value for key, value in parts.items() if value}


def _depth(destination: object, where: str) -> int:
    """Return the number of slashes in the cleaned path: `/a/../b//c/` has two."""
    if destination is None:
        return 0
    if not isinstance(destination, str):
        raise _wrong_type(destination, "a string", where)
    clean = posixpath.normpath(destination)
    return clean.count("/") - clean.startswith("//")


def _add_hook(oci: dict[str, Any], hook: Hook) -> None:
    if hook.hook_name not in _HOOK_LISTS:
        message = f"unknown hook name {hook.hook_name!r}"
        raise InjectionFailed(message)
    hooks = _section(oci, "hooks")
    added = {"path": hook.path, "args": list(hook.args) or None, "env": list(hook.env) or None, "timeout": hook.timeout}
    hooks[hook.hook_name] = [*_list(hooks, hook.hook_name, f"hooks.{hook.hook_name}"), _present(added)]


def _oci_rdt(rdt: IntelRdt) -> dict[str, Any]:
    settings = {
        "closID": rdt.clos_id,
        "schemata": list(rdt.schemata or ()),
        "l3CacheSchema": rdt.l3_cache_schema,
        "memBwSchema": rdt.mem_bw_schema,
        "enableMonitoring": rdt.enable_monitoring,
    }
    return {key: value for key, value in settings.items() if value}


def _add_gids(oci: dict[str, Any], new: list[int]) -> None:
    user = _section(_section(oci, "process"), "user", "process.user")
    where = "process.user.additionalGids"
    gids = _list(user, "additionalGids", where)
    present = [_uint32(gid, f"{where}[{place}]") for place, gid in enumerate(gids)]
    user["additionalGids"] = gids + [gid for gid in dict.fromkeys(new) if gid not in present]


def _section(parent: dict[str, Any], key: str, where: str | None = None) -> dict[str, Any]:
    """Replace a section of the spec with a copy of it, made when absent, and return the copy."""
    parent[key] = section = dict(_mapping(parent.get(key), where or key))
    return section


def _mapping(value: object, where: str, *, optional: bool = True) -> Mapping[str, Any]:
    if value is None and optional:
        return {}
    if not isinstance(value, Mapping):
        raise _wrong_type(value, "an object", where)
    return value


def _list(parent: Mapping[str, Any], key: str, where: str) -> list[Any]:
    """Return a copy of a list of the spec; empty when absent."""
    value = parent.get(key)
    if value is None:
        return []
    if not isinstance(value, (list, tuple)):
        raise _wrong_type(value, "a list", where)
    return list(value)


def _objects(parent: Mapping[str, Any], key: str, where: str) -> list[Mapping[str, Any]]:
    entries = _list(parent, key, where)
    for place, entry in enumerate(entries):
        if not isinstance(entry, Mapping):
            raise _wrong_type(entry, "an object", f"{where}[{place}]")
    return entries


def _strings(parent: Mapping[str, Any], key: str, where: str) -> list[str]:
    entries = _list(parent, key, where)
    for place, entry in enumerate(entries):
        if not isinstance(entry, str):
            raise _wrong_type(entry, "a string", f"{where}[{place}]")
    return entries


def _uint32(value: object, where: str) -> int:
    if value is None:
        return 0
    if isinstance(value, bool) or not isinstance(value, int) or value not in _UINT32:
        raise _wrong_type(value, "an id from 0 to 4294967295", where)
    return value


def _present(parts: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in parts.items() if value is not None}


def _wrong_type(value: object, wanted: str, where: str) -> InjectionFailed:
    found = _JSON_NAMES.get(type(value)) or type(value).__name__
    message = f"{where}: expected {wanted}, found {found}"
    return InjectionFailed(message, hint="is this an OCI runtime spec (config.json)?")
