"""What is said, and which exit code follows, when a command line fails."""

from __future__ import annotations

__all__ = ["explain"]

import traceback
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from cdi.errors import CdiError, SpecInvalid
from cdi_cli.streams import say
from cdi_cli.text import lowered, printable

if TYPE_CHECKING:
    from collections.abc import Sequence

# The root of what Typer raises for a wrong command line; Typer has it, but exports only what comes of it.
_WRONG_USAGE: type[Exception] = typer.BadParameter.__mro__[2]
_BUG = 70
_FILE = 4
_USAGE = 2


def explain(error: Exception, arguments: Sequence[str]) -> int:
    """Say on stderr what went wrong, and return the exit code."""
    if isinstance(error, CdiError):
        if isinstance(error, SpecInvalid) and error.problems:
            _say(_problems(error), error.hint)
        else:
            _say(error.message, error.hint)
        return error.exit_code
    if isinstance(error, _WRONG_USAGE):
        return _explain_usage(error)
    if isinstance(error, OSError):  # of Typer's own output, such as --help; all else comes as FileError
        _say((error.strerror or str(error)).lower())
        return _FILE
    _explain_bug(error, traced="-v" in arguments or "--verbose" in arguments)
    return _BUG


def _say(message: str, hint: str | None = None) -> None:
    for start, text in (("cdi: error: ", message), ("hint: ", hint or "")):
        for number, line in enumerate(text.splitlines()):
            say((start if number == 0 else " " * 4) + printable(line))


def _problems(error: SpecInvalid) -> str:
    """Return all problems of a spec, one a line."""
    lines = [printable(problem.render(error.source)) for problem in error.problems]
    return "\n".join([f"invalid spec {printable(error.source)}", *lines])


def _explain_usage(error: Exception) -> int:
    context = getattr(error, "ctx", None)
    text = str(getattr(error, "format_message", error.__str__)()).strip()
    if type(error).__name__ == "NoArgsIsHelpError":
        say(text)
        return _USAGE
    command = context.command_path if context else "cdi"
    _say(lowered(text).rstrip("."), f"'{command} --help' shows how it is used")
    return _USAGE


def _explain_bug(error: Exception, *, traced: bool) -> None:
    if traced:
        say("".join(traceback.format_exception(error)).rstrip())
    place = traceback.extract_tb(error.__traceback__)[-1]
    say(f"cdi: bug: {type(error).__name__}: {printable(str(error))}")
    say(f"  at {Path(place.filename).name}:{place.lineno}, in {place.name}")
    say("hint: this is a fault of cdi, not yours: please report it" + ("" if traced else ", with the output of -v"))
