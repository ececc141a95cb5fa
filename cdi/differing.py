"""How two specs differ, device by device, and one of both."""

from __future__ import annotations

__all__ = ["Change", "changes", "merged", "with_lent"]

from itertools import chain
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace

from cdi.encode import to_data
from cdi.names import natural_key
from cdi.versions import needed_version

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cdi.model import Device, Spec

_ALL = "all"
_SPEC_FIELDS = ("cdiVersion", "kind", "annotations", "containerEdits")


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """A difference; `device` is None for the spec's own, `old` or `new` is None for what is on one side only.

    A list that has the same entries in another order has both, and `reordered`.
    """

    device: str | None
    what: str
    old: Any = None
    new: Any = None
    reordered: bool = False


def changes(old: Spec, new: Spec) -> Iterator[Change]:
    """Yield the differences, those of the specs themselves first, then those of each device."""
    first, second = to_data(old), to_data(new)
    for field in _SPEC_FIELDS:
        yield from _compare(None, field, first.get(field), second.get(field))
    ours = {device["name"]: device for device in first["devices"]}
    theirs = {device["name"]: device for device in second["devices"]}
    for name in sorted(ours.keys() | theirs.keys(), key=natural_key):
        if name not in ours or name not in theirs:
            yield Change(device=name, what="device", old=ours.get(name), new=theirs.get(name))
            continue
        yield from _compare(name, "annotations", ours[name].get("annotations"), theirs[name].get("annotations"))
        yield from _compare(name, "containerEdits", ours[name]["containerEdits"], theirs[name]["containerEdits"])


def merged(old: Spec, new: Spec | None, kept: frozenset[str | None]) -> Spec | None:
    """Return the new spec with the parts of the old one that are kept; None when no device is left."""
    if not kept - {None}:
        if new is None or not kept:
            return new
        spec = replace(new, container_edits=old.container_edits)
        return replace(spec, cdi_version=needed_version(spec))
    base = new or old
    devices: dict[str, Device] = {device.name: device for device in (new.devices if new else ())}
    devices |= {device.name: device for device in old.devices if device.name in kept}
    spec = replace(
        base,
        devices=tuple(sorted(devices.values(), key=lambda device: (device.name == _ALL, natural_key(device.name)))),
        container_edits=old.container_edits if None in kept else base.container_edits,
    )
    return replace(spec, cdi_version=needed_version(spec))


def with_lent(old: Spec | None, new: Spec | None, lent: Iterable[str]) -> Spec | None:
    """Return the new spec with the devices that containers have now as the old one has them, and with its `all`."""
    before, after = (
        {device.name for device in spec.devices} if spec is not None else set[str]() for spec in (old, new)
    )
    kept = before.intersection(lent) - after
    return merged(old, new, frozenset(kept | (before & {_ALL}))) if old is not None and kept else new


def _compare(device: str | None, what: str, old: Any, new: Any) -> Iterator[Change]:
    if old == new:
        return
    if isinstance(old or new, dict) and isinstance(old or {}, dict) and isinstance(new or {}, dict):
        for key in dict.fromkeys(chain(old or (), new or ())):
            yield from _compare(device, f"{what}.{key}", (old or {}).get(key), (new or {}).get(key))
    elif isinstance(old or new, (list, tuple)):
        yield from _compare_lists(device, what, list(old or ()), list(new or ()))
    else:
        yield Change(device=device, what=what, old=old, new=new)


def _compare_lists(device: str | None, what: str, old: list[Any], new: list[Any]) -> Iterator[Change]:
    gone, come = _without(old, new), _without(new, old)
    if not gone and not come:
        yield Change(device=device, what=what, old=old, new=new, reordered=True)
    yield from (Change(device=device, what=what, old=entry) for entry in gone)
    yield from (Change(device=device, what=what, new=entry) for entry in come)


def _without(entries: list[Any], others: list[Any]) -> list[Any]:
    """Return the entries that the other list lacks; of two alike, each needs its own match."""
    left = list(others)
    missing = []
    for entry in entries:
        if entry in left:
            left.remove(entry)
        else:
            missing.append(entry)
    return missing
