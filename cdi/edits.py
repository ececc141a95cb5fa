"""Container edits as values: append, deduplicate and sort."""

from __future__ import annotations

__all__ = ["append", "deduplicate", "sort"]

from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from msgspec.structs import replace

from cdi.model import ContainerEdits
from cdi.names import natural_key

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

_T = TypeVar("_T")


class _List(NamedTuple):
    """A list of the edits, and what tells its entries apart: of two with one key, runtimes keep the later."""

    name: str
    key: Callable[[Any], Hashable]


_LISTS = (
    _List("env", lambda entry: entry.partition("=")[0]),
    _List("device_nodes", lambda node: node.path),
    _List("net_devices", lambda net: net.host_interface_name),
    _List("mounts", lambda mount: mount.container_path),
    _List("additional_gids", lambda gid: gid),
    _List("hooks", lambda hook: hook),
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
    return replace(edits, **{part.name: _distinct(part, edits) for part in _LISTS})


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
