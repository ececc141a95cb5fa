"""The types of the model as tables for the decoder: which keys a part of a spec has, and what each takes."""

from __future__ import annotations

__all__ = ["Shape", "fields_of", "fold"]

from typing import Any, Union, get_args, get_origin

import msgspec


class Shape(msgspec.Struct, frozen=True):
    """What a field takes: a Python type, or a list of such."""

    kind: Any  # str, int, bool, dict (of strings), a Struct, or list
    item: Shape | None = None
    low: int = 0
    high: int = 0


def shape_of(annotation: Any) -> Shape:
    arguments = [a for a in get_args(annotation) if a is not type(None)]
    origin = get_origin(annotation)
    if origin is tuple:
        return Shape(list, shape_of(arguments[0]))
    if origin is Union or str(origin) == "<class 'types.UnionType'>":
        return shape_of(arguments[0])
    metadata = getattr(annotation, "__metadata__", ())
    if metadata:
        return Shape(int, low=metadata[0].ge, high=metadata[0].le)
    return Shape(dict if len(arguments) == 2 else annotation)  # noqa: PLR2004 - Mapping[str, str]


_known: dict[type, dict[str, tuple[str, Shape, bool]]] = {}


def fields_of(struct: type) -> dict[str, tuple[str, Shape, bool]]:
    """Return folded key → (key, shape, required), in the order of the spec."""
    known = _known.get(struct)
    if known is None:
        known = {
            fold(f.encode_name): (f.encode_name, shape_of(f.type), f.required) for f in msgspec.structs.fields(struct)
        }
        _known[struct] = known
    return known


def fold(key: str) -> str:
    """Fold case as Go does: ASCII, and the two letters outside ASCII that fold into it."""
    return key.lower().replace("\u017f", "s").replace("\u212a", "k")
