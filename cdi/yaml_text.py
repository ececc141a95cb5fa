"""Plain data to YAML that every YAML reader, 1.1 or 1.2, reads back as the same data."""

from __future__ import annotations

__all__ = ["to_yaml"]

from functools import lru_cache
from io import StringIO
from typing import Any

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

_PYYAML = yaml.resolver.Resolver()
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
    _emit(data, dumper)
    dumper.emit(DocumentEndEvent(explicit=False))
    dumper.emit(StreamEndEvent())
    return text.getvalue()


def _emit(value: Any, dumper: yaml.CSafeDumper) -> None:
    if isinstance(value, str):
        dumper.emit(ScalarEvent(None, None, (True, True), value, style="'" if _is_ambiguous(value) else None))
    elif isinstance(value, dict):
        dumper.emit(MappingStartEvent(None, None, implicit=True, flow_style=not value))
        for key, entry in value.items():
            _emit(key, dumper)
            _emit(entry, dumper)
        dumper.emit(MappingEndEvent())
    elif isinstance(value, (list, tuple)):
        dumper.emit(SequenceStartEvent(None, None, implicit=True, flow_style=not value))
        for entry in value:
            _emit(entry, dumper)
        dumper.emit(SequenceEndEvent())
    else:
        dumper.emit(ScalarEvent(None, None, (True, False), dumper.represent_data(value).value))


@lru_cache(maxsize=1 << 14)
def _is_ambiguous(text: str) -> bool:
    """Return whether some reader takes a plain string for something else: y, 0o10 and 1e3, or with PyYAML 12:30:45."""
    tag: str = _PYYAML.resolve(yaml.ScalarNode, text, (True, False))  # type: ignore[no-untyped-call]
    return tag != _STRING or not isinstance(resolve(text), str)
