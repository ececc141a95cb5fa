"""`cdi runtime`: what of CDI the container runtimes of this host have switched on."""

from __future__ import annotations

__all__ = ["EXAMPLES", "RuntimeStatus", "runtime"]

from difflib import get_close_matches
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cdi.errors import CdiError, FileError, NothingFound, UsageError
from cdi.runtimes import RUNTIMES, Runtime, find_runtimes
from cdi_cli.answer import Answer
from cdi_cli.hosts import host_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cdi_cli.settings import Settings

EXAMPLES = {
    "runtime": """cdi runtime status                 # what each reads, and whether CDI is on
cdi runtime status containerd -v   # where that is from""",
}


class RuntimeStatus(Answer, frozen=True, kw_only=True):
    """The runtimes that are installed."""

    runtimes: tuple[Runtime, ...]

    @property
    def exit_code(self) -> int:
        """0, or when a configuration is wrong 1, when one cannot be read 4."""
        rules = {problem.rule for runtime in self.runtimes for problem in runtime.problems}
        if "config-unreadable" in rules:
            return FileError.exit_code
        return CdiError.exit_code if rules else 0


def runtime(
    ctx: typer.Context,
    action: Annotated[Literal["status"], typer.Argument(help="Show what is installed.", show_default=False)],
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[RUNTIME]...", help="Runtimes; else all.", show_default=False)
    ] = None,
) -> RuntimeStatus:
    """Show which container runtimes are installed, and what of CDI each has switched on.

    For each: whether CDI is on, the directories that it really reads, the newest CDI version that it loads, the
    low-level runtime that it starts, and whether the running daemon is older than its configuration.
    Exit code: 0 done, 1 a configuration is wrong, 3 nothing is installed, 4 a configuration cannot be read.
    """
    settings: Settings = ctx.obj
    wanted = _checked(names or ())
    return {"status": _status}[action](settings, wanted)


def _checked(names: Sequence[str]) -> tuple[str, ...]:
    """Return the names of runtimes; raise `UsageError` for one that we do not know."""
    for name in names:
        if name not in RUNTIMES:
            near = get_close_matches(name, RUNTIMES, n=1)
            message = f"unknown runtime {name!r}"
            raise UsageError(message, hint=f"did you mean {near[0]!r}?" if near else f"known: {', '.join(RUNTIMES)}")
    return tuple(names)


def _status(settings: Settings, names: Sequence[str]) -> RuntimeStatus:
    every = find_runtimes(host_of(settings))
    found = tuple(one for one in every if not names or one.name in names)
    missing = [name for name in names if name not in {one.name for one in every}]
    if not found:
        message = f"{' and '.join(missing)}: not installed" if missing else "no container runtime is installed"
        raise NothingFound(message, hint=f"looked for the programs of {', '.join(names or RUNTIMES)}")
    return RuntimeStatus(runtimes=found, notes=tuple(f"{name} is not installed" for name in missing))
