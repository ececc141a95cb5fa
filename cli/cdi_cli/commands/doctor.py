"""`cdi doctor`: why containers do not get a device, or what is wrong with any."""

from __future__ import annotations

__all__ = ["EXAMPLES", "Diagnosed", "doctor"]

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from cdi.diagnosis import Diagnosis, Status, diagnose
from cdi.errors import FileError, NothingFound, UsageError
from cdi.rooted import inside
from cdi.runtimes import find_runtimes
from cdi_cli.answer import Answer
from cdi_cli.hosts import host_of
from cdi_cli.settings import DEFAULT_DIRS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cdi.runtimes import Runtime
    from cdi_cli.settings import Settings

EXAMPLES = {
    "doctor": """cdi doctor                                  # everything on this node
cdi doctor nvidia.com/gpu=0                 # one device, in every runtime
cdi doctor 'nvidia.com/gpu=*' --runtime podman --user alice"""
}
_EXIT_CODES: dict[Status, int] = {"problem": 1, "unknown": FileError.exit_code}


class Diagnosed(Answer, frozen=True, kw_only=True):
    """What was found, for devices or for the whole node."""

    diagnosis: Diagnosis
    devices: bool  # whether the user asked for some

    @property
    def exit_code(self) -> int:
        """0 when nothing is wrong, warnings or not; 1 when something is; 4 when something could not be read."""
        return _EXIT_CODES.get(self.diagnosis.status, 0)

    def to_data(self) -> dict[str, Any]:
        """Return the contract of `doctor --output json`."""
        plain: dict[str, Any] = msgspec.to_builtins(self.diagnosis)
        return {"version": 1, "status": self.diagnosis.status} | plain


def doctor(
    ctx: typer.Context,
    devices: Annotated[
        list[str] | None,
        typer.Argument(metavar="[DEVICE]...", help="Qualified names or patterns; else everything.", show_default=False),
    ] = None,
    *,
    runtime: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Only this runtime; repeat it.", show_default=False),
    ] = None,
    user: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Whose rootless containers are meant; else your own.", show_default=False),
    ] = None,
) -> Diagnosed:
    """Say why containers do not get a device, and what to do.

    Follows the way that each runtime of this node goes, from the name to the driver, up to the first step that is
    broken. Without a device, it looks at everything: every runtime, every spec file, every device in it.

    Exit code: 0 nothing is wrong (warnings count for nothing), 1 something is, 3 there is neither a runtime nor a
    spec, 4 something could not be read.
    """
    host = host_of(ctx.obj)
    runtimes = _chosen(find_runtimes(host), runtime or ())
    user = user or (_ourselves() if host.is_here else None)
    diagnosis = diagnose(host, runtimes, devices or (), spec_dirs=_spec_dirs(ctx.obj), user=user)
    if not diagnosis.checks or not (runtimes or devices or any(check.path for check in diagnosis.checks)):
        message = "found neither a container runtime nor a spec file"
        raise NothingFound(message, hint="`cdi generate --install` writes specs for what this node has")
    notes = [] if runtimes else ["no container runtime was found: specs are held against what any would do"]
    if host.is_here and os.geteuid():
        notes.append("not run as root: not all of daemons and their files can be seen")
    return Diagnosed(diagnosis=diagnosis, devices=bool(devices), notes=tuple(notes))


def _ourselves() -> str | None:
    """Return the user that we are, and whose containers are meant, unless we are root, who may ask for anybody."""
    return str(os.geteuid()) if os.geteuid() else None


def _chosen(found: Sequence[Runtime], names: Sequence[str]) -> tuple[Runtime, ...]:
    """Return the runtimes that are wanted; raise `UsageError` for one that is not there."""
    for name in names:
        if not any(name in {one.name, one.release} for one in found):
            message = f"found no runtime {name!r}"
            there = ", ".join(one.release or one.name for one in found) or "none"
            raise UsageError(message, hint=f"there is {there}")
    return tuple(one for one in found if not names or {one.name, one.release} & set(names))


def _spec_dirs(settings: Settings) -> tuple[str, ...]:
    """Return the spec directories as paths of the host."""
    if not settings.named_dirs:
        return DEFAULT_DIRS
    return tuple(
        inside(settings.root, directory) or str(Path(directory).absolute()) for directory in settings.listed_dirs
    )
