"""The container runtimes of a host, for people."""

from __future__ import annotations

__all__ = ["status"]

from datetime import datetime, timezone
from typing import TYPE_CHECKING

from cdi_cli.render.table import table
from cdi_cli.text import paint, printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cdi.runtimes import Daemon, Runtime
    from cdi_cli.commands.runtime import RuntimeStatus
    from cdi_cli.render import Look

_ON = {True: "on", False: "off", None: "unknown"}
_WIDTH = 11  # of the words on the left of the details


def status(answer: RuntimeStatus, look: Look) -> Iterator[str]:
    """Yield a line for each runtime and what is wrong with it below; with -v all that is known, and how."""
    if look.verbose:
        for number, runtime in enumerate(answer.runtimes):
            yield "\n" if number else ""
            yield from _details(runtime, look)
        return
    headings = ("RUNTIME", "VERSION", "CDI", "READS UP TO", "DIRECTORIES", "STARTS")
    yield from table(headings, [_row(runtime) for runtime in answer.runtimes], look)
    said = [line for runtime in answer.runtimes for line in _said(runtime, look)]
    if said:
        yield "\n"
        yield from said


def _row(runtime: Runtime) -> tuple[str, ...]:
    return (
        runtime.name,
        runtime.version or "unknown",
        _ON[runtime.enabled],
        runtime.newest_version or "unknown",
        " ".join(runtime.spec_dirs) or "none",
        runtime.low_level.label if runtime.low_level is not None else "unknown",
    )


def _said(runtime: Runtime, look: Look) -> Iterator[str]:
    """Yield what is wrong and what should be known, a line each."""
    for problem in runtime.problems:
        style = paint(problem.severity, "red", color=look.color)
        place = problem.where if problem.line is None else f"{problem.where}:{problem.line}:{problem.column or 1}"
        yield f"{runtime.name}: {printable(place)}: {style}: {printable(problem.advice)} [{problem.rule}]\n"
    if runtime.daemon is not None and runtime.daemon.outdated_by:
        yield f"{runtime.name}: {printable(_outdated(runtime.daemon))}\n"
    if not look.quiet:
        yield from (f"{runtime.name}: {printable(remark)}\n" for remark in runtime.remarks)


def _outdated(daemon: Daemon) -> str:
    return f"the running daemon is older than {', '.join(daemon.outdated_by)}"


def _details(runtime: Runtime, look: Look) -> Iterator[str]:
    yield paint(f"{printable(runtime.label)}\n", "bold", color=look.color)
    for word, text in _facts(runtime):
        yield f"  {word:{_WIDTH}}  {printable(text)}\n"
    yield from (f"  {line.removeprefix(f'{runtime.name}: ')}" for line in _said(runtime, look))


def _facts(runtime: Runtime) -> Iterator[tuple[str, str]]:
    yield "program", runtime.program
    yield "version", f"{runtime.version or 'unknown'} ({runtime.version_why})"
    yield "CDI", f"{_ON[runtime.enabled]} ({runtime.enabled_why})"
    if runtime.spec_dirs:
        yield "directories", f"{' '.join(runtime.spec_dirs)} ({runtime.spec_dirs_why})"
    yield "reads up to", f"{runtime.newest_version or 'unknown'} ({runtime.newest_version_why})"
    if runtime.low_level is not None:
        lacks = f", ignores {', '.join(runtime.low_level.lacks)}" if runtime.low_level.lacks else ""
        yield "starts", f"{runtime.low_level.label} ({runtime.low_level.program or 'not found'}){lacks}"
    for path in runtime.configs:
        yield "reads", path
    if runtime.daemon is not None:
        since = datetime.fromtimestamp(runtime.daemon.started, timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC")
        yield "daemon", f"PID {runtime.daemon.pid} since {since} ({runtime.daemon.program})"
