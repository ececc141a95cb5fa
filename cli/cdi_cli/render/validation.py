"""The answer of `cdi validate` for people: one problem a line."""

from __future__ import annotations

__all__ = ["text"]

from typing import TYPE_CHECKING

from cdi_cli.text import counted, paint, printable, problem_lines

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cdi_cli.commands.validate import Validation
    from cdi_cli.render import Look

_SEVERITIES = ("error", "warning")


def text(answer: Validation, look: Look) -> Iterator[str]:
    """Yield the problems of each file, hints indented below, then a summary."""
    for verdict in answer.files:
        for problem in verdict.problems:
            yield problem_lines(problem, verdict.path, color=look.color)
        if look.verbose and verdict.valid:
            about = f"{verdict.kind}, {counted(verdict.devices, 'device')}, needs CDI {verdict.minimum_version}"
            yield f"{printable(verdict.path)}: {paint('valid', 'green', color=look.color)}: {about}\n"
    if answer.files and not look.quiet:
        yield _summary(answer.summary)


def _summary(summary: dict[str, int]) -> str:
    found = [counted(summary[f"{severity}s"], severity) for severity in _SEVERITIES if summary[f"{severity}s"]]
    valid = "all valid" if not summary["invalid"] else f"{summary['invalid']} invalid"
    return f"{counted(summary['files'], 'file')}, {valid}{''.join(f', {part}' for part in found)}\n"
