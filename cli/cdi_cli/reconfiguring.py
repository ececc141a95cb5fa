"""The configuration of runtimes changed as `cdi runtime enable`, `disable`, `set-dirs` and `undo` are told to."""

from __future__ import annotations

__all__ = ["Reconfiguration", "Reconfigured", "reconfigure", "take_back"]

from difflib import unified_diff
from typing import TYPE_CHECKING

import msgspec

from cdi.errors import CdiError, NothingFound, UsageError
from cdi.runtimes import Runtime, find_runtimes
from cdi.runtimes.config import (
    Action,
    Change,
    Plan,
    Request,
    apply,
    plan,
    planned_undo,
    restart,
    restart_of,
    run_program,
    undo,
)
from cdi_cli.answer import Answer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cdi.host import Host


class Reconfigured(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What was done for one runtime: `path` is the file that changed, or else `why` says why none did.

    `restart` is the command that makes the runtime see it, if it takes one. `outcome` says how that went, and `up`
    whether the daemon is: None when it was not touched.
    """

    name: str
    action: Action
    path: str | None
    why: str | None
    diff: str
    remarks: tuple[str, ...] = ()
    restart: str | None = None
    restart_why: str | None = None
    outcome: str | None = None
    up: bool | None = None


class Reconfiguration(Answer, frozen=True, kw_only=True):
    """What was done for each runtime, or with `dry_run` would be."""

    dry_run: bool
    runtimes: tuple[Reconfigured, ...]

    @property
    def exit_code(self) -> int:
        """0, or 1 when a daemon did not come up again."""
        return CdiError.exit_code if any(one.up is False for one in self.runtimes) else 0


def reconfigure(
    host: Host, names: Sequence[str], request: Request, *, dry_run: bool, restarting: bool
) -> Reconfiguration:
    """Change the configuration of runtimes; when one of them cannot be, none is."""
    every = find_runtimes(host)
    runtimes = [_installed(every, name) for name in names]
    plans = [plan(host, runtime, request) for runtime in runtimes]
    if not dry_run:
        _apply(host, [one for one in plans if one.change is not None])
    done = tuple(
        _done(host, one, runtime, restarting=restarting and not dry_run)
        for one, runtime in zip(plans, runtimes, strict=True)
    )
    return Reconfiguration(dry_run=dry_run, runtimes=done)


def _apply(host: Host, plans: Sequence[Plan]) -> None:
    """Make all changes; when one fails, none is left."""
    root = _root(host) if plans else ""
    for number, one in enumerate(plans):
        try:
            apply(one, root=root)
        except CdiError:
            for made in reversed(plans[:number]):
                undo(made.runtime, root=root)
            raise


def take_back(host: Host, names: Sequence[str], *, force: bool, dry_run: bool, restarting: bool) -> Reconfiguration:
    """Take back the last change that was made for each runtime; when one of them cannot be, none is."""
    root = _root(host)
    plans = [planned_undo(name, root=root, force=force) for name in names]
    if not dry_run:
        plans = [undo(name, root=root, force=force) for name in names]
    done = tuple(_done(host, one, None, restarting=restarting and not dry_run) for one in plans)
    return Reconfiguration(dry_run=dry_run, runtimes=done)


def _installed(every: Sequence[Runtime], name: str) -> Runtime:
    found = next((one for one in every if one.name == name), None)
    if found is None:
        message = f"{name} is not installed"
        raise NothingFound(message, hint="'cdi runtime status' shows what is")
    return found


def _root(host: Host) -> str:
    if host.root is None:
        message = "a text tree cannot be changed"
        raise UsageError(message, hint="--dry-run shows what would change")
    return host.root


def _done(host: Host, planned: Plan, runtime: Runtime | None, *, restarting: bool) -> Reconfigured:
    change = planned.change
    needed = restart_of(host, planned.runtime)
    is_outdated = runtime is not None and runtime.daemon is not None and bool(runtime.daemon.outdated_by)
    if needed is None or (change is None and not is_outdated):
        needed, restarting = None, False
    result = restart(host, needed, run_program) if restarting and needed is not None else None
    return Reconfigured(
        name=planned.runtime,
        action=planned.action,
        path=None if change is None else change.path,
        why=planned.why if change is None else None,
        diff="" if change is None else "".join(_diff(change)),
        remarks=planned.remarks,
        restart=None if needed is None else needed.command,
        restart_why=None if needed is None else needed.why,
        outcome=None if result is None else result.outcome,
        up=None if result is None else result.ok,
    )


def _diff(change: Change) -> Iterator[str]:
    """Yield a unified diff, as `patch` takes it; a carriage return at the end of a line stays one."""
    old, new = (_lines(content) for content in (change.old, change.new))
    names = ["/dev/null" if content is None else change.path for content in (change.old, change.new)]
    for line in unified_diff(old, new, fromfile=names[0], tofile=names[1]):
        yield line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"


def _lines(content: bytes | None) -> list[str]:
    text = (content or b"").decode("utf-8", "replace")
    return [f"{line}\n" for line in text.split("\n")[:-1]] + (
        [text.rpartition("\n")[2]] if text[-1:] not in {"", "\n"} else []
    )
