"""Versions of the CDI spec: which one a spec needs, and what lowering it costs."""

from __future__ import annotations

__all__ = [
    "EARLIEST",
    "LATEST",
    "VERSIONS",
    "Downgraded",
    "Dropped",
    "Refused",
    "at_least",
    "downgrade",
    "lower",
    "lowest",
    "minimum_version",
    "needed_version",
]

from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from cdi.errors import CdiError, UsageError
from cdi.model import Spec  # noqa: TC001 - msgspec reads the annotations of Downgraded

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cdi.model import ContainerEdits, Device, DeviceNode, Mount

VERSIONS = ("0.1.0", "0.2.0", "0.3.0", "0.4.0", "0.5.0", "0.6.0", "0.7.0", "0.8.0", "1.0.0", "1.1.0")
LATEST = VERSIONS[-1]
EARLIEST = "0.3.0"  # what the reference gives a spec that uses nothing newer


class Dropped(msgspec.Struct, frozen=True, kw_only=True):
    """Something that a lower version cannot say, and what its absence costs."""

    where: str
    what: str
    cost: str


class Refused(msgspec.Struct, frozen=True, kw_only=True):
    """Something without which a device would not be what it is, and that a lower version cannot say."""

    where: str
    message: str
    hint: str


class Downgraded(msgspec.Struct, frozen=True, kw_only=True):
    """A spec for an older version, and what had to go; with anything `refused` it is of no use."""

    spec: Spec
    dropped: tuple[Dropped, ...] = ()
    refused: tuple[Refused, ...] = ()


def needed_version(spec: Spec) -> str:
    """Return the lowest version whose runtimes know every field of the spec (SPEC.md, "Released versions")."""
    return max(_name_version(spec), *(_edits_version(e, fields=True) for e in _edits(spec)))


def minimum_version(spec: Spec) -> str:
    """Return the lowest version that the reference library accepts for the spec.

    That is `needed_version`, but for a flaw of the reference: built as Go 1.19 to 1.21 it looks for `hostPath`
    and for mount types in the last device and in the spec's own edits only (specs-go/version.go, a loop variable
    whose address is kept).
    """
    seen = (spec.container_edits, *(device.container_edits for device in spec.devices[-1:]))
    unseen = (device.container_edits for device in spec.devices[:-1])
    versions = [_edits_version(e, fields=True) for e in seen]
    versions += [_edits_version(e, fields=False) for e in unseen]
    return max(_name_version(spec), *versions)


def _edits(spec: Spec) -> Iterator[ContainerEdits]:
    yield spec.container_edits
    for device in spec.devices:
        yield device.container_edits


def _name_version(spec: Spec) -> str:
    """Return what annotations and names need."""
    if spec.annotations or "." in spec.kind.partition("/")[2] or any([device.annotations for device in spec.devices]):
        return "0.6.0"
    return "0.5.0" if any([device.name[:1] in _DIGITS for device in spec.devices]) else EARLIEST


def _edits_version(edits: ContainerEdits, *, fields: bool) -> str:
    """Return what edits need, with or without the fields of device nodes and mounts."""
    rdt = edits.intel_rdt
    if edits.net_devices or (rdt is not None and (rdt.schemata is not None or rdt.enable_monitoring)):
        return "1.1.0"
    if edits.additional_gids or rdt is not None:
        return "0.7.0"
    if fields and any([node.host_path for node in edits.device_nodes]):
        return "0.5.0"
    return "0.4.0" if fields and any([mount.type for mount in edits.mounts]) else EARLIEST


_DIGITS = frozenset("0123456789")


def at_least(version: str, other: str) -> bool:
    """Return whether a known version, with or without a leading `v`, is `other` or newer."""
    return VERSIONS.index(version.removeprefix("v")) >= VERSIONS.index(other)


def lowest(versions: Iterable[str]) -> str:
    """Return the lowest of some versions, with or without a leading `v`; raise `UsageError` for an unknown one."""
    every = [version.removeprefix("v") for version in versions]
    for version in every:
        _refuse_unknown(version)
    return min(every, key=VERSIONS.index)


