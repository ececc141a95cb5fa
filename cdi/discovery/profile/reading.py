"""The text of a profile to its value, or to all that is wrong with it, each with its line."""

from __future__ import annotations

__all__ = ["MAX_BYTES", "ProfileInvalid", "check_profile", "parse_profile"]

from typing import TYPE_CHECKING, Any, Literal, Union, get_args, get_origin

import msgspec
from msgspec.structs import replace

from cdi.discovery.profile.format import Profile
from cdi.discovery.profile.rules import faults_of
from cdi.document import DocumentError, Mapping, Node, Scalar, Sequence, target_of
from cdi.errors import UsageError
from cdi.problem import Problem
from cdi.syntax import parse, quick_data

if TYPE_CHECKING:
    from collections.abc import Iterable
    from collections.abc import Sequence as List

MAX_BYTES = 1 << 20  # a profile has some 2 KB
_MAX_VALUES = 10_000
_MAX_PROBLEMS = 100  # of one profile; who has more has no profile
_LONGEST = 200  # characters of a message
_RULE = "profile-invalid"
_NAMES = {str: "a string", int: "a whole number", bool: "true or false", tuple: "a list", dict: "a mapping"}


class ProfileInvalid(UsageError):
    """A profile that says what makes no sense; `problems` says all of it, and where."""

    def __init__(self, problems: List[Problem], *, source: str = "profile") -> None:
        self.problems = tuple(problems)
        self.source = source
        lines = [f"invalid profile {source}", *(problem.render(source) for problem in self.problems)]
        several = f"'cdi profile check {source}' says what to do about each"
        super().__init__("\n".join(lines), hint=self.problems[0].hint if len(self.problems) == 1 else several)

    def placed(self) -> tuple[Problem, ...]:
        """Return the problems for where nothing else names the file: `x.yaml:3:5: devices[0].what: …`."""
        return tuple(replace(one, message=_placed(one, self.source)) for one in self.problems)


def _placed(problem: Problem, source: str) -> str:
    where = f"{problem.where}: " if problem.where else ""
    return f"{source}:{problem.line}:{problem.column}: {where}{problem.message}"


def parse_profile(text: bytes, *, source: str) -> Profile:
    """Return a profile; raise `ProfileInvalid` when there is anything wrong with it."""
    profile, problems = check_profile(text)
    if profile is None:
        raise ProfileInvalid(problems, source=source)
    return profile


def check_profile(text: bytes) -> tuple[Profile | None, tuple[Problem, ...]]:
    """Return a profile, or None and what is wrong: everything of one kind at once, in the order of the text."""
    if len(text) > MAX_BYTES:
        message = f"the file has {len(text)} bytes, more than the {MAX_BYTES} that a profile may have"
        return None, (Problem(severity="error", rule=_RULE, message=message, line=1, column=1),)
    profile = _quick(text)
    if profile is not None:
        return profile, ()
    reader = _Reader()
    try:
        document = parse(text)
        data = reader.struct(document.root, Profile, "") if document.root is not None else _WRONG
        profile = msgspec.convert(data, Profile) if data is not _WRONG else None
    except DocumentError as error:
        found = Problem(
            severity="error",
            rule=_RULE,
            message=error.message,
            line=error.line,
            column=error.column,
            hint=error.hint,
        )
        return None, (found,)
    if document.root is None:
        reader.say("", "no profile in this file", None, "a profile has at least version, family, kind and devices")
    if document.rest_line is not None:
        message = "something stands behind the profile"
        reader.problems.append(
            Problem(severity="error", rule=_RULE, message=message, line=document.rest_line, column=1)
        )
    problems = sorted(reader.problems, key=lambda problem: (problem.line or 0, problem.column or 0))
    return (None if problems else profile), tuple(problems[:_MAX_PROBLEMS])


def _quick(text: bytes) -> Profile | None:
    """Return the profile of a text without any fault, read in one pass; None to look closer."""
    data = quick_data(text)
    if data is None:
        return None
    try:
        profile = msgspec.convert(data, Profile)
    except msgspec.ValidationError:
        return None
    shared = profile.shared
    parts = (profile, shared, *profile.devices, *shared.mounts)
    return None if any(True for part in parts for _ in faults_of(part)) else profile


_WRONG: Any = object()
# What stands for fields that are missing or wrong while others of the profile are judged.
_HEAD = {"family": "any", "kind": "any.any/any", "summary": "any"}
_HARMLESS = {"version": 1, "devices": [{"what": "any", "node": "/dev/any"}], "shared": {}}


