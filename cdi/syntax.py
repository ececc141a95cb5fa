"""YAML and JSON text to documents, read as runtimes read it; the only module that knows their syntax.

Runtimes read `.json` and `.yaml` files alike with one YAML 1.1 parser (goyaml v2), so there is one reader here
too. Syntax is left to libyaml; what goyaml does differently is in this module.
"""

from __future__ import annotations

__all__ = ["parse", "plain_data", "quick_data"]

import re
from typing import Any

import yaml
from yaml.events import (
    AliasEvent,
    DocumentEndEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)

from cdi.document import (
    MAX_BYTES,
    MAX_DEPTH,
    MAX_VALUES,
    Alias,
    Document,
    DocumentError,
    Mapping,
    Node,
    Scalar,
    Sequence,
)
from cdi.patches import Patches
from cdi.scalars import WORDS, ScalarError, resolve

try:
    from yaml.cyaml import CParser  # type: ignore[attr-defined]  # the stubs do not re-export it
except ImportError as error:  # a PyYAML that was built without libyaml
    message = "PyYAML has no libyaml here: install a PyYAML wheel, or build it with libyaml-dev present"
    raise ImportError(message) from error

# What needs a closer look than `plain_data` gives: escapes, anchors, tags, merges, directives.
_UNUSUAL = (b"\\", b"?", b"&", b"*", b"!", b"%", b"<<", b"\n\xef\xbb\xbf")


def plain_data(text: bytes) -> Any:
    """Return the data of an ordinary YAML text, or None when it needs `parse`: one pass, no positions.

    Ordinary is what generators and people write: unique string keys, no anchors, tags, escapes,
    directives or further documents, and plain scalars that mean a string, a whole number or a boolean.
    """
    return None if any([mark in text for mark in _UNUSUAL]) else quick_data(text)


def quick_data(text: bytes) -> Any:
    """Return the data of an ordinary YAML text as `plain_data` does, where marks of the unusual are usual.

    A tag is not looked at, and neither is an anchor to which no alias refers: for texts that only we read.
    """
    try:
        return _build(text)
    except (yaml.YAMLError, ScalarError):
        return None


def _build(text: bytes) -> Any:  # noqa: C901, PLR0912 - the innermost loop: calls would double its time
    get_event: Any = CParser(text).get_event
    for _ in range(2):  # the starts of stream and document
        get_event()
    stack: list[Any] = []
    append: Any = None  # of the current list
    mapping: Any = None  # or the current mapping, and its key
    key: Any = None
    while True:
        event = get_event()
        cls = event.__class__
        if cls is ScalarEvent:
            value = event.value
            if (value[:1] not in _WORD_START or value in WORDS) and event.implicit[0]:
                value = resolve(value)
                if value.__class__ not in _ORDINARY:
                    return None
        elif cls is MappingStartEvent or cls is SequenceStartEvent:
            if len(stack) > MAX_DEPTH:
                return None
            stack.append((append, mapping, key))
            if cls is MappingStartEvent:
                append, mapping, key = None, {}, None
            else:
                items: list[Any] = []
                append, mapping, key = items.append, None, None
                stack.append(items)
            continue
        elif cls is MappingEndEvent:
            value = mapping
            append, mapping, key = stack.pop()
        elif cls is SequenceEndEvent:
            value = stack.pop()
            append, mapping, key = stack.pop()
        else:  # an empty document
            return None
        if key is not None:
            mapping[key] = value
            key = None
        elif append is not None:
            append(value)
        elif mapping is None:
            get_event()
            return value if get_event().__class__ is StreamEndEvent else None
        elif value.__class__ is str and value not in mapping:
            key = value
        else:
            return None


_WORD_START = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz/_")  # not "", a number, a merge
_ORDINARY = (str, int, bool)