def _refuse_unknown(version: str) -> None:
    if version not in VERSIONS:
        message = f"unknown CDI version {version!r}"
        raise UsageError(message, hint=f"known versions are {', '.join(VERSIONS)}")


def downgrade(spec: Spec, version: str) -> Downgraded:
    """Return the spec as a runtime that knows `version` loads it, naming what was dropped and the cost.

    The result carries `version`, or the spec's own if that is lower. Raises `UsageError` for an unknown
    version, and `CdiError` naming the device when what it is cannot be said in that version.
    """
    lowered = lower(spec, version)
    if lowered.refused:
        raise CdiError(lowered.refused[0].message, hint=lowered.refused[0].hint)
    return lowered


def _says_nothing(edits: ContainerEdits) -> bool:
    """Return whether edits bring nothing into a container that a variable or a group could be about."""
    return not replace(edits, env=(), additional_gids=())


def lower(spec: Spec, version: str) -> Downgraded:
    """Return what `downgrade` does, with all that it would refuse in place of an error."""
    cap = version.removeprefix("v")
    _refuse_unknown(cap)
    if not at_least(cap, EARLIEST):
        message = f"runtimes refuse every spec of a version below {EARLIEST}, it cannot be lowered to {cap}"
        raise CdiError(message, hint=f"{EARLIEST} is as low as it goes")
    refused = list(_refused(spec, cap))
    dropped: list[Dropped] = []
    edits = _lower_edits(spec.container_edits, cap, "containerEdits", dropped)
    devices: list[Device] = []
    for i, device in enumerate(spec.devices):
        before = len(dropped)
        lowered = _lower_device(device, cap, f"devices[{i}]", dropped)
        devices.append(lowered)
        had, has = device.container_edits, lowered.container_edits
        if has is not had and ((had and not has) or (_says_nothing(has) and not _says_nothing(had))):
            message = f"device {device.name!r} is nothing without what CDI {cap} lacks, it cannot be lowered"
            lost = ", ".join(d.what for d in dropped[before:] if d.what != "annotations")
            refused.append(Refused(where=f"devices[{i}]", message=message, hint=f"all it has is {lost or 'nothing'}"))
    annotations = spec.annotations
    if annotations and not at_least(cap, "0.6.0"):
        dropped.append(Dropped(where="annotations", what="annotations", cost=_COST["annotations"]))
        annotations = {}
    own = spec.cdi_version.removeprefix("v")
    target = own if own in VERSIONS and at_least(cap, own) else cap
    return Downgraded(
        spec=replace(spec, cdi_version=target, annotations=annotations, devices=tuple(devices), container_edits=edits),
        dropped=tuple(dropped),
        refused=tuple(refused),
    )


_COST = {
    "hostPath": "a device is there under its own path only, and not under those that lead to it",
    "annotations": "tools that read annotations no longer see them; containers get the same",
    "netDevices": "the network interface is not moved into the container",
    "additionalGids": "a process that is not root may lack the group that may open the device",
    "intelRdt": "no cache or memory bandwidth is set aside",
    "schemata": "the cache and bandwidth limits given as schemata are not set",
    "enableMonitoring": "no monitoring group is made",
}


def _refused(spec: Spec, cap: str) -> Iterator[Refused]:
    """Yield names, nodes and mounts that a version does not have."""
    if "." in spec.class_ and not at_least(cap, "0.6.0"):
        message = f"kind {spec.kind!r} needs CDI 0.6.0, it cannot be lowered to {cap}"
        hint = "a class with a dot is not allowed before 0.6.0: choose another class"
        yield Refused(where="kind", message=message, hint=hint)
    seen: set[str] = set()
    for i, device in enumerate(() if at_least(cap, "0.5.0") else spec.devices):
        name = spec.qualified_name(device)
        if device.name[:1] in _DIGITS:
            message = f"device '{name}' needs CDI 0.5.0, it cannot be lowered to {cap}"
            hint = "a device name that starts with a digit is not allowed before 0.5.0"
            yield Refused(where=f"devices[{i}].name", message=message, hint=hint)
        nodes = dict(_placed_nodes(device.container_edits, f"devices[{i}].containerEdits"))
        nodes |= dict(_placed_nodes(spec.container_edits, "containerEdits"))
        paths = {node.path for node in nodes.values() if _is_itself(node)}
        for where, node in nodes.items():
            if not _is_itself(node) and node.host_path not in paths and where not in seen:
                seen.add(where)
                message = (
                    f"device '{name}' needs CDI 0.5.0 for hostPath {node.host_path!r}, it cannot be lowered to {cap}"
                )
                hint = "before 0.5.0 a device node has the same path in the container"
                yield Refused(where=f"{where}.hostPath", message=message, hint=hint)
    yield from () if at_least(cap, "0.4.0") else _refused_mounts(spec)


