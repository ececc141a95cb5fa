"""A document as values: what stands in a text, with a line and a column for every key and value."""

from __future__ import annotations

__all__ = [
    "MAX_BYTES",
    "MAX_DEPTH",
    "MAX_VALUES",
    "Alias",
    "Document",
    "DocumentError",
    "Mapping",
    "Node",
    "Scalar",
    "Sequence",
    "target_of",
]

from typing import Any, Union

import msgspec

MAX_BYTES = 4 * 1024 * 1024  # a spec of 500 devices has half a megabyte
MAX_VALUES = 400_000  # keys and values of a document; a spec of 500 devices has some 10 000
MAX_DEPTH = 100  # no valid spec nests deeper than 8


class Scalar(msgspec.Struct, gc=False, eq=False):
    """A value: str, int, float, bool or None, as the reference resolves it; `text` is what stands in the file."""

    value: Any
    text: str
    line: int
    column: int
    merge: bool = False  # a plain `<<`, which as a key stands for the entries of its value


class Sequence(msgspec.Struct, eq=False):
    """A list of nodes."""

    items: list[Node]
    line: int
    column: int


class Mapping(msgspec.Struct, eq=False):
    """Keys and values in the order of the file, duplicates included."""

    entries: list[tuple[Node, Node]]
    line: int
    column: int


class Alias(msgspec.Struct, eq=False):
    """A reference (`*name`) to a node that stands elsewhere."""

    target: Node
    name: str
    line: int
    column: int


Node = Union[Scalar, Sequence, Mapping, Alias]  # noqa: UP007 - evaluated on Python 3.10 for msgspec


def target_of(node: Node) -> Scalar | Sequence | Mapping:
    """Return the node itself, or what an alias leads to in the end."""
    while isinstance(node, Alias):
        node = node.target
    return node


class Document(msgspec.Struct):
    """The first document of a text; `rest_line` is where anything behind it starts, counted from 1."""

    root: Node | None
    rest_line: int | None = None


class DocumentError(Exception):
    """Text that is not a document; `rule` names what is wrong with it, line and column count from 1."""

    def __init__(self, message: str, *, rule: str, line: int = 1, column: int = 1, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.rule = rule
        self.line = line
        self.column = column
        self.hint = hint
