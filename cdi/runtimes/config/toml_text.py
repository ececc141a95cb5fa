"""One value of a TOML text changed, with all else left as it is written."""

from __future__ import annotations

__all__ = ["Value", "changed", "parse"]

import re
import sys
from collections.abc import Mapping
from copy import deepcopy
from typing import TYPE_CHECKING, Any, TypeAlias

from cdi.errors import ConfigInvalid, UsageError
from cdi.runtimes.configs import toml_place

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from tomlkit import TOMLDocument

Value: TypeAlias = "bool | tuple[str, ...]"
_BARE_LF = re.compile(r"(?<!\r)\n")


def parse(text: str, *, source: str) -> dict[str, Any]:
    """Return the data of a TOML text; raise `ConfigInvalid` with line and column."""
    try:
        data: dict[str, Any] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        what, line, column = toml_place(error, text)
    except RecursionError:
        what, line, column = "nested too deeply", 1, 1
    else:
        return data
    raise ConfigInvalid.at(source, line, column, what)


def changed(text: str, path: tuple[str, ...], value: Value, *, source: str) -> str:
    """Return the text with this value at a path.

    Comments, order, quotes, indentation and line ends stay. The result is read back with another parser: if it
    differs from the text in more than this value, `ConfigInvalid` is raised instead.
    """
    try:
        import tomlkit  # noqa: PLC0415 - few commands need it
        from tomlkit.exceptions import TOMLKitError  # noqa: PLC0415 - as above
    except ImportError:
        message = f"changing {source!r} needs the Python package tomlkit"
        raise UsageError(message, hint="pip install 'cdi-tools[runtimes]'") from None

    before = parse(text, source=source)
    wanted = _with(before, path, value, source)
    if wanted == before:
        return text
    message = f"cannot set {'.'.join(path)} in {source!r} and leave all else as it is"
    failure = ConfigInvalid(message, hint="set it by hand; the file is untouched")
    try:
        new = _edited(tomlkit.parse(text), path, value, text)
    except TOMLKitError as error:
        raise failure from error
    if "\r\n" in text and not _BARE_LF.search(text):
        new = _BARE_LF.sub("\r\n", new)
    if not _reads_as(new, wanted):
        raise failure
    return new


def _with(data: dict[str, Any], path: tuple[str, ...], value: Value, source: str) -> dict[str, Any]:
    """Return data with this value."""
    data = deepcopy(data)
    *tables, key = path
    table = data
    for name in tables:
        table = table.setdefault(name, {})
        if not isinstance(table, dict):
            message = f"{name!r} is not a table in {source!r}"
            raise ConfigInvalid(message, hint="correct it first; the file is untouched")
    table[key] = _plain(value)
    return data


def _plain(value: Value) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _reads_as(text: str, wanted: dict[str, Any]) -> bool:
    try:
        return bool(tomllib.loads(text) == wanted)
    except tomllib.TOMLDecodeError:
        return False


def _edited(document: TOMLDocument, path: tuple[str, ...], value: Value, old: str) -> str:
    """Return the document with the value in its table, which is made when there is none."""
    import tomlkit  # noqa: PLC0415 - few commands need it
    from tomlkit.items import InlineTable  # noqa: PLC0415 - as above

    *tables, key = path
    table: Any = document
    made = False
    for depth, name in enumerate(tables, 1):
        if name not in table:
            made = not isinstance(table, InlineTable)
            table[name] = tomlkit.table(is_super_table=depth < len(tables)) if made else tomlkit.inline_table()
        table = table[name]
    _set(table, key, value)
    if made:
        table.add(tomlkit.nl())
    new = tomlkit.dumps(document)
    return new[:-1] if made and new.endswith("\n\n") and not old.endswith("\n\n") else new


def _set(table: Any, key: str, value: Value) -> None:
    """Set a value; a new one is indented as the one before it."""
    import tomlkit  # noqa: PLC0415 - few commands need it
    from tomlkit.items import Item  # noqa: PLC0415 - as above

    is_new = key not in table
    # tomlkit gives a boolean without what stands around it.
    indents = [one.trivia.indent for one in table.values() if isinstance(one, Item) and not isinstance(one, Mapping)]
    table[key] = item = tomlkit.item(_plain(value))
    if is_new and indents:
        item.trivia.indent = indents[-1]
