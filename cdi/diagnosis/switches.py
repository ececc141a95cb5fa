"""Step `enabled`: whether a runtime has CDI on, its configuration can be read, and its daemon knows it."""

from __future__ import annotations

__all__ = ["switch_findings"]

from typing import TYPE_CHECKING

from cdi.diagnosis.finding import Finding
from cdi.diagnosis.remedies import restart, switch_on

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cdi.diagnosis.finding import Status
    from cdi.diagnosis.view import View
    from cdi.problem import Problem
    from cdi.runtimes import Runtime

_STEP = "enabled"
# What each does with devices when CDI is off.
_SILENT = "containers start without their devices, and no word is said"
_OFF = {
    "containerd": f"{_SILENT}; from 2.3 on: 'CDI devices (…) requested but CDI support is explicitly disabled'",
    "docker": "'could not select device driver \"cdi\" with capabilities: []'",
}
_RELOADED = frozenset({"cri-o"})  # which may have read them since: a reload leaves no trace
_UNTOLD = "on the node itself its program is asked for its version; run as root to read its configuration"


def switch_findings(view: View) -> Iterator[Finding]:
    """Yield what keeps a runtime from reading specs at all, whatever is in them."""
    runtime = view.runtime
    if runtime is None:
        return
    for problem in runtime.problems:
        yield Finding(
            step=_STEP,
            status=_status(problem),
            message=problem.message,
            hint=problem.hint,
            path=problem.where or None,
            line=problem.line,
            column=problem.column,
        )
    if runtime.enabled is False:
        yield _off(runtime)
    elif runtime.enabled is None and not runtime.problems:
        message = f"cannot tell whether CDI is on: {runtime.enabled_why or 'its configuration could not be read'}"
        yield Finding(step=_STEP, status="warning", message=message, hint=_UNTOLD)
    elif runtime.daemon is not None and runtime.daemon.outdated_by:
        yield _outdated(runtime, runtime.daemon.outdated_by)
    elif runtime.enabled:
        yield Finding(step=_STEP, status="ok", message=f"CDI is on ({runtime.enabled_why or 'always'})")


def _status(problem: Problem) -> Status:
    if problem.rule == "config-unreadable":
        return "unknown"
    return "problem" if problem.severity == "error" else "warning"


def _off(runtime: Runtime) -> Finding:
    return Finding(
        step=_STEP,
        status="problem",
        message=f"{runtime.release or runtime.name} has CDI off: {runtime.enabled_why or 'by default'}",
        why=_OFF.get(runtime.name, _SILENT),
        hint=switch_on(runtime),
    )


def _outdated(runtime: Runtime, files: tuple[str, ...]) -> Finding:
    return Finding(
        step=_STEP,
        status="warning" if runtime.name in _RELOADED else "problem",
        message=f"{runtime.name} was started before {', '.join(files)} changed",
        why="a daemon goes by the configuration that it was started with, or told to read again",
        hint=restart(runtime),
        path=files[0],
    )
