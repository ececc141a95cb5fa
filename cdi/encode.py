"""Model to text and plain data: stable key order, absent fields left out."""

from __future__ import annotations

__all__ = ["dump", "to_data"]

import re
from operator import is_
from typing import Any, Literal

import msgspec

from cdi.model import NO_EDITS, ContainerEdits, DeviceNode, NetDevice, Spec


def to_data(value: msgspec.Struct) -> dict[str, Any]:
    """Return a spec, or a part of one, as dicts, lists, strings and numbers, keys as the CDI spec writes them."""
    data: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(_lean(value)))
    return data


def dump(spec: Spec, *, format: Literal["yaml", "json"] = "yaml") -> str:  # noqa: A002 - the public contract
    """Return a spec as text that ends with a newline; every reader of CDI specs takes both formats."""
    if format == "json":
        text = msgspec.json.format(msgspec.json.encode(_lean(spec)), indent=2).decode() + "\n"
        return text if text.isascii() and "\x7f" not in text else re.sub(_NOT_YAML, _escape, text)
    from cdi.yaml_text import to_yaml  # noqa: PLC0415 - JSON needs none of it

    return to_yaml(to_data(spec))


def _lean(value: Any) -> Any:
    """Return a value whose empty parts are the defaults themselves: msgspec leaves those out, but not their equals.

    Before Python 3.11, an empty tuple that was made from a generator is another one than `()`.
    """
    if isinstance(value, tuple):
        items = tuple(map(_lean, value))
        return value if items and all(map(is_, items, value)) else items or ()
    if isinstance(value, (str, DeviceNode, NetDevice)):  # which have no parts, and are most of a spec
        return value
    if isinstance(value, ContainerEdits) and not value:
        return NO_EDITS
    if isinstance(value, msgspec.Struct):
        parts = {name: getattr(value, name) for name in value.__struct_fields__}
        changed = {name: lean for name, part in parts.items() if (lean := _lean(part)) is not part}
        return msgspec.structs.replace(value, **changed) if changed else value
    return value


# Fine in JSON, but YAML parsers, which runtimes read JSON with, refuse these characters or take them for line breaks.
_NOT_YAML = "[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]"


def _escape(match: re.Match[str]) -> str:
    return f"\\u{ord(match[0]):04x}"
