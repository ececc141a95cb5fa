"""Plain data to YAML that every YAML reader, 1.1 or 1.2, reads back as the same data."""

from __future__ import annotations

__all__ = ["to_yaml"]

from functools import lru_cache
from io import StringIO
from typing import TYPE_CHECKING, Any

import yaml
from yaml.events import (
    DocumentEndEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
    StreamStartEvent,
)

from cdi.scalars import resolve

if TYPE_CHECKING:
    from collections.abc import Callable

    from yaml.events import Event

_PYYAML_READS = yaml.resolver.Resolver()
_PYYAML_WRITES = yaml.representer.SafeRepresenter()
_STRING = "tag:yaml.org,2002:str"


def to_yaml(data: Any) -> str:
    """Return dicts, lists, strings, numbers and booleans as one YAML document in block style.

    Events go to libyaml's emitter directly: for a spec with hundreds of devices, the tree of nodes that PyYAML makes of
    data first takes most of the time.
    """
    text = StringIO()
    dumper = yaml.CSafeDumper(text, allow_unicode=True, width=2**31 - 1)
    dumper.emit(StreamStartEvent())
    dumper.emit(DocumentStartEvent(explicit=False))
    _emit(data, dumper.emit)
    dumper.emit(DocumentEndEvent(explicit=False))
    dumper.emit(StreamEndEvent())
    return text.getvalue()


# Start and end of what has entries, and of what has none.
_MAPPING, _NO_MAPPING = (MappingStartEvent(None, None, implicit=True, flow_style=flow) for flow in (False, True))
_SEQUENCE, _NO_SEQUENCE = (SequenceStartEvent(None, None, implicit=True, flow_style=flow) for flow in (False, True))
_MAPPING_END, _SEQUENCE_END = MappingEndEvent(), SequenceEndEvent()


def _emit(value: Any, emit: Callable[[Event], None]) -> None:
    if isinstance(value, str):
        emit(_scalar(value))
    elif isinstance(value, dict):
        emit(_MAPPING if value else _NO_MAPPING)
        for key, entry in value.items():
            emit(_scalar(key))
            _emit(entry, emit)
        emit(_MAPPING_END)
    elif isinstance(value, (list, tuple)):
        emit(_SEQUENCE if value else _NO_SEQUENCE)
        for entry in value:
            _emit(entry, emit)
        emit(_SEQUENCE_END)
    else:
        emit(ScalarEvent(None, None, (True, False), _PYYAML_WRITES.represent_data(value).value))


@lru_cache(maxsize=1 << 14)
def _scalar(text: str) -> ScalarEvent:
    return ScalarEvent(None, None, (True, True), text, style="'" if _is_ambiguous(text) else None)


def _is_ambiguous(text: str) -> bool:
    """Return whether some reader takes a plain string for something else: y, 0o10 and 1e3, or with PyYAML 12:30:45."""
    tag: str = _PYYAML_READS.resolve(yaml.ScalarNode, text, (True, False))  # type: ignore[no-untyped-call]
    return tag != _STRING or not isinstance(resolve(text), str)