def _placed_nodes(edits: ContainerEdits, where: str) -> Iterator[tuple[str, DeviceNode]]:
    for i, node in enumerate(edits.device_nodes):
        yield f"{where}.deviceNodes[{i}]", node


def _is_itself(node: DeviceNode) -> bool:
    """Return whether a node has the path in the container that it has on the host."""
    return not node.host_path or node.host_path == node.path


def _refused_mounts(spec: Spec) -> Iterator[Refused]:
    places = [f"devices[{i}].containerEdits" for i in range(len(spec.devices))]
    for place, edits in zip(("containerEdits", *places), _edits(spec), strict=True):
        for i, mount in enumerate(edits.mounts):
            if mount.type and mount.type != "bind":
                message = f"mount {mount.container_path!r} of type {mount.type!r} needs CDI 0.4.0, it cannot be lowered"
                hint = "before 0.4.0 there are only bind mounts"
                yield Refused(where=f"{place}.mounts[{i}].type", message=message, hint=hint)


def _lower_device(device: Device, cap: str, where: str, dropped: list[Dropped]) -> Device:
    edits = _lower_edits(device.container_edits, cap, f"{where}.containerEdits", dropped)
    annotations = device.annotations
    if annotations and not at_least(cap, "0.6.0"):
        dropped.append(Dropped(where=f"{where}.annotations", what="annotations", cost=_COST["annotations"]))
        annotations = {}
    return replace(device, annotations=annotations, container_edits=edits)


def _lower_edits(  # noqa: C901 - one step a version
    edits: ContainerEdits, cap: str, where: str, dropped: list[Dropped]
) -> ContainerEdits:
    """Return edits as a version can say them; from 0.5.0 on, the same value if it can say all."""
    if at_least(cap, "0.5.0") and at_least(cap, _edits_version(edits, fields=True)):
        return edits

    def drop(path: str) -> None:
        what = path.rpartition(".")[2]
        dropped.append(Dropped(where=f"{where}.{path}", what=what, cost=_COST[what]))

    rdt = edits.intel_rdt
    if not at_least(cap, "1.1.0"):
        if edits.net_devices:
            drop("netDevices")
            edits = replace(edits, net_devices=())
        if rdt is not None and at_least(cap, "0.7.0"):
            if rdt.schemata is not None:
                drop("intelRdt.schemata")
            if rdt.enable_monitoring:
                drop("intelRdt.enableMonitoring")
            edits = replace(edits, intel_rdt=replace(rdt, schemata=None, enable_monitoring=False))
    if not at_least(cap, "0.7.0"):
        if edits.additional_gids:
            drop("additionalGids")
        if rdt is not None:
            drop("intelRdt")
        edits = replace(edits, additional_gids=(), intel_rdt=None)
    if not at_least(cap, "0.5.0"):
        nodes = tuple(replace(node, host_path=None) for node in edits.device_nodes if _is_itself(node))
        if len(nodes) < len(edits.device_nodes):
            drop("deviceNodes.hostPath")
        edits = replace(edits, device_nodes=nodes or ())
    if not at_least(cap, "0.4.0"):
        mounts = tuple(_untyped(mount) for mount in edits.mounts)
        edits = replace(edits, mounts=mounts)
    return edits


def _untyped(mount: Mount) -> Mount:
    if not mount.type:
        return mount
    bind = () if {"bind", "rbind"} & set(mount.options) else ("bind",)
    return replace(mount, type=None, options=mount.options + bind)
