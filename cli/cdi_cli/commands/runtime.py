"""`cdi runtime`: what of CDI the container runtimes of this host have switched on, and changing that."""

from __future__ import annotations

__all__ = ["EXAMPLES", "RuntimeStatus", "runtime"]

from difflib import get_close_matches
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cdi.errors import CdiError, FileError, NothingFound, UsageError
from cdi.runtimes import RUNTIMES, Runtime, find_runtimes
from cdi.runtimes.config import Request
from cdi_cli.answer import Answer
from cdi_cli.hosts import host_of
from cdi_cli.reconfiguring import Reconfiguration, reconfigure, take_back

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cdi_cli.settings import Settings

EXAMPLES = {
    "runtime": """cdi runtime status                 # what each reads, and whether CDI is on
cdi runtime status containerd -v   # where that is from
cdi runtime enable containerd --dry-run
cdi runtime enable containerd docker --restart
cdi runtime set-dirs cri-o /etc/cdi /run/cdi
cdi runtime undo containerd        # the file is as it was before, byte for byte""",
}


_CHANGES = ("enable", "disable", "set-dirs", "undo")
_ACTIONS_OF = {"--dry-run": _CHANGES, "--restart": _CHANGES, "--force": ("undo",)}


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
    action: Annotated[
        Literal["status", "enable", "disable", "set-dirs", "undo"],
        typer.Argument(help="Show what is installed, or change its configuration.", show_default=False),
    ],
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[RUNTIME]...", help="Runtimes; set-dirs takes one, then its directories.", show_default=False
        ),
    ] = None,
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would change, and write nothing.", show_default=False)
    ] = False,
    restart: Annotated[
        bool, typer.Option("--restart", help="Make the daemon read the change, by systemd.", show_default=False)
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="undo: also what somebody else has changed since.", show_default=False)
    ] = False,
) -> RuntimeStatus | Reconfiguration:
    """Show which container runtimes are installed, and what of CDI each has switched on; switch it on or off.

    status: for each, whether CDI is on, the directories that it really reads, the newest CDI version that it loads,
    the low-level runtime that it starts, and whether the running daemon is older than its configuration.

    enable, disable and set-dirs change one key in the file that has the last word on it; all else stays as it is
    written. undo takes back the last change, byte for byte. Exit code: 0 done, 1 a configuration is wrong, cannot be
    changed so, or a daemon did not come up again, 3 not installed or nothing to take back, 4 a file cannot be read
    or written, 5 somebody else has changed it.
    """
    settings: Settings = ctx.obj
    given = tuple(names or ())
    wanted = _checked(given[:1] if action == "set-dirs" else given)
    _check_options(action, {"--dry-run": dry_run, "--restart": restart, "--force": force})
    if action == "status":
        return _status(settings, wanted)
    if not wanted:
        message = f"{action!r} needs the name of a runtime"
        raise UsageError(message, hint="'cdi runtime status' shows what is installed")
    host = host_of(settings)
    wanted = tuple(dict.fromkeys(wanted))
    if action == "undo":
        return take_back(host, wanted, force=force, dry_run=dry_run, restarting=restart)
    request = Request(action=action, dirs=given[1:] if action == "set-dirs" else ())
    return reconfigure(host, wanted, request, dry_run=dry_run, restarting=restart)


def _check_options(action: str, given: dict[str, bool]) -> None:
    """Raise `UsageError` for an option that this action does not have."""
    for option, is_given in given.items():
        if is_given and action not in _ACTIONS_OF[option]:
            message = f"{action!r} has no option {option}"
            raise UsageError(message, hint=f"{option} is one of {', '.join(_ACTIONS_OF[option])}")


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
