"""Configuration files of runtimes: what they say, on which line, and what is wrong with them."""

from __future__ import annotations

__all__ = ["Config", "Configs", "Setting", "last", "strings", "toml_place"]

import json
import re
import sys
from typing import TYPE_CHECKING, Any

import msgspec

from cdi.document import DocumentError, Mapping, Node, Scalar, target_of
from cdi.host import HostError
from cdi.problem import Problem

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cdi.host import Host

_MAX_LOOKS = 100  # lines that name a key, of which one is asked for; each look parses all above
_AT = re.compile(r"(?P<what>.*) \((?:at line (?P<line>\d+), column (?P<column>\d+)|at end of document)\)", re.DOTALL)


class Setting(msgspec.Struct, frozen=True):
    """A value of a configuration, and where it stands: `/etc/docker/daemon.json:3`."""

    value: Any
    why: str


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """A file that was read: its path, text and data."""

    path: str
    text: str
    data: dict[str, Any]
    is_json: bool = False

    def get(self, *keys: str) -> Any:
        """Return the value below these keys; None when there is none, or a table is missing on the way."""
        value: Any = self.data
        for key in keys:
            value = value.get(key) if isinstance(value, dict) else None
        return value

    def line(self, *keys: str) -> int | None:
        """Return the line of a key, counted from 1."""
        return _json_line(self.text, keys) if self.is_json else _toml_line(self.text, keys)

    def place(self, *keys: str) -> str:
        """Return the path and line of a key: `/etc/crio/crio.conf:12`."""
        line = self.line(*keys)
        return self.path if line is None else f"{self.path}:{line}"

    def setting(self, *keys: str) -> Setting | None:
        """Return a value with its place, None when it is not there."""
        value = self.get(*keys)
        return None if value is None else Setting(value, self.place(*keys))


class Configs:
    """The files that one runtime reads, in the order in which they are asked for; a file that is missing is none."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._paths: list[str] = []
        self._problems: list[Problem] = []

    @property
    def paths(self) -> tuple[str, ...]:
        """The files that are there."""
        return tuple(self._paths)

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What is wrong with them."""
        return tuple(self._problems)

    def has(self, path: str) -> bool:
        """Return whether there is something at a path, or nobody can tell us."""
        try:
            return self._host.lookup(path) is not None
        except HostError:
            return True

    def toml(self, path: str) -> Config | None:
        """Return a TOML file; None when there is none, or when it is noted as a problem."""
        text = self._text(path)
        if text is None:
            return None
        try:
            return Config(path=path, text=text, data=tomllib.loads(text))
        except tomllib.TOMLDecodeError as error:
            what, line, column = toml_place(error, text)
            self.refuse(path, f"not TOML: {what}", line=line, column=column)
        except RecursionError:
            self.refuse(path, "not TOML that can be read: nested too deeply")
        return None

    def json(self, path: str) -> Config | None:
        """Return a JSON file, as `toml` does; an empty one holds nothing."""
        text = self._text(path)
        if text is None:
            return None
        try:
            data = json.loads(text.removeprefix("\ufeff")) if text.strip() else {}
        except json.JSONDecodeError as error:
            what = f"not JSON: {error.msg[:1].lower()}{error.msg[1:]}"
            self.refuse(path, what, line=error.lineno, column=error.colno)
            return None
        except RecursionError:
            self.refuse(path, "not JSON that can be read: nested too deeply")
            return None
        if not isinstance(data, dict):
            self.refuse(path, "not a JSON object")
            return None
        return Config(path=path, text=text, data=data, is_json=True)

    def drop_ins(self, *directories: str, suffix: str = "") -> list[Config]:
        """Return the TOML files of directories, in the order of their names; of two with one name the later counts."""
        paths: dict[str, str] = {}
        for directory in directories:
            paths |= {name: f"{directory}/{name}" for name in self._names(directory) if name.endswith(suffix)}
        return [config for name in sorted(paths) if (config := self.toml(paths[name])) is not None]

    def _names(self, directory: str) -> tuple[str, ...]:
        try:
            return self._host.listdir(directory)
        except HostError as error:
            if not error.missing:
                self.refuse(directory, error.message, rule="config-unreadable")
            return ()

    def refuse(
        self,
        path: str,
        message: str,
        *,
        rule: str = "config-syntax",
        line: int | None = None,
        column: int | None = None,
    ) -> None:
        """Note what is wrong with a file."""
        problem = Problem(severity="error", rule=rule, message=message, where=path, line=line, column=column)
        self._problems.append(problem)

    def _text(self, path: str) -> str | None:
        try:
            raw = self._host.read_bytes(path)
        except HostError as error:
            if not error.missing:
                self._paths.append(path)
                self.refuse(path, error.message, rule="config-unreadable")
            return None
        self._paths.append(path)
        try:
            return raw.decode()
        except UnicodeDecodeError as error:
            line = raw.count(b"\n", 0, error.start) + 1
            self.refuse(path, "not UTF-8", line=line, column=error.start - raw.rfind(b"\n", 0, error.start))
            return None


def toml_place(error: tomllib.TOMLDecodeError, text: str) -> tuple[str, int, int]:
    """Return what is wrong with a TOML text, on which line and in which column."""
    match = _AT.fullmatch(str(error))
    what = match["what"] if match is not None else str(error)
    lines = text.splitlines() or [""]
    at_end = match is None or match["line"] is None
    line, column = (len(lines), len(lines[-1]) + 1) if at_end else (int(match["line"]), int(match["column"]))  # type: ignore[index]
    return what[:1].lower() + what[1:], line, column


def last(configs: Iterable[Config | None], *keys: str) -> Setting | None:
    """Return the value of the last file that has it."""
    found = [config for config in configs if config is not None and config.get(*keys) is not None]
    return found[-1].setting(*keys) if found else None


def strings(value: Any) -> tuple[str, ...]:
    """Return the strings of a list; nothing for what is no list."""
    return tuple(one for one in value if isinstance(one, str)) if isinstance(value, list) else ()


def _toml_line(text: str, keys: Sequence[str]) -> int | None:
    """Return the line of a key: the last that names it, with nothing unfinished above, and the key not there yet."""
    lines = text.split("\n")
    naming = [index for index, line in enumerate(lines) if keys[-1] in line]
    for index in reversed(naming[-_MAX_LOOKS:]):
        if _is_next("\n".join(lines[:index]), keys):
            return index + 1
    return None


def _is_next(above: str, keys: Sequence[str]) -> bool:
    try:
        data: Any = tomllib.loads(above)
    except tomllib.TOMLDecodeError:
        return False
    for key in keys:
        if not isinstance(data, dict) or key not in data:
            return True
        data = data[key]
    return False


def _json_line(text: str, keys: Sequence[str]) -> int | None:
    from cdi.syntax import parse  # noqa: PLC0415 - YAML, which knows where everything stands

    try:
        node: Node | None = parse(text.encode()).root
    except DocumentError:
        return None
    line = None
    for key in keys:
        place = target_of(node) if node is not None else None
        entries = place.entries if isinstance(place, Mapping) else []
        found = [(name, value) for name, value in entries if isinstance(name, Scalar) and name.text == key]
        if not found:
            return None
        name, node = found[-1]
        line = name.line
    return line
