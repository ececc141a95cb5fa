"""Text to report: the spec, and every problem of the document with its line and column."""

from __future__ import annotations

__all__ = ["Report", "check", "locate"]

import re
from typing import TYPE_CHECKING

import msgspec

from cdi.decode import MAX_PROBLEMS, canonical, decode
from cdi.document import MAX_BYTES, Document, DocumentError, Mapping, Node, Scalar, Sequence, target_of
from cdi.errors import SpecInvalid
from cdi.model import Spec  # noqa: TC001 - msgspec reads the annotations
from cdi.problem import Problem, Severity
from cdi.rules import apply_rules
from cdi.shapes import fold
from cdi.versions import minimum_version

if TYPE_CHECKING:
    from collections.abc import Iterable


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What `check` says about a text.

    `spec` is None when runtimes would not load it; `kind` and `cdi_version` are what the text says, right or
    wrong, and None where that could not be read.
    """

    source: str
    spec: Spec | None
    problems: tuple[Problem, ...] = ()
    kind: str | None = None
    cdi_version: str | None = None

    @property
    def valid(self) -> bool:
        """Whether the reference library loads the text."""
        return self.spec is not None

    @property
    def minimum_version(self) -> str | None:
        """The lowest `cdiVersion` that the reference library accepts for a valid spec."""
        return minimum_version(self.spec) if self.spec is not None else None

    def usable(self) -> Spec:
        """Return the spec; raise `SpecInvalid` with all problems when there is none that runtimes would load."""
        if self.spec is None:
            raise SpecInvalid(self.problems, source=self.source)
        return self.spec

    @property
    def devices(self) -> int:
        """How many devices a valid spec defines."""
        return len(self.spec.devices) if self.spec is not None else 0


def check(text: str | bytes, *, source: str = "spec") -> Report:
    """Return the report on a document; any input gets one, in time and memory bounded by its size.

    A `source` that ends in `.json` also gets warnings for what only a YAML parser reads.
    """
    raw = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else bytes(text)
    is_json = source.endswith(".json")
    spec = canonical(raw) if len(raw) <= MAX_BYTES and (raw[:1] == b"{" or not is_json) else None
    if spec is not None and not apply_rules(spec):
        return Report(source=source, spec=spec, kind=spec.kind, cdi_version=spec.cdi_version)
    return _explain(raw, source, is_json=is_json)


def locate(text: str | bytes, problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """Return problems with the line and column of what their `where` names, in the order of the text."""
    from cdi.syntax import parse  # noqa: PLC0415 - clean JSON needs no YAML parser

    raw = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else bytes(text)
    try:
        return _located(parse(raw).root, problems)
    except DocumentError:
        return tuple(problems)


def _explain(raw: bytes, source: str, *, is_json: bool) -> Report:
    """Return the report on a text that is invalid or unwise: the slow way, which knows where everything stands."""
    from cdi.syntax import parse  # noqa: PLC0415 - as above

    try:
        document = parse(raw)
    except DocumentError as error:
        problem = Problem(
            severity="error",
            rule=error.rule,
            message=error.message,
            line=error.line,
            column=error.column,
            hint=error.hint,
        )
        return Report(source=source, spec=None, problems=(problem,))
    decoded = decode(document.root)
    problems = [*decoded.problems, *_around(raw, document, is_json=is_json)]
    spec = decoded.spec
    if spec is not None:
        broken = {problem.where for problem in decoded.problems if problem.severity == "error"}
        problems += _unrelated(apply_rules(spec), broken)
    located = _located(document.root, _limited(problems))
    valid = not any(problem.severity == "error" for problem in problems)
    return Report(
        source=source,
        spec=spec if valid else None,
        problems=located,
        kind=(spec.kind or None) if spec is not None else None,
        cdi_version=(spec.cdi_version or None) if spec is not None else None,
    )


def _unrelated(found: Iterable[Problem], broken: set[str]) -> Iterable[Problem]:
    """Yield what rules found in a spec that lacks its broken places, but for what may follow from the lack."""
    if not broken:
        return found
    if "" in broken:  # the whole document
        return ()
    around = {part for where in broken for part in _prefixes(where)}
    return [
        problem
        for problem in found
        if problem.rule != "version-misfit"
        and problem.where not in around
        and broken.isdisjoint(_prefixes(problem.where))
    ]


def _prefixes(where: str) -> list[str]:
    """Return a path and all paths above it: `a[0].b`, `a[0]`, `a`."""
    ends = [match.start() for match in _JOINT.finditer(where)]
    return [where, *(where[:end] for end in ends)]


_JOINT = re.compile(r"[.\[]")


def _limited(problems: list[Problem]) -> list[Problem]:
    if len(problems) < MAX_PROBLEMS:
        return problems
    rest = f"more than {MAX_PROBLEMS} problems, the rest is not listed"
    worst: Severity = "error" if any(problem.severity == "error" for problem in problems) else "warning"
    last = Problem(severity=worst, rule="too-many-problems", message=rest, line=1, column=1)
    return [*problems[: MAX_PROBLEMS - 1], last]


def _around(raw: bytes, document: Document, *, is_json: bool) -> Iterable[Problem]:
    """Yield what is odd about the text itself, whatever spec it holds."""
    if document.rest_line is not None:
        yield Problem(
            severity="warning",
            rule="extra-document",
            message="runtimes read the first document only, what follows here is ignored",
            line=document.rest_line,
            column=1,
            hint="write one file for each spec",
        )
    if (
        is_json and document.root is not None and not raw.startswith((b"\xff\xfe", b"\xfe\xff"))
    ):  # UTF-16, which only JSON of old may be in
        try:
            msgspec.json.decode(raw.removeprefix(b"\xef\xbb\xbf"))
        except msgspec.DecodeError as error:
            yield _not_json(raw, str(error))


def _not_json(raw: bytes, message: str) -> Problem:
    """Return the warning for text that a JSON parser refuses: `JSON is malformed: invalid number (byte 7)`."""
    match = _JSON_ERROR.fullmatch(message)
    reason, offset = (match[1], int(match[2])) if match else ("it ends too early", len(raw))
    before = raw[:offset]
    return Problem(
        severity="warning",
        rule="not-json",
        message=f"not JSON, though the file name says so: {reason}",
        line=before.count(b"\n") + 1,
        column=len(before[before.rfind(b"\n") + 1 :].decode("utf-8", "replace")) + 1,
        hint="runtimes read it as YAML; other tools will not: write strict JSON, or name the file .yaml",
    )


_JSON_ERROR = re.compile(r"JSON is malformed: (.*) \(byte (\d+)\)")


def _located(root: Node | None, problems: Iterable[Problem]) -> tuple[Problem, ...]:
    finder = _Finder()
    found = [p if p.line is not None else finder.place(p, root) for p in problems]
    return tuple(sorted(found, key=lambda p: (p.line or 0, p.column or 0)))


class _Finder:
    """Finds the node that a path such as `devices[0].name` names; looks into what it passes only."""

    def __init__(self) -> None:
        self.keys: dict[int, dict[str, Node]] = {}

    def place(self, problem: Problem, root: Node | None) -> Problem:
        """Return the problem with the position of what it names, or of the nearest thing around that."""
        if root is None:
            return msgspec.structs.replace(problem, line=1, column=1)
        node, rest = root, fold(problem.where)
        while rest:
            below, rest = self.step(node, rest)
            if below is None:
                break
            node = below
        return msgspec.structs.replace(problem, line=node.line, column=node.column)

    def step(self, node: Node, path: str) -> tuple[Node | None, str]:
        """Return the node one step down a path, and what is left of the path."""
        node = target_of(node)
        if isinstance(node, Sequence) and (match := _INDEX.match(path)):
            index = int(match[1])
            return (node.items[index] if index < len(node.items) else None), path[match.end() :].removeprefix(".")
        if isinstance(node, Mapping):
            keys = self.keys_of(node)
            end = len(path)
            while end > 0:  # the longest key that fits: annotations have keys with dots
                if path[:end] in keys:
                    return keys[path[:end]], path[end:].removeprefix(".")
                end = max(path.rfind(".", 0, end), path.rfind("[", 0, end))
        return None, ""

    def keys_of(self, node: Mapping) -> dict[str, Node]:
        known = self.keys.get(id(node))
        if known is None:
            known = {fold(key.text): value for key, value in node.entries if isinstance(key, Scalar)}
            self.keys[id(node)] = known
        return known


_INDEX = re.compile(r"\[(\d+)\]")
