"""The log of a service: a line on stderr for each entry, as text or as JSON."""

from __future__ import annotations

__all__ = ["journal"]

import os
import time
from typing import TYPE_CHECKING

import msgspec

from cdi_cli.streams import say
from cdi_cli.text import printable

if TYPE_CHECKING:
    from collections.abc import Callable

    from cdi.upkeep import Entry

_PRIORITIES = {"error": 3, "warning": 4, "info": 6, "debug": 7}  # sd-daemon(3)
_STDERR = 2


def journal(form: str, *, quiet: bool = False, verbose: bool = False) -> Callable[[Entry], None]:
    """Return the function that writes an entry, if it is of a level that is wanted."""
    levels = {"error", "warning"} if quiet else {"error", "warning", "info", *(["debug"] if verbose else [])}
    line = _json if form == "json" else _prioritised if _is_journald() else _text

    def write(entry: Entry) -> None:
        if entry.level in levels:
            say(line(entry))

    return write


def _is_journald() -> bool:
    """Return whether stderr leads to systemd's journal, which adds the time, and takes a priority for each line."""
    try:
        status = os.fstat(_STDERR)
    except OSError:
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


def _text(entry: Entry) -> str:
    return f"{_now()} {entry.level}: {_words(entry)}"


def _prioritised(entry: Entry) -> str:
    return f"<{_PRIORITIES[entry.level]}>{_words(entry)}"


def _words(entry: Entry) -> str:
    facts = [f" ({entry.hint})"] if entry.hint else []
    facts += [f" [{entry.reason}]"] if entry.reason else []
    return printable(entry.message + "".join(facts))


def _json(entry: Entry) -> str:
    fields = {name: value for name in entry.__struct_fields__ if (value := getattr(entry, name)) is not None}
    plain = {"time": _now(), **{name: _utf8(value) for name, value in fields.items()}}
    return msgspec.json.encode(plain).decode()


def _utf8(value: object) -> object:
    """Return text that JSON can hold: file names need not be UTF-8."""
    return value.encode("utf-8", "surrogateescape").decode("utf-8", "replace") if isinstance(value, str) else value


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
