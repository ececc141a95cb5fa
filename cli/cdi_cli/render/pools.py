"""What pools are worth and have, for people."""

from __future__ import annotations

__all__ = ["text"]

from typing import TYPE_CHECKING

from cdi_cli.render.hardware import listed
from cdi_cli.text import counted, paint, printable, problem_lines

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cdi_cli.commands.pools import CheckedPools, PoolVerdict
    from cdi_cli.render import Look


def text(answer: CheckedPools, look: Look) -> Iterator[str]:
    """Yield the problems of each file and of all together, then each pool with its devices and what it skips."""
    for verdict in answer.files:
        for problem in verdict.problems:
            yield problem_lines(problem, verdict.path, color=look.color)
        if verdict.valid and not look.quiet:
            number = sum(pool.path == verdict.path for pool in answer.pools)
            valid = paint("valid", "green", color=look.color)
            yield f"{printable(verdict.path)}: {valid}: {counted(number, 'pool')}\n"
    for problem in answer.problems:
        if problem.severity == "error":
            yield f"{paint('error', 'red', color=look.color)}: {printable(problem.advice)}\n"
    for pool in answer.pools if not look.quiet else ():
        yield from _pool(pool)


def _pool(pool: PoolVerdict) -> Iterator[str]:
    has = counted(len(pool.found), "device") if pool.found else "nothing on this host"
    yield f"{pool.kind} ({pool.family}): {has}\n"
    yield from listed(pool.found, pool.skipped)
