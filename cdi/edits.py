"""Container edits as values: append, deduplicate, sort, and find what several have in common."""

from __future__ import annotations

__all__ = ["append", "common", "deduplicate", "sort"]

from itertools import chain, takewhile
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from msgspec.structs import replace

from cdi.model import ContainerEdits
from cdi.names import natural_key

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Sequence

_T = TypeVar("_T")


class _List(NamedTuple):
    """A list of the edits, and what tells its entries apart: of two with one key, runtimes keep the later."""

    name: str
    key: Callable[[Any], Hashable]


_HOOKS = _List("hooks", lambda hook: hook)
_NODES = (
    _List("device_nodes", lambda node: node.path),
    _List("net_devices", lambda net: net.host_interface_name),
)
_UNORDERED = (
    _List("env", lambda entry: entry.partition("=")[0]),
    *_NODES,
    _List("mounts", lambda mount: mount.container_path),
    _List("additional_gids", lambda gid: gid),
)


def append(first: ContainerEdits, *more: ContainerEdits) -> ContainerEdits:
    """Return all edits in order, as one; of several `intelRdt` the last one stays."""
    if not more:
        return first
    every = (first, *more)
    return ContainerEdits(
        env=_chain([edits.env for edits in every]),
        device_nodes=_chain([edits.device_nodes for edits in every]),
        net_devices=_chain([edits.net_devices for edits in every]),
        hooks=_chain([edits.hooks for edits in every]),
        mounts=_chain([edits.mounts for edits in every]),
        intel_rdt=next((e.intel_rdt for e in reversed(every) if e.intel_rdt is not None), None),
        additional_gids=_chain([edits.additional_gids for edits in every]),
    )


def deduplicate(edits: ContainerEdits) -> ContainerEdits:
    """Return the edits without entries that repeat an earlier one to no effect.

    `A=1 A=2 A=1` stays as it is: its last entry undoes the second.
    """
    return replace(edits, **{part.name: _distinct(part, edits) for part in (*_UNORDERED, _HOOKS)})


def sort(edits: ContainerEdits) -> ContainerEdits:
    """Return the edits with every list in a stable order and with the same effect.

    Numbers sort as numbers, parents come before what is mounted below them. Hooks stay: they run in order.
    """
    return replace(
        edits,
        env=tuple(sorted(edits.env, key=lambda entry: natural_key(entry.partition("=")[0]))),
        device_nodes=tuple(sorted(edits.device_nodes, key=lambda node: natural_key(node.path))),
        net_devices=tuple(sorted(edits.net_devices, key=lambda net: natural_key(net.host_interface_name))),
        mounts=tuple(sorted(edits.mounts, key=lambda mount: [natural_key(p) for p in mount.container_path.split("/")])),
        additional_gids=tuple(sorted(edits.additional_gids)),
    )


def common(every: Sequence[ContainerEdits]) -> tuple[ContainerEdits, tuple[ContainerEdits, ...]]:
    """Return what all edits have in common, and each without it.

    Applying the first and then one of the rest has the effect that the whole had. So an entry that another
    one of the same name or path overrides stays where it is, and of the hooks only those that all begin with
    are shared. A rest is never empty, since a device without edits is invalid: where it would be, device nodes
    and network devices stay with their devices, and failing that nothing is shared.
    """
    if len(every) > 1:
        rdts = [edits.intel_rdt for edits in every]
        shared = ContainerEdits(
            **{part.name: _shared(part, every) for part in _UNORDERED},
            hooks=_common_prefix([edits.hooks for edits in every]),
            intel_rdt=rdts[0] if all(rdt == rdts[0] for rdt in rdts) else None,
        )
        without_nodes = replace(shared, **{part.name: () for part in _NODES})
        for candidate in (shared, without_nodes):
            rests = tuple(_without(edits, candidate) for edits in every)
            if all(rests):
                return candidate, rests
    return ContainerEdits(), tuple(every)


# `or ()`: before Python 3.11, an empty tuple made from a generator is another one than `()`, the default of every list,
# and msgspec leaves out of its output the very default only.


def _chain(parts: list[tuple[_T, ...]]) -> tuple[_T, ...]:
    filled = [part for part in parts if part]
    return filled[0] if len(filled) == 1 else tuple(chain.from_iterable(filled)) or ()


def _distinct(part: _List, edits: ContainerEdits) -> tuple[Any, ...]:
    kept = []
    latest: dict[Hashable, Any] = {}
    for entry in getattr(edits, part.name):
        key = part.key(entry)
        if key not in latest or latest[key] != entry:
            latest[key] = entry
            kept.append(entry)
    return tuple(kept)


def _shared(part: _List, every: Sequence[ContainerEdits]) -> tuple[Any, ...]:
    lists = [getattr(edits, part.name) for edits in every]
    sole = [_sole_entries(part, entries) for entries in lists]
    return tuple(entry for key, entry in sole[0].items() if all(key in s and s[key] == entry for s in sole)) or ()


def _sole_entries(part: _List, entries: Iterable[Any]) -> dict[Hashable, Any]:
    """Return the entries that no other one of the same key overrides, by key."""
    sole: dict[Hashable, Any] = {}
    overridden = set()
    for entry in entries:
        key = part.key(entry)
        if sole.setdefault(key, entry) != entry:
            overridden.add(key)
    return {key: entry for key, entry in sole.items() if key not in overridden}


def _common_prefix(lists: Sequence[tuple[_T, ...]]) -> tuple[_T, ...]:
    same = takewhile(lambda row: all(entry == row[0] for entry in row), zip(*lists, strict=False))
    return tuple(row[0] for row in same) or ()


def _without(edits: ContainerEdits, shared: ContainerEdits) -> ContainerEdits:
    return replace(
        edits,
        **{part.name: _others(getattr(edits, part.name), getattr(shared, part.name)) for part in _UNORDERED},
        hooks=edits.hooks[len(shared.hooks) :],
        intel_rdt=None if shared.intel_rdt is not None else edits.intel_rdt,
    )


def _others(entries: tuple[_T, ...], shared: tuple[_T, ...]) -> tuple[_T, ...]:
    gone = frozenset(shared)
    return tuple(entry for entry in entries if entry not in gone) or ()