def parse(text: bytes) -> Document:
    """Return the first document with positions; raise `DocumentError` when there is none.

    Time and memory are bounded by the length of the text, whatever it holds.
    """
    if len(text) > MAX_BYTES:
        message = f"the file has {len(text)} bytes, more than the {MAX_BYTES} that we read"
        raise DocumentError(message, rule="too-large", hint="no real spec is that large: is this a spec file at all?")
    patches = Patches(text)
    document = _compose(patches)
    while document is None:
        document = _compose(patches)
    return document


def _compose(patches: Patches) -> Document | None:
    """Return the document, or None when the text was mended and is to be read again."""
    try:
        return _Composer(patches).document()
    except _ReadAgain:
        return None
    except yaml.reader.ReaderError as error:
        raise _reader_error(patches.raw, error) from None
    except yaml.MarkedYAMLError as error:
        if patches.mend(error):
            return None
        raise _syntax_error(error) from None


class _ReadAgain(Exception):
    """The text was mended."""


class _Composer:
    """Builds nodes from libyaml's events, as goyaml does, without recursion."""

    def __init__(self, patches: Patches) -> None:
        self.patches = patches
        self.parser: Any = CParser(patches.raw)
        self.anchors: dict[str, Node] = {}
        self.flow = 0

    def document(self) -> Document:
        self.parser.get_event()  # the start of the stream
        start = self.parser.get_event()
        if not isinstance(start, DocumentStartEvent):
            return Document(None)
        if start.version not in (None, (1, 1)):
            raise _error(start, "runtimes read YAML 1.1 only", hint="remove the %YAML directive")
        root = self.node(self.parser.get_event())
        end = self.parser.get_event()
        assert isinstance(end, DocumentEndEvent)  # noqa: S101 - libyaml's grammar
        return Document(root, self.rest())

    def rest(self) -> int | None:
        """Return the line on which something stands behind the first document; nobody reads that."""
        try:
            event: Any = self.parser.get_event()
        except yaml.MarkedYAMLError as error:
            mark: Any = error.problem_mark
        except yaml.YAMLError:
            return 1
        else:
            if isinstance(event, StreamEndEvent):
                return None
            mark = event.start_mark
        self.refuse_slash_ahead(mark)
        line: int = mark.line
        return line + 1

    def refuse_slash_ahead(self, mark: Any) -> None:
        """Refuse an escaped slash in brackets or quotes behind the document: goyaml looks ahead there, for a key."""
        line = self.patches.source()[mark.index : mark.index + _LOOK_AHEAD].partition("\n")[0]
        escapes = (escape for quoted in _QUOTED.finditer(line) for escape in _ESCAPE.finditer(quoted[0]))
        if line[:1] in ("{", "[", '"') and any(escape[1] == "/" for escape in escapes):
            message = "runtimes do not know the escape '\\/', not even behind the document"
            raise DocumentError(message, rule="syntax", line=mark.line + 1, column=mark.column + 1)

    def node(self, event: Any) -> Node:
        root = self.open(event)
        count = 0
        stack: list[Sequence | Mapping] = [root] if isinstance(root, (Sequence, Mapping)) else []
        keys: list[Node | None] = [None]
        while stack:
            event = self.parser.get_event()
            if isinstance(event, (SequenceEndEvent, MappingEndEvent)):
                stack.pop()
                keys.pop()
                self.flow -= self.flow > 0
                continue
            count += 1
            if count > MAX_VALUES:
                raise _error(event, f"more than {MAX_VALUES} keys and values", rule="too-large")
            if len(stack) >= MAX_DEPTH:
                raise _error(event, f"nested more than {MAX_DEPTH} levels deep", rule="too-deep")
            node = self.open(event)
            parent = stack[-1]
            if isinstance(parent, Sequence):
                parent.items.append(node)
            elif (key := keys[-1]) is None:
                keys[-1] = node
            else:
                parent.entries.append((key, node))
                keys[-1] = None
            if isinstance(node, (Sequence, Mapping)):
                stack.append(node)
                keys.append(None)
        return root

    def open(self, event: Any) -> Node:
        mark = event.start_mark
        line, column = mark.line + 1, mark.column + 1
        name = event.anchor
        node: Node
        if event.__class__ is AliasEvent:
            if name not in self.anchors:
                raise _error(event, f"alias *{name} refers to no anchor before it")
            return Alias(self.anchors[name], name, line, column)
        if isinstance(event, ScalarEvent):
            node = self.scalar(event, line, column)
        else:
            self.flow += bool(event.flow_style or self.flow)
            kind = Sequence if isinstance(event, SequenceStartEvent) else Mapping
            node = kind([], line, column)
        if name is not None:
            self.anchors[name] = node
        return node

    def scalar(self, event: Any, line: int, column: int) -> Scalar:
        text = self.patches.restore(event.value)
        plain = bool(event.implicit[0])
        if not event.style and self.flow and "?" in text:
            raise _error(event, "an unquoted '?' inside brackets", hint="put the value in quotes")
        if self.flow and not text and not event.style:
            self.keep_comma_in_tag(event)
        if event.style == '"' and "/" in text:
            self.refuse_slash_escape(event)
        if event.tag is None and not plain:
            return Scalar(text, text, line, column)
        merge = text == "<<" and (plain or event.tag == "tag:yaml.org,2002:merge")
        try:
            return Scalar(resolve(text, event.tag), text, line, column, merge)
        except ScalarError as error:
            raise _error(event, str(error), rule="wrong-tag") from None

    def keep_comma_in_tag(self, event: Any) -> None:
        """Read again when a comma follows a tag (`!!str,`): libyaml ends the tag there, for goyaml it is part of it."""
        source, start, end = self.patches.source(), event.start_mark.index, event.end_mark.index
        if "!" in source[start:end] and source[end : end + 1] == "," and self.patches.count < self.patches.LIMIT:
            self.patches.stand_in(end, ";")  # as good a tag: nobody knows it
            raise _ReadAgain

    def refuse_slash_escape(self, event: Any) -> None:
        source, start = self.patches.source(), event.start_mark
        raw = source[start.index : event.end_mark.index]
        at = next((escape.start() for escape in _ESCAPE.finditer(raw) if escape[1] == "/"), None)
        if at is not None:
            line = start.line + raw.count("\n", 0, at) + 1
            column = at - raw.rfind("\n", 0, at) + (start.column if line == start.line + 1 else 0)
            hint = "write the slash without a backslash: '/'"
            message = "runtimes do not know the escape '\\/'"
            raise DocumentError(message, rule="syntax", line=line, column=column, hint=hint)


