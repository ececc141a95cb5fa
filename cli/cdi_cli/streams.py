"""The standard streams: answers out, notes beside."""

from __future__ import annotations

__all__ = ["OutputClosed", "is_closed", "is_terminal", "open_missing", "say", "write_answer"]

import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from cdi.errors import FileError

if TYPE_CHECKING:
    from collections.abc import Iterable

_closed: set[int] = set()


class OutputClosed(Exception):
    """Whoever read our answer has gone; nobody is left to tell."""


def open_missing() -> None:
    """Open /dev/null in place of standard streams that are closed, lest a file that we write becomes one."""
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            _closed.add(os.open(os.devnull, os.O_RDWR))


def is_closed(descriptor: int) -> bool:
    """Return whether a standard stream was closed when we were started."""
    return descriptor in _closed


def is_terminal() -> bool:
    """Return whether a person reads the answer as it comes."""
    return sys.stdout is not None and sys.stdout.isatty()


def say(text: str) -> None:
    """Write a line to stderr; that nobody listens there is no error."""
    if sys.stderr is None:
        return
    with suppress(OSError, ValueError):
        sys.stderr.write(text + "\n")
        sys.stderr.flush()


def write_answer(chunks: Iterable[str]) -> None:
    """Write text to stdout, each chunk as it comes; raise `FileError`, or `OutputClosed` for a broken pipe."""
    for chunk in filter(None, chunks):
        if sys.stdout is None or 1 in _closed:
            message = "cannot write to standard output: it is closed"
            raise FileError(message)
        try:
            sys.stdout.buffer.write(_encoded(chunk))
            sys.stdout.flush()
        except BrokenPipeError:
            _discard_output()
            raise OutputClosed from None
        except OSError as error:
            _discard_output()
            message = f"cannot write to standard output: {(error.strerror or str(error)).lower()}"
            raise FileError(message) from error


def _encoded(text: str) -> bytes:
    """Return UTF-8, file names that are not as the bytes they are."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace")


def _discard_output() -> None:
    """Point stdout to /dev/null, so that the interpreter's last flush cannot fail."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
