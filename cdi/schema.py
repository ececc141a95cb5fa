"""The JSON Schema of each CDI version, and what a schema says about a spec."""

from __future__ import annotations

__all__ = ["profile_schema", "schema", "schema_problems"]

import json
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from cdi.document import MAX_DEPTH, DocumentError, Mapping, Node, Scalar, Sequence, target_of
from cdi.errors import CdiError, UsageError
from cdi.problem import Problem
from cdi.scalars import key_text
from cdi.syntax import parse
from cdi.versions import LATEST, VERSIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from jsonschema.exceptions import ValidationError
    from jsonschema.protocols import Validator

# The versions that changed what a spec may hold; each schema also serves the versions up to the next.
_CHANGED = ("0.3.0", "0.4.0", "0.5.0", "0.6.0", "0.7.0", "1.1.0")
_MAX_VALUES = 1_000_000


def schema(version: str | None = None) -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of specs of a CDI version, by default the latest.

    Raises `UsageError` for a version that does not exist.
    """
    bare = LATEST if version is None else version.removeprefix("v")
    if bare not in VERSIONS:
        message = f"unknown CDI version {version!r}"
        raise UsageError(message, hint=f"known versions are {', '.join(VERSIONS)}")
    up_to = VERSIONS[: VERSIONS.index(bare) + 1]
    stem = next((changed for changed in reversed(_CHANGED) if changed in up_to), _CHANGED[0])
    loaded: dict[str, Any] = json.loads((_folder() / f"cdi-{stem}.json").read_text(encoding="utf-8"))
    return loaded


def profile_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of profiles; `profile.check_profile` checks more than a schema can say."""
    loaded: dict[str, Any] = json.loads((_folder() / "profile-1.json").read_text(encoding="utf-8"))
    return loaded


def schema_problems(spec: object, schema: dict[str, Any]) -> Iterator[Problem]:
    """Yield what a JSON Schema of any draft has to say against a spec.

    `spec` is the text of a spec (str or bytes), whose problems get a line and a column, or plain data.
    Values are taken as YAML reads them and keys as they are written, with none of the conversions that
    runtimes make. Raises `UsageError` for a schema that is none or that refers to other files.
    """
    validator = _validator(json.dumps(schema))
    if not isinstance(spec, (str, bytes)):
        yield from _problems(validator, spec)
        return
    places = _Places()
    try:
        root = parse(spec.encode("utf-8", "surrogatepass") if isinstance(spec, str) else spec).root
        data = None if root is None else places.data(root, "", 0)
    except DocumentError as error:
        yield _problem(error.rule, error.message, hint=error.hint, line=error.line, column=error.column)
        return
    located = map(places.locate, _problems(validator, data))
    yield from sorted(located, key=lambda problem: (problem.line or 0, problem.column or 0))


def _folder() -> Path:
    installed = Path(__file__).parent / "schemas"
    return installed if installed.is_dir() else Path(__file__).parent.parent / "schemas"


@lru_cache(maxsize=8)
def _validator(text: str) -> Validator:
    """Return what checks data against the schema in a JSON text; making it takes longer than a check."""
    try:
        from jsonschema import SchemaError, validators  # noqa: PLC0415 - optional and slow to import
        from referencing import Registry  # noqa: PLC0415 - comes with jsonschema
    except ImportError as error:
        message = "checking against a JSON Schema needs the Python package jsonschema"
        raise CdiError(message, hint="install it with: pip install 'cdi-tools[schema]'") from error
    schema = json.loads(text)
    base = validators.validator_for(schema, default=validators.Draft202012Validator)
    try:
        base.check_schema(schema)
    except SchemaError as error:
        message = f"not a JSON Schema: {_where(error.absolute_path) or 'the schema'}: {_short(error.message)}"
        raise UsageError(message) from None
    extend: Callable[..., type[Validator]] = validators.extend  # pyright: ignore[reportUnknownMemberType,reportUnknownVariableType]
    types: Any = base.TYPE_CHECKER.redefine("array", _is_array)  # pyright: ignore[reportUnknownMemberType]
    ours = extend(base, {"uniqueItems": _unique_items}, type_checker=types)
    return ours(schema, registry=Registry())  # a registry of its own fetches nothing


def _is_array(_: object, found: object) -> bool:
    return isinstance(found, (list, tuple))  # plain data of our own values has tuples


def _problems(validator: Validator, data: Any) -> Iterator[Problem]:
    from referencing.exceptions import Unresolvable  # noqa: PLC0415 - comes with jsonschema

    try:
        for error in validator.iter_errors(data):
            yield from _explain(error)
    except Unresolvable as error:
        message = f"the schema refers to {error.ref!r}, which is not in it"
        raise UsageError(message, hint="put all definitions into one file") from None


def _unique_items(validator: Validator, unique: object, items: Any, _schema: object) -> Iterator[ValidationError]:
    """Yield an error for a list with equal items; the validator's own test takes quadratic time."""
    from jsonschema.exceptions import ValidationError  # noqa: PLC0415 - optional and slow to import

    if unique and validator.is_type(items, "array"):
        first: dict[str, int] = {}
        for index, item in enumerate(items):
            seen = first.setdefault(json.dumps(item, sort_keys=True), index)
            if seen != index:
                yield ValidationError(f"the same as entry {seen}", path=(index,))


