"""Text that people write, as YAML or JSON, to the value that it describes, or to all that is wrong with it."""

from __future__ import annotations

__all__ = ["Fault", "Form", "FormInvalid", "Reading", "read_form"]

from typing import TYPE_CHECKING, Any, Generic, Literal, NamedTuple, TypeVar, Union, get_args, get_origin

import msgspec
from msgspec import field
from msgspec.structs import replace

from cdi.document import DocumentError, Mapping, Node, Scalar, Sequence, target_of
from cdi.errors import UsageError
from cdi.problem import Problem
from cdi.syntax import parse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from collections.abc import Sequence as List

_MAX_VALUES = 10_000
_MAX_PROBLEMS = 100  # of one file; who has more has none
_LONGEST = 200  # characters of a message
_NAMES = {str: "a string", int: "a whole number", bool: "true or false", tuple: "a list", dict: "a mapping"}
_NOTHING: Any = object()
_K = TypeVar("_K")
_T = TypeVar("_T")


class _Wrong(NamedTuple):
    """What stands for a value that is none; `rest` is what can be judged of it all the same."""

    rest: Any = _NOTHING


class Fault(NamedTuple):
    """A value that makes no sense: where it stands in its part of the form, why, and the way out."""

    where: str
    message: str
    hint: str | None = None


class Form(msgspec.Struct, Generic[_T], frozen=True, kw_only=True):
    """What a file may say: the struct that it describes, and what is to be said when it does not.

    `faults` yields what is wrong with the values of a part. `stand_ins` are, for a part of which some fields are
    missing or wrong, what stands for the missing ones, and for those that are not to be judged then, so that all
    others are. A form that is `lenient` is read as Go reads JSON: names in any case, and null or an empty string
    as if it were left out; `ignored` are further names, in small letters, which mean nothing when they are null.
    """

    struct: type[_T]
    what: str  # in messages: a profile
    rule: str
    max_bytes: int
    faults: Callable[[object], Iterator[Fault]]
    needs: str  # the hint for an empty file
    stand_ins: dict[type, tuple[dict[str, Any], dict[str, Any]]] = field(default_factory=dict)
    hints: dict[str, str] = field(default_factory=dict)  # for fields that are mistyped or unknown, by name
    lenient: bool = False
    ignored: frozenset[str] = frozenset()


class Reading(msgspec.Struct, Generic[_T], frozen=True, kw_only=True):
    """What a file says, or None and what is wrong, in the order of the text; `places` is where each value stands."""

    value: _T | None
    problems: tuple[Problem, ...] = ()
    places: dict[str, Node] = field(default_factory=dict)


class FormInvalid(UsageError):
    """A file that says what makes no sense; `problems` says all of it, and where."""

    def __init__(self, what: str, problems: List[Problem], *, source: str, check: str) -> None:
        self.problems = tuple(problems)
        self.source = source
        lines = [f"invalid {what} {source}", *(problem.render(source) for problem in self.problems)]
        several = f"'{check} {source}' says what to do about each"
        super().__init__("\n".join(lines), hint=self.problems[0].hint if len(self.problems) == 1 else several)

    def placed(self) -> tuple[Problem, ...]:
        """Return the problems for where nothing else names the file: `x.yaml:3:5: devices[0].what: …`."""
        return tuple(replace(one, message=_placed(one, self.source)) for one in self.problems)


def _placed(problem: Problem, source: str) -> str:
    where = f"{problem.where}: " if problem.where else ""
    return f"{source}:{problem.line}:{problem.column}: {where}{problem.message}"


def read_form(text: bytes, form: Form[_T]) -> Reading[_T]:
    """Return what a text says in the words of a form, or everything of one kind that is wrong with it at once."""
    if len(text) > form.max_bytes:
        message = f"the file has {len(text)} bytes, more than the {form.max_bytes} that {form.what} may have"
        return Reading(value=None, problems=(_problem(form, message, line=1, column=1),))
    reader = _Reader(form)
    value = None
    try:
        document = parse(text)
        data = reader.struct(document.root, form.struct, "") if document.root is not None else _Wrong()
        value = msgspec.convert(data, form.struct) if not isinstance(data, _Wrong) else None
    except DocumentError as error:
        found = _problem(form, error.message, line=error.line, column=error.column, hint=error.hint)
        return Reading(value=None, problems=(found,))
    if document.root is None:
        reader.say("", f"no {form.what.partition(' ')[2]} in this file", None, form.needs)
    if document.rest_line is not None:
        message = f"something stands behind the {form.what.partition(' ')[2]}"
        reader.problems.append(_problem(form, message, line=document.rest_line, column=1))
    problems = sorted(reader.problems, key=lambda problem: (problem.line or 0, problem.column or 0))
    return Reading(value=None if problems else value, problems=tuple(problems[:_MAX_PROBLEMS]), places=reader.places)


