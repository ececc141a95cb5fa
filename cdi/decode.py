"""Data to model: which fields a spec may hold, of which type, and what is wrong with those it holds.

The rules are those of the decoder in the reference library (Go's encoding/json behind a YAML parser):
keys match without regard to case, unknown and repeated keys are errors, null is the zero value, and
where a string is wanted a number or a boolean becomes one.
"""

from __future__ import annotations

__all__ = ["MAX_PROBLEMS", "Decoded", "canonical", "decode"]

from typing import TYPE_CHECKING, Any

import msgspec

from cdi.document import Alias, Mapping, Node, Scalar, Sequence, target_of
from cdi.model import Spec
from cdi.problem import Problem
from cdi.scalars import key_text, text_of, too_large, whole_of
from cdi.shapes import Shape, fields_of, fold

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_PROBLEMS = 10_000  # of one document; who has more has no spec

_decode_json = msgspec.json.Decoder(Spec).decode
_encode_json = msgspec.json.Encoder().encode


def canonical(text: bytes) -> Spec | None:
    """Return the spec of a text that is written as a careful writer would, or None to look closer.

    A text that comes back as a spec has no syntax, key, type or conversion problem of any kind.
    """
    try:
        if text[:1] == b"{":
            spec = _decode_json(text)
            # YAML and JSON agree on ASCII text without escapes that ends with the brace and has each colon right
            # behind its key. What is lost in decoding, a repeated or a null key, leaves fewer quotes.
            written = _encode_json(spec)
            ordinary = (
                text.isascii()
                and b"\\" not in text
                and b"\x7f" not in text
                and text.rstrip(b" \r\n")[-1:] == b"}"
                and text.count(b'"') == written.count(b'"')
                and text.count(b'":') == written.count(b'":')
            )
            return spec if ordinary else None
        from cdi.syntax import plain_data  # noqa: PLC0415 - clean JSON needs no YAML parser

        data = plain_data(text)
        return None if data is None else msgspec.convert(data, Spec)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None


class Decoded(msgspec.Struct, frozen=True):
    """What decoding gave: a spec, which lacks what an error is about, and None when there is nothing to look at."""

    spec: Spec | None
    problems: tuple[Problem, ...]


def decode(root: Node | None) -> Decoded:
    """Return the spec of a parsed document, with a problem for everything that is odd about it."""
    if root is None or (isinstance(root, Scalar) and root.value is None):
        hint = "a spec has at least cdiVersion, kind and devices"
        problem = Problem(severity="error", rule="empty", message="no spec in this file", line=1, column=1, hint=hint)
        return Decoded(None, (problem,))
    decoder = _Decoder()
    try:
        decoder.count(root)
        data = decoder.struct(root, Spec, "")
    except _Aliasing as error:
        hint = "write the values out instead of repeating them with *aliases"
        problem = Problem(severity="error", rule="aliasing", message=str(error), line=1, column=1, hint=hint)
        return Decoded(None, (*decoder.problems, problem))
    except _TooMany:
        return Decoded(None, tuple(decoder.problems))
    return Decoded(msgspec.convert(data, Spec), tuple(decoder.problems))


class _TooMany(Exception):
    """More problems than anybody reads."""


class _Aliasing(Exception):
    """Aliases that multiply the document."""


_NULL = Scalar(value=None, text="", line=1, column=1)


_TYPE_NAMES = {str: "a string", int: "a whole number", bool: "true or false", list: "a list", dict: "a mapping"}


