"""Values in a JSON text: read them, and change one with all else left as it is written."""

from __future__ import annotations

__all__ = ["changed", "parse"]

import json
import re
from copy import deepcopy
from typing import TYPE_CHECKING, Any, NamedTuple

from cdi.errors import ConfigInvalid

if TYPE_CHECKING:
    from cdi.runtimes.config.toml_text import Value

_BOM = "\ufeff"
_SPACE = re.compile(r"[ \t\n\r]*")
_WORD = re.compile(r'"(?:[^"\\]|\\.)*"|(-?Infinity|NaN)')
_DECODER = json.JSONDecoder()


class _Member(NamedTuple):
    """A key of an object with its value: where each stands in the text."""

    key: str
    start: int
    value: int
    end: int


def parse(text: str, *, source: str) -> dict[str, Any]:
    """Return the object that a text holds, an empty one for an empty text; raise `ConfigInvalid` with line and column.

    A key that stands twice is refused: which of the two counts is for nobody to guess.
    """
    body = text.removeprefix(_BOM)
    if not body.strip(" \t\r\n"):
        return {}
    try:
        data = json.loads(body, parse_constant=lambda _: _refuse_words(body))
        if isinstance(data, dict):
            _refuse_twins(body, data)
    except json.JSONDecodeError as error:
        raise _invalid(source, error) from error
    except RecursionError:
        raise _invalid(source, json.JSONDecodeError("nested too deeply", body, 0)) from None
    if not isinstance(data, dict):
        raise _invalid(source, json.JSONDecodeError("not an object", body, _after_space(body, 0)))
    return data


def changed(text: str, path: tuple[str, ...], value: Value, *, source: str) -> str:
    """Return the text with this value at a path of one or two keys.

    Order, indentation and line ends stay. The result is read back: if it differs from the text in more than this
    value, `ConfigInvalid` is raised instead.
    """
    before = parse(text, source=source)
    plain = list(value) if isinstance(value, tuple) else value
    wanted = _with(before, path, plain, source)
    if wanted == before:
        return text
    head = _BOM if text.startswith(_BOM) else ""
    body = text.removeprefix(_BOM)
    end = "\r\n" if "\r\n" in body else "\n"
    new = _set(body if body.strip(" \t\r\n") else "{}" + (body or end), path, plain, end)
    if parse(new, source=source) != wanted:
        message = f"cannot set {'.'.join(path)} in {source!r} and leave all else as it is"
        raise ConfigInvalid(message, hint="set it by hand; the file is untouched")
    return head + new


def _invalid(source: str, error: json.JSONDecodeError) -> ConfigInvalid:
    return ConfigInvalid.at(source, error.lineno, error.colno, f"not JSON: {error.msg[:1].lower()}{error.msg[1:]}")


def _refuse_words(text: str) -> None:
    """Raise an error for the first word that Python takes for a number and JSON does not."""
    word = next(match for match in _WORD.finditer(text) if match[1])
    message = "invalid number"
    raise json.JSONDecodeError(message, text, word.start())


def _refuse_twins(text: str, data: dict[str, Any]) -> None:
    """Raise an error for a key that stands twice in the object itself, or in one of its objects."""
    objects = [_after_space(text, 0)]
    objects += [one.value for one in _members(text, objects[0]) if isinstance(data[one.key], dict)]
    for start in objects:
        seen = set()
        for member in _members(text, start):
            if member.key in seen:
                message = f"key {member.key!r} for the second time"
                raise json.JSONDecodeError(message, text, member.start)
            seen.add(member.key)


def _members(text: str, start: int) -> list[_Member]:
    """Return the members of the object that starts here, in a text that is known to be JSON."""
    found = []
    at = _after_space(text, start + 1)
    while text[at] != "}":
        key, end = _DECODER.raw_decode(text, at)
        value = _after_space(text, _after_space(text, end) + 1)  # behind the colon
        _, end = _DECODER.raw_decode(text, value)
        found.append(_Member(key, at, value, end))
        at = _after_space(text, end)
        if text[at] == ",":
            at = _after_space(text, at + 1)
    return found


def _after_space(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return at if match is None else match.end()


def _set(text: str, path: tuple[str, ...], value: Any, end: str) -> str:
    """Replace the value at a path, or write it behind the last member of its object."""
    start = _after_space(text, 0)
    for depth, key in enumerate(path, 1):
        members = _members(text, start)
        member = next((one for one in members if one.key == key), None)
        whole = _nested(path[depth:], value)
        if member is None:
            return _added(text, start, members, key, whole, end)
        if depth == len(path) or text[member.value] != "{":
            new = _written(whole, _indent(text, member.start), text, end)
            return text[: member.value] + new + text[member.end :]
        start = member.value
    return text


def _nested(path: tuple[str, ...], value: Any) -> Any:
    for key in reversed(path):
        value = {key: value}
    return value


def _added(text: str, start: int, members: list[_Member], key: str, value: Any, end: str) -> str:  # noqa: PLR0913, PLR0917
    """Return the text with a member more in the object that starts here."""
    name = json.dumps(key, ensure_ascii=False)
    if members:
        last = members[-1]
        indent = _indent(text, last.start)
        gap = " " if indent is None else end + indent
        return f"{text[: last.end]},{gap}{name}: {_written(value, indent, text, end)}{text[last.end :]}"
    stop = _after_space(text, start + 1) + 1
    if "\n" not in text.strip() and start > 0:
        return f"{text[:start]}{{{name}: {_written(value, None, text, end)}}}{text[stop:]}"
    line = text[text.rfind("\n", 0, start) + 1 : start]
    outer = line[: len(line) - len(line.lstrip(" \t"))]
    inner = outer + _unit(text)
    return f"{text[:start]}{{{end}{inner}{name}: {_written(value, inner, text, end)}{end}{outer}}}{text[stop:]}"


def _written(value: Any, indent: str | None, text: str, end: str) -> str:
    """Return a value as JSON, over several lines where the text around it is."""
    if indent is None:
        return json.dumps(value, ensure_ascii=False)
    return json.dumps(value, indent=_unit(text), ensure_ascii=False).replace("\n", end + indent)


def _indent(text: str, at: int) -> str | None:
    """Return the white space between the start of a line and a place in it, None when something else is there."""
    start = text.rfind("\n", 0, at) + 1
    return text[start:at] if start and not text[start:at].strip(" \t") else None


def _unit(text: str) -> str:
    """Return what one level is indented by."""
    members = _members(text, _after_space(text, 0))
    return (_indent(text, members[0].start) if members else None) or "  "


def _with(data: dict[str, Any], path: tuple[str, ...], value: Any, source: str) -> dict[str, Any]:
    """Return data with this value."""
    data = deepcopy(data)
    *objects, key = path
    inner = data
    for name in objects:
        if inner.get(name) is None:
            inner[name] = {}
        if not isinstance(inner[name], dict):
            message = f"{name!r} is not an object in {source!r}"
            raise ConfigInvalid(message, hint="correct it first; the file is untouched")
        inner = inner[name]
    inner[key] = value
    return data