_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')
_LOOK_AHEAD = 1024  # characters in which a key must end


def _error(event: Any, message: str, *, rule: str = "syntax", hint: str | None = None) -> DocumentError:
    mark = event.start_mark
    return DocumentError(message, rule=rule, line=mark.line + 1, column=mark.column + 1, hint=hint)


def _syntax_error(error: yaml.MarkedYAMLError) -> DocumentError:
    mark = error.problem_mark or error.context_mark
    message = str(error.problem or "not YAML")
    if error.context:
        message += f", {error.context}"
        if error.context_mark and mark and error.context_mark.line != mark.line:
            message += f" that starts on line {error.context_mark.line + 1}"
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    # libyaml as PyYAML 6.0.4 brings it refuses 1000 levels before we can count them.
    rule = "too-deep" if "nesting depth" in message else "syntax"
    return DocumentError(message, rule=rule, line=line, column=column)


def _reader_error(text: bytes | str, error: yaml.reader.ReaderError) -> DocumentError:
    raw = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
    before = raw[: error.position]
    line = before.count(b"\n") + 1
    column = len(before[before.rfind(b"\n") + 1 :].decode("utf-8", "replace")) + 1
    found = f" ({error.character:#04x})" if isinstance(error.character, int) and error.character >= 0 else ""
    hint = "a spec is UTF-8 text without control characters: is this a spec file at all?"
    return DocumentError(f"{error.reason}{found}", rule="encoding", line=line, column=column, hint=hint)