class _Reader:
    """Turns nodes into plain data of the wanted types, and notes what does not fit."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.places: dict[str, Node] = {}
        self.values = 0

    def say(self, where: str, message: str, node: Node | None, hint: str | None = None) -> Any:
        """Note a problem, and return what stands for a value that is none."""
        message = message if len(message) <= _LONGEST else message[:_LONGEST] + "…"
        line, column = (node.line, node.column) if node is not None else (1, 1)
        self.problems.append(
            Problem(severity="error", rule=_RULE, message=message, where=where, line=line, column=column, hint=hint)
        )
        return _WRONG

    def value(self, node: Node, wanted: Any, where: str) -> Any:
        """Return plain data, or `_WRONG` when there is a problem with it or inside of it."""
        self.places[where] = node
        self.values += 1
        if self.values > _MAX_VALUES:
            message = f"more than {_MAX_VALUES} values with aliases written out"
            raise DocumentError(message, rule=_RULE, line=node.line, column=node.column)
        target = target_of(node)
        choices = [choice for choice in _choices(wanted) if choice is not type(None)]
        for choice in choices:
            origin = get_origin(choice) or choice
            if isinstance(target, Mapping) and origin is dict:
                return self.mapping(target, get_args(choice)[1], where)
            if isinstance(target, Mapping) and isinstance(origin, type) and issubclass(origin, msgspec.Struct):
                return self.struct(node, choice, where)
            if isinstance(target, Sequence) and origin is tuple:
                return self.items(target, get_args(choice)[0], where)
            if isinstance(target, Scalar):
                literals = get_args(choice) if origin is Literal else ()
                if any(type(one) is type(target.value) and one == target.value for one in literals):
                    return target.value
                if type(target.value) is origin:
                    return target.value
        return self.mistyped(node, choices, where)

    def struct(self, node: Node, struct: Any, where: str) -> Any:
        """Return the data of a part of a profile."""
        target = target_of(node)
        if not isinstance(target, Mapping):
            return self.mistyped(node, [struct], where)
        before = len(self.problems)
        fields = {field.encode_name: field for field in msgspec.structs.fields(struct)}
        data: dict[str, Any] = {}
        for key, key_node, value in self.entries(target, where):
            inside = _join(where, key)
            if key not in fields:
                near = _near(key, fields)
                hint = f"did you mean {near!r}?" if near else f"known fields are {', '.join(fields)}"
                self.say(inside, f"unknown field {key!r}", key_node, hint)
            else:
                data[key] = self.value(value, fields[key].type, inside)
        for key, field in fields.items():
            if field.required and key not in data:
                self.say(where, f"missing field {key!r}", node)
        if len(self.problems) == before:
            self.judge(msgspec.convert(data, struct), node, where)
            return data if len(self.problems) == before else _WRONG
        if struct is Profile:
            fitting = {key: value for key, value in data.items() if value is not _WRONG} | _HARMLESS
            self.judge(msgspec.convert({**_HEAD, **fitting}, Profile), node, where)
        return _WRONG

    def judge(self, part: object, node: Node, where: str) -> None:
        """Note what is wrong with the values of a part."""
        for fault in faults_of(part):
            place = f"{where}{fault.where}" if fault.where.startswith("[") else _join(where, fault.where)
            self.say(place, fault.message, self.places.get(place, node), fault.hint)

    def mapping(self, target: Mapping, wanted: Any, where: str) -> Any:
        data = {key: self.value(value, wanted, _join(where, key)) for key, _, value in self.entries(target, where)}
        return _WRONG if any(value is _WRONG for value in data.values()) else data

    def items(self, target: Sequence, wanted: Any, where: str) -> Any:
        data = [self.value(item, wanted, f"{where}[{index}]") for index, item in enumerate(target.items)]
        return _WRONG if any(value is _WRONG for value in data) else data

    def entries(self, target: Mapping, where: str) -> list[tuple[str, Node, Node]]:
        """Return (key, key node, value node) of each entry whose key is a string that was not there before."""
        found: dict[str, tuple[str, Node, Node]] = {}
        for key_node, value in target.entries:
            key = target_of(key_node)
            if not isinstance(key, Scalar) or not isinstance(key.value, str):
                self.say(where, "a key must be a string", key_node, "put it in quotes")
            elif key.value in found:
                first = found[key.value][1].line
                self.say(_join(where, key.value), f"key {key.value!r} stands on line {first} already", key_node)
            else:
                found[key.value] = (key.value, key_node, value)
        return [*found.values()]

    def mistyped(self, node: Node, wanted: List[Any], where: str) -> Any:
        target = target_of(node)
        if isinstance(target, Scalar):
            got = "null" if target.value is None else f"{_NAMES.get(type(target.value), 'a number')}, {target.text!r}"
        else:
            got = "a list" if isinstance(target, Sequence) else "a mapping"
        strings = str in wanted and not (isinstance(target, Scalar) and target.value is None)
        hint = "put it in quotes" if strings and isinstance(target, Scalar) else None
        if strings and isinstance(target, Mapping):
            hint = "put it in quotes: a brace at its beginning starts a mapping"
        if where == "version":
            hint = "this program knows version 1 of profiles"
        return self.say(where, f"expected {' or '.join(dict.fromkeys(map(_name, wanted)))}, got {got}", node, hint)


def _near(key: str, known: Iterable[str]) -> str | None:
    from difflib import get_close_matches  # noqa: PLC0415 - only to explain

    return next(iter(get_close_matches(key, known, n=1)), None)


def _choices(wanted: Any) -> tuple[Any, ...]:
    origin = get_origin(wanted)
    return get_args(wanted) if origin is Union or str(origin) == "<class 'types.UnionType'>" else (wanted,)


def _name(wanted: Any) -> str:
    origin = get_origin(wanted) or wanted
    if origin is Literal:
        return " or ".join(map(repr, get_args(wanted)))
    return _NAMES.get(origin, "a mapping")


def _join(where: str, key: str) -> str:
    return f"{where}.{key}" if where and key else where or key
