"""What profiles are worth, and the families of hardware, for people."""

from __future__ import annotations

__all__ = ["checked", "families"]

from typing import TYPE_CHECKING

from cdi.encode import dump
from cdi_cli.render.hardware import listed
from cdi_cli.render.table import table
from cdi_cli.text import counted, paint, printable, problem_lines

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cdi_cli.commands.profile import Checked, Families, ProfileVerdict
    from cdi_cli.render import Look


def checked(answer: Checked, look: Look) -> Iterator[str]:
    """Yield the problems of each profile, or what it gives: devices, what it skips, and the spec."""
    for verdict in answer.profiles:
        for problem in verdict.problems:
            yield problem_lines(problem, verdict.path, color=look.color)
        if verdict.valid and not look.quiet:
            yield from _gives(verdict, look)


def _gives(verdict: ProfileVerdict, look: Look) -> Iterator[str]:
    valid = paint("valid", "green", color=look.color)
    found = counted(len(verdict.found), "device") if verdict.found else "nothing found on this host"
    yield f"{printable(verdict.path)}: {valid}: {verdict.family}, {verdict.kind}: {found}\n"
    yield from listed(verdict.found, verdict.skipped)
    if verdict.spec is not None:
        yield "  spec:\n"
        yield "".join(f"    {line}\n" for line in dump(verdict.spec).splitlines())


def families(answer: Families, look: Look) -> Iterator[str]:
    """Yield a line for each family."""
    rows = [
        (one.name, one.kind, one.summary + (" (only when named)" if one.on_request else "")) for one in answer.families
    ]
    yield from table(("FAMILY", "KIND", "WHAT"), rows, look)