def _problem(form: Form[Any], message: str, *, line: int, column: int, **more: Any) -> Problem:
    return Problem(severity="error", rule=form.rule, message=message, line=line, column=column, **more)


class _Reader:
    """Turns nodes into plain data of the wanted types, and notes what does not fit."""

    def __init__(self, form: Form[Any]) -> None:
        self.form = form
        self.problems: list[Problem] = []
        self.places: dict[str, Node] = {}
        self.values = 0

    def say(self, where: str, message: str, node: Node | None, hint: str | None = None) -> Any:
        """Note a problem, and return what stands for a value that is none."""
        message = message if len(message) <= _LONGEST else message[:_LONGEST] + "…"
        line, column = (node.line, node.column) if node is not None else (1, 1)
        self.problems.append(_problem(self.form, message, where=where, line=line, column=column, hint=hint))
        return _Wrong()

    def value(self, node: Node, wanted: Any, where: str) -> Any:
        """Return plain data, or `_Wrong` when there is a problem with it or inside of it."""
        self.places[where] = node
        self.values += 1
        if self.values > _MAX_VALUES:
            message = f"more than {_MAX_VALUES} values with aliases written out"
            raise DocumentError(message, rule=self.form.rule, line=node.line, column=node.column)
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
        """Return the data of a part of a form."""
        target = target_of(node)
        if not isinstance(target, Mapping):
            return self.mistyped(node, [struct], where)
        before = len(self.problems)
        fields = {one.encode_name: one for one in msgspec.structs.fields(struct)}
        data: dict[str, Any] = {}
        for key, key_node, value in self.entries(target, where, known=fields):
            inside = _join(where, key)
            if key in fields:
                if not (self.form.lenient and _is_blank(value)):
                    data[key] = self.value(value, fields[key].type, inside)
            elif not (key.lower() in self.form.ignored and _is_blank(value)):
                near = _near(key, fields)
                hint = f"did you mean {near!r}?" if near else f"known fields are {', '.join(fields)}"
                self.say(inside, f"unknown field {key!r}", key_node, self.form.hints.get(key, hint))
        for key, one in fields.items():
            if one.required and key not in data:
                self.say(where, f"missing field {key!r}", node)
        if len(self.problems) == before:
            self.judge(msgspec.convert(data, struct), node, where)
            return data if len(self.problems) == before else _Wrong(data)
        if struct not in self.form.stand_ins:
            return _Wrong()
        missing, instead = self.form.stand_ins[struct]
        rest = {**missing, **{key: one for key, one in map(_rest, data.items()) if one is not _NOTHING}, **instead}
        self.judge(msgspec.convert(rest, struct), node, where)
        return _Wrong(rest)

    def judge(self, part: object, node: Node, where: str) -> None:
        """Note what is wrong with the values of a part."""
        for fault in self.form.faults(part):
            place = f"{where}{fault.where}" if fault.where.startswith("[") else _join(where, fault.where)
            self.say(place, fault.message, self.places.get(place, node), fault.hint)

    def mapping(self, target: Mapping, wanted: Any, where: str) -> Any:
        data = {key: self.value(value, wanted, _join(where, key)) for key, _, value in self.entries(target, where)}
        return _Wrong() if any(isinstance(value, _Wrong) for value in data.values()) else data

    def items(self, target: Sequence, wanted: Any, where: str) -> Any:
        data = [self.value(item, wanted, f"{where}[{index}]") for index, item in enumerate(target.items)]
        if not any(isinstance(value, _Wrong) for value in data):
            return data
        rests = [rest for _, rest in map(_rest, enumerate(data))]
        return _Wrong(rests) if all(rest is not _NOTHING for rest in rests) else _Wrong()

    def entries(self, target: Mapping, where: str, known: Iterable[str] = ()) -> list[tuple[str, Node, Node]]:
        """Return (key, key node, value node) of each entry whose key is a string that was not there before."""
        spelled = {name.lower(): name for name in known} if self.form.lenient else {}
        found: dict[str, tuple[str, Node, Node]] = {}
        for key_node, value in target.entries:
            key = target_of(key_node)
            if not isinstance(key, Scalar) or not isinstance(key.value, str):
                self.say(where, "a key must be a string", key_node, "put it in quotes")
                continue
            name = spelled.get(key.value.lower(), key.value)
            if name in found:
                first = found[name][1].line
                self.say(_join(where, name), f"key {key.value!r} stands on line {first} already", key_node)
            else:
                found[name] = (name, key_node, value)
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
        hint = self.form.hints.get(where.rpartition(".")[2], hint)
        return self.say(where, f"expected {' or '.join(dict.fromkeys(map(_name, wanted)))}, got {got}", node, hint)


def _rest(entry: tuple[_K, Any]) -> tuple[_K, Any]:
    key, value = entry
    return key, value.rest if isinstance(value, _Wrong) else value


def _is_blank(node: Node) -> bool:
    target = target_of(node)
    return isinstance(target, Scalar) and target.value in (None, "")


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
