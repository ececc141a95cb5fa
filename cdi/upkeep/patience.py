"""What a new spec would take from an old one, and how long it has been so: hardware that is missing may come back."""

from __future__ import annotations

__all__ = ["Patience", "weight"]

from typing import TYPE_CHECKING

import msgspec

from cdi.differing import merged

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cdi.model import ContainerEdits, Spec
    from cdi.upkeep.pace import Timing

Weight = tuple[int, ...]
_NOTHING: Weight = (-1,) * 7  # of a device that is not there: less than one without edits


class _Loss(msgspec.Struct, frozen=True):
    since: float
    looks: int  # that were sure of it
    left: Weight  # what there is instead


def weight(edits: ContainerEdits) -> Weight:
    """Return how much edits bring of each sort: nodes, interfaces, mounts, hooks, their arguments, variables, groups.

    Edits are worse than others when they bring less of any sort, however they are named: a library of another
    version, or a node of another number, is not less.
    """
    return (
        len(edits.device_nodes),
        len(edits.net_devices),
        len(edits.mounts),
        len(edits.hooks),
        sum(len(hook.args) for hook in edits.hooks),
        len(edits.env),
        len(edits.additional_gids),
    )


class Patience:
    """Keeps of the old specs what the new ones lack, until that has been so for long enough.

    A part of a spec is one device, or what all of them share (None). A loss counts from when it was first seen, anew
    whenever it grows, and anew when the part was whole in between.
    """

    def __init__(self, timing: Timing) -> None:
        self._timing = timing
        self._losses: dict[str, dict[str | None, _Loss]] = {}

    def kept(
        self, kind: str, old: Spec | None, new: Spec | None, now: float, *, sure: bool
    ) -> tuple[Spec | None, frozenset[str | None]]:
        """Return the spec to have: the new one, with what must not be taken from the old one yet; and those parts.

        When the host could not be looked at in full, `sure` is false: nothing is given up, and waiting starts again.
        """
        before, after = _parts(old), _parts(new)
        known = self._losses.pop(kind, {})
        losses = {
            part: _loss(known.get(part), after.get(part, _NOTHING), now, sure=sure)
            for part, had in before.items()
            if _is_less(after.get(part, _NOTHING), had)
        }
        if losses:
            self._losses[kind] = losses
        kept = frozenset(part for part, loss in losses.items() if not (sure and self._is_over(loss, now)))
        return (merged(old, new, kept) if old is not None else new), kept

    def _is_over(self, loss: _Loss, now: float) -> bool:
        return loss.looks >= self._timing.looks and now - loss.since >= self._timing.grace


def _loss(known: _Loss | None, left: Weight, now: float, *, sure: bool) -> _Loss:
    """Return a loss as it is after one more look."""
    if known is None or not known.looks or not sure or _is_less(left, known.left):
        return _Loss(now, int(sure), left)
    return _Loss(known.since, known.looks + 1, left)


def _parts(spec: Spec | None) -> Mapping[str | None, Weight]:
    if spec is None:
        return {}
    parts: dict[str | None, Weight] = {None: weight(spec.container_edits)}
    return parts | {device.name: weight(device.container_edits) for device in spec.devices}


def _is_less(one: Weight, other: Weight) -> bool:
    return any(mine < its for mine, its in zip(one, other, strict=True))