class _Decoder:
    """One walk over the nodes; everything it says goes to `problems`."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    # What the parser of the reference refuses before it looks at any type.

    def count(self, root: Node) -> None:
        """Raise `_Aliasing` for what the reference calls excessive aliasing, or an alias inside itself."""
        total = aliased = 0
        todo: list[tuple[Node, tuple[Alias, ...]]] = [(root, ())]
        while todo:
            node, path = todo.pop()
            total += 1
            aliased += bool(path)
            if aliased > 100 and total > 1000 and aliased / total > _allowed_aliasing(total):  # noqa: PLR2004
                message = "the document repeats itself too often through aliases"
                raise _Aliasing(message)
            if isinstance(node, Alias):
                if node in path:
                    message = f"alias *{node.name} on line {node.line} contains itself"
                    raise _Aliasing(message)
                todo.append((node.target, (*path, node)))
            elif isinstance(node, Sequence):
                todo.extend((item, path) for item in node.items)
            elif isinstance(node, Mapping):
                todo.extend((part, path) for entry in node.entries for part in entry)

    def error(self, rule: str, message: str, where: str, node: Node, *, hint: str | None = None) -> None:
        self.report(Problem(severity="error", rule=rule, message=message, where=where, hint=hint), node)

    def warn(self, rule: str, message: str, where: str, node: Node, *, hint: str | None = None) -> None:
        self.report(Problem(severity="warning", rule=rule, message=message, where=where, hint=hint), node)

    def report(self, problem: Problem, node: Node) -> None:
        self.problems.append(msgspec.structs.replace(problem, line=node.line, column=node.column))
        if len(self.problems) >= MAX_PROBLEMS:
            raise _TooMany

    # Mappings.

    def entries(self, node: Mapping, where: str) -> Iterator[tuple[str, Node, Node]]:
        """Yield (key, key node, value node), merges (`<<`) expanded, repeated keys reported."""
        seen: set[tuple[type, Any]] = set()
        texts: dict[str, Node] = {}
        for key_node, value in self.merged(node, where):
            key = target_of(key_node)
            if not isinstance(key, Scalar) or key.value is None or too_large(key.value):
                self.error("key-type", "a key must be a string", where, key_node)
                continue
            name = key_text(key.value)
            identity = (type(key.value), key.value)
            if identity in seen and key.value == key.value:  # .nan is not
                message = f"key {name!r} stands here for the second time, first on line {texts[name].line}"
                self.error("duplicate-key", message, _join(where, name), key_node)
                continue
            if name in texts:
                message = f"key {name!r} is another one in YAML on line {texts[name].line}, runtimes take either"
                self.warn("ambiguous-key", message, _join(where, name), key_node, hint="keep one of them")
            seen.add(identity)
            texts.setdefault(name, key_node)
            yield name, key_node, value

    def merged(self, node: Mapping, where: str) -> Iterator[tuple[Node, Node]]:
        for key, value in node.entries:
            if isinstance(key, Scalar) and key.merge:
                yield from self.merge(value, where)
            else:
                yield key, value

    def merge(self, value: Node, where: str) -> Iterator[tuple[Node, Node]]:
        target = target_of(value)
        parts = list(reversed(target.items)) if isinstance(target, Sequence) and target is value else [value]
        for part in parts:
            mapping = target_of(part)
            if isinstance(mapping, Mapping):
                yield from self.merged(mapping, where)
            else:
                self.error("merge", "a merge key '<<' takes a mapping or a list of mappings", where, part)

    def struct(self, node: Node, struct: type, where: str) -> dict[str, Any]:
        """Return plain data for a part of the spec, keys as the spec writes them."""
        data: dict[str, Any] = {}
        target = target_of(node)
        fields = fields_of(struct)
        if isinstance(target, Mapping):
            known: dict[str, list[tuple[str, Node, Node]]] = {}
            for name, key_node, value in self.entries(target, where):
                field = fields.get(fold(name))
                if field is None:
                    self.unknown(name, fields, where, key_node, value)
                else:
                    known.setdefault(field[0], []).append((name, key_node, value))
            for key, shape, _ in fields.values():
                if key in known:
                    self.field(data, key, shape, known[key], where)
        elif not (isinstance(target, Scalar) and target.value is None):
            self.mistyped(node, "a mapping", where)
        for key, shape, required in fields.values():
            if required and data.get(key) is None:
                data[key] = "" if shape.kind is str else () if shape.kind is list else {}
        return {key: value for key, value in data.items() if value is not None}

    def field(
        self, data: dict[str, Any], key: str, shape: Shape, found: list[tuple[str, Node, Node]], where: str
    ) -> None:
        """Decode one field; of keys that differ in case only, the reference takes the last in byte order."""
        for name, key_node, value in sorted(found, key=lambda entry: entry[0].encode()):
            if name != key:
                hint = f"write {key!r}: other tools match keys exactly"
                self.warn("key-case", f"key {name!r} is not written as the spec writes it", where, key_node, hint=hint)
            if len(found) > 1:
                message = f"{len(found)} keys mean {key!r}, runtimes merge them or take the last in byte order"
                self.warn("ambiguous-key", message, _join(where, name), key_node, hint="keep one of them")
            new = self.value(value, shape, _join(where, key))
            old = data.get(key)
            if isinstance(old, dict) and isinstance(new, dict):
                data[key] = {**old, **new}
            elif new is not None or shape.kind in (list, dict):
                data[key] = new

    def unknown(self, name: str, fields: Any, where: str, key_node: Node, value: Node) -> None:
        from difflib import get_close_matches  # noqa: PLC0415 - only to explain

        keys = [key for key, *_ in fields.values()]
        near = get_close_matches(name, keys, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known fields are {', '.join(keys)}"
        self.error("unknown-field", f"unknown field {name!r}", _join(where, name), key_node, hint=hint)
        self.keys_below(value, _join(where, name))

    def keys_below(self, node: Node, where: str) -> None:
        """Report repeated keys of a part that nobody decodes; they are errors there too."""
        if isinstance(node, Mapping):
            for name, _, value in self.entries(node, where):
                self.keys_below(value, _join(where, name))
        elif isinstance(node, Sequence):
            for index, item in enumerate(node.items):
                self.keys_below(item, f"{where}[{index}]")

    # Values.

    def value(self, node: Node, shape: Shape, where: str) -> Any:
        """Return plain data of the wanted shape, None for null and for what does not fit."""
        target = target_of(node)
        if isinstance(target, Scalar) and target.value is None:
            return None
        if shape.kind is list:
            return self.list(node, target, shape.item or shape, where)
        if shape.kind is dict:
            return self.strings(node, target, where)
        if shape.kind in (str, int, bool):
            if not isinstance(target, Scalar):
                return self.mistyped(node, _TYPE_NAMES[shape.kind], where)
            return self.scalar(node, target, shape, where)
        return self.struct(node, shape.kind, where)

    def list(self, node: Node, target: Node, item: Shape, where: str) -> Any:
        if not isinstance(target, Sequence):
            return self.mistyped(node, "a list", where)
        values = []
        for index, part in enumerate(target.items):
            inside = f"{where}[{index}]"
            value = self.value(part, item, inside)
            if value is None and item.kind not in (str, int) and _is_null(part):
                hint = "remove the entry: a stray '-' or 'null' here makes container runtimes crash"
                self.error("null-entry", "null where a mapping is needed", inside, part, hint=hint)
            if value is None:
                value = "" if item.kind is str else 0 if item.kind is int else self.struct(_NULL, item.kind, inside)
            values.append(value)
        return values

    def strings(self, node: Node, target: Node, where: str) -> Any:
        if not isinstance(target, Mapping):
            return self.mistyped(node, "a mapping", where)
        text = Shape(str)
        return {
            name: self.value(value, text, _join(where, name)) or "" for name, _, value in self.entries(target, where)
        }

    def scalar(self, node: Node, scalar: Scalar, shape: Shape, where: str) -> Any:
        value = scalar.value
        if shape.kind is str:
            return value if isinstance(value, str) else self.converted(node, scalar, where)
        if shape.kind is bool:
            return value if isinstance(value, bool) else self.mistyped(node, "true or false", where)
        number = whole_of(value, unsigned=shape.low == 0)
        if number is None:
            return self.mistyped(node, "a whole number", where)
        if not shape.low <= number <= shape.high:
            message = f"{number} is out of range, from {shape.low} to {shape.high}"
            return self.error("number-range", message, where, node)
        return number

    def converted(self, node: Node, scalar: Scalar, where: str) -> str:
        value = scalar.value
        text = text_of(value)
        kind = {bool: "a boolean", int: "a number", float: "a number"}[type(value)]
        what = "stays" if text == scalar.text else "becomes"
        message = f"{scalar.text} without quotes is {kind} in YAML and {what} the string {text!r}"
        self.warn("scalar-conversion", message, where, node, hint=f"write it in quotes: {scalar.text!r}")
        return text

    def mistyped(self, node: Node, wanted: str, where: str) -> None:
        target = target_of(node)
        if isinstance(target, Scalar):
            got = (
                "null"
                if target.value is None
                else f"{_TYPE_NAMES.get(type(target.value), 'a number')}, {_short(target)}"
            )
        else:
            got = "a list" if isinstance(target, Sequence) else "a mapping"
        hint = None
        if wanted == "a whole number" and isinstance(target, Scalar) and isinstance(target.value, str):
            hint = "numbers are written without quotes"
        self.error("wrong-type", f"expected {wanted}, got {got}", where, node, hint=hint)


def _allowed_aliasing(total: int) -> float:
    """The share of a document that may come from aliases: 99 % of a small one, 10 % of a large one."""
    low, high = 400_000, 4_000_000
    return 0.99 - 0.89 * min(max(total - low, 0) / (high - low), 1.0)


def _is_null(node: Node) -> bool:
    target = target_of(node)
    return isinstance(target, Scalar) and target.value is None


def _short(scalar: Scalar) -> str:
    limit = 40
    return repr(scalar.text if len(scalar.text) <= limit else scalar.text[:limit] + "…")


def _join(where: str, key: str) -> str:
    return f"{where}.{key}" if where else key