class _Places:
    """The plain data of a document, and where each of its keys and values stands."""

    def __init__(self) -> None:
        self.keys: dict[str, Node] = {}
        self.values: dict[str, Node] = {}

    def data(self, node: Node, where: str, depth: int) -> Any:
        """Return the plain data of a node; raise `DocumentError` when aliases multiply it beyond reason."""
        if depth > MAX_DEPTH or len(self.values) > _MAX_VALUES:
            what = f"{MAX_DEPTH} levels" if depth > MAX_DEPTH else f"{_MAX_VALUES} values"
            message = f"more than {what} with aliases written out"
            raise DocumentError(message, rule="aliasing", line=node.line, column=node.column)
        self.values[where] = node
        target = target_of(node)
        if isinstance(target, Scalar):
            return target.value
        if isinstance(target, Sequence):
            return [self.data(item, f"{where}[{index}]", depth + 1) for index, item in enumerate(target.items)]
        data: dict[str, Any] = {}
        for key, key_node, value in _entries(target.entries):
            inside = f"{where}.{key}" if where else key
            self.keys[inside] = key_node
            data[key] = self.data(value, inside, depth + 1)
        return data

    def locate(self, problem: Problem) -> Problem:
        """Return a problem with its place: the key's for an unknown field, else the value's."""
        places = self.keys if problem.message.startswith(_UNKNOWN) else self.values
        node = places.get(problem.where)
        return problem if node is None else replace(problem, line=node.line, column=node.column)


def _entries(entries: Iterable[tuple[Node, Node]], depth: int = 0) -> Iterator[tuple[str, Node, Node]]:
    """Yield (key, key node, value node), merged mappings (`<<`) first, so that own keys win."""
    own: list[tuple[str, Node, Node]] = []
    for key, value in entries:
        target = target_of(key)
        if not isinstance(target, Scalar):
            continue  # no spec has such a key: `check` says so
        if target.merge and depth < MAX_DEPTH:
            yield from _merged(target_of(value), depth + 1)
        else:
            own.append((key_text(target.value), key, value))
    yield from own


def _merged(value: Node, depth: int) -> Iterator[tuple[str, Node, Node]]:
    if isinstance(value, Sequence):
        for part in map(target_of, reversed(value.items)):
            yield from _merged(part, depth) if not isinstance(part, Sequence) else ()
    elif isinstance(value, Mapping):
        yield from _entries(value.entries, depth)


_UNKNOWN = "unknown field"


def _problem(rule: str, message: str, *, where: str = "", **more: Any) -> Problem:
    return Problem(severity="error", rule=rule, message=message, where=where, **more)


def _explain(error: ValidationError) -> Iterator[Problem]:
    """Yield what one error of the validator says, in the words of our own problems."""
    where = _where(error.absolute_path)
    found: Any = error.instance
    of: Any = error.schema if isinstance(error.schema, dict) else {}
    if error.validator == "additionalProperties" and error.validator_value is False and "patternProperties" not in of:
        known = list(of.get("properties", ()))
        for key in (key for key in found if key not in known):
            near = get_close_matches(key, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known fields are {', '.join(known)}"
            yield _problem("schema", f"{_UNKNOWN} {key!r}", where=f"{where}.{key}" if where else key, hint=hint)
    elif error.validator == "required":
        name = error.message.removesuffix(" is a required property")
        yield _problem("schema", f"missing field {name}", where=where)
    else:
        words = _WORDS.get(str(error.validator))
        message = words(found, error.validator_value) if words else _short(error.message)
        yield _problem("schema", message, where=where, hint=of.get("description"))


# What a keyword's failure means, of the value found and the keyword's own value.
_WORDS: dict[str, Callable[[Any, Any], str]] = {
    "type": lambda found, wanted: f"expected {_types(wanted)}, got {_name(found)}",
    "enum": lambda found, allowed: f"{_show(found)} is none of {', '.join(map(_show, allowed))}",
    "const": lambda found, wanted: f"{_show(found)} is not {_show(wanted)}",
    "pattern": lambda found, wanted: f"{_show(found)} does not match {wanted!r}",
    "not": lambda found, _: f"{_show(found)} is what the schema excludes",
    "anyOf": lambda found, _: f"{_show(found)} fits nothing that the schema allows",
    "oneOf": lambda found, _: f"{_show(found)} is not exactly one of what the schema allows",
    "minimum": lambda found, low: f"{found} is less than {low}",
    "maximum": lambda found, high: f"{found} is more than {high}",
    "minLength": lambda found, low: f"{_show(found)} is shorter than {low}",
    "maxLength": lambda found, high: f"{_show(found)} is longer than {high}",
    "minItems": lambda found, low: f"{len(found)} entries, fewer than {low}",
    "maxItems": lambda found, high: f"{len(found)} entries, more than {high}",
}
_TYPES = {
    "string": "a string",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "a mapping",
    "null": "null",
}


def _types(wanted: str | list[str]) -> str:
    return " or ".join(_TYPES.get(str(name), str(name)) for name in ([wanted] if isinstance(wanted, str) else wanted))


def _name(found: object) -> str:
    if found is None:
        return "null"
    if isinstance(found, (dict, list, tuple)):
        return "a mapping" if isinstance(found, dict) else "a list"
    kind = "a string, " if isinstance(found, str) else "" if isinstance(found, bool) else "a number, "
    return kind + _show(found)


def _show(found: object) -> str:
    return _short(repr(found) if isinstance(found, str) else json.dumps(found))


def _short(text: str) -> str:
    limit = 80
    return text if len(text) <= limit else text[:limit] + "…"


def _where(path: Iterable[str | int]) -> str:
    """Return `devices[0].name` for ("devices", 0, "name")."""
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return "".join(parts).removeprefix(".")
