"""Text for people: odd characters made visible, colours, and columns."""

from __future__ import annotations

__all__ = ["counted", "lowered", "paint", "printable", "problem_lines"]

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cdi.problem import Problem

_SEVERITIES = {"error": "red", "warning": "yellow"}
_CODES = {"red": "31", "yellow": "33", "green": "32", "cyan": "36", "bold": "1", "dim": "2"}
# Control characters in names of files and devices could rewrite a terminal or fake a line.
_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0))}


def printable(text: str) -> str:
    """Return text for a terminal, on one line: control characters are written as escapes."""
    return text.translate(_CONTROLS)


def paint(text: str, style: str, *, color: bool) -> str:
    """Return text in a style, such as `red`, where colours are wanted."""
    return f"\x1b[{_CODES[style]}m{text}\x1b[0m" if color else text


def lowered(text: str) -> str:
    """Return somebody else's message as the end of ours: its first word, unless that is a name, in lower case."""
    return text[:1].lower() + text[1:] if text[1:2].islower() else text


def counted(number: int, noun: str) -> str:
    """Return `1 file`, `2 files`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def problem_lines(problem: Problem, path: str, *, color: bool) -> str:
    """Return a problem as a line, with its hint indented below."""
    line = printable(problem.render(path))
    if color:
        severity = f": {problem.severity}: "
        line = line.replace(severity, f": {paint(problem.severity, _SEVERITIES[problem.severity], color=True)}: ", 1)
    hint = f"    hint: {printable(problem.hint)}\n" if problem.hint else ""
    return f"{line}\n{paint(hint, 'dim', color=color and bool(hint))}"
