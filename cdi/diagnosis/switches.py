"""Step `enabled`: whether a runtime has CDI on, its configuration can be read, and its daemon knows it."""

from __future__ import annotations

__all__ = ["switch_findings"]

from typing import TYPE_CHECKING

from cdi.diagnosis.finding import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cdi.diagnosis.view import View
    from cdi.runtimes import Runtime

_STEP = "enabled"
# What each does with devices when CDI is off.
_SILENT = "containers start without their devices, and no word is said"
_OFF = {
    "containerd": f"{_SILENT}; from 2.3 on: 'CDI devices (…) requested but CDI support is explicitly disabled'",
    "docker": "'could not select device driver \"cdi\" with capabilities: []'",
}
_UNTOLD = "on the node itself its program is asked for its version; run as root to read its configuration"
_SWITCHED = frozenset({"buildkit", "containerd", "docker", "k3s", "rke2"})
_UNITS = {"buildkit": "buildkit", "cri-o": "crio", "rke2": "rke2-server"}


def switch_findings(view: View) -> Iterator[Finding]:
    """Yield what keeps a runtime from reading specs at all, whatever is in them."""
    runtime = view.runtime
    if runtime is None:
        return
    for problem in runtime.problems:
        yield Finding(
            step=_STEP,
            status="problem" if problem.severity == "error" else "warning",
            message=problem.message,
            hint=problem.hint,
            path=problem.where or None,
            line=problem.line,
            column=problem.column,
        )
    if runtime.enabled is False:
        yield _off(runtime)
    elif runtime.enabled is None:
        message = f"cannot tell whether CDI is on: {runtime.enabled_why or 'its configuration could not be read'}"
        yield Finding(step=_STEP, status="warning", message=message, hint=_UNTOLD)
    elif runtime.daemon is not None and runtime.daemon.outdated_by:
        yield _outdated(runtime, runtime.daemon.outdated_by)
    else:
        yield Finding(step=_STEP, status="ok", message=f"CDI is on ({runtime.enabled_why or 'always'})")


def _off(runtime: Runtime) -> Finding:
    return Finding(
        step=_STEP,
        status="problem",
        message=f"{runtime.release or runtime.name} has CDI off: {runtime.enabled_why or 'by default'}",
        why=_OFF.get(runtime.name, _SILENT),
        hint=f"`cdi runtime enable {runtime.name}`, then {_restart(runtime)}" if _can_be_on(runtime) else "update it",
    )


def _can_be_on(runtime: Runtime) -> bool:
    """Return whether this release has CDI at all, and a switch for it."""
    return runtime.name in _SWITCHED and (runtime.newest_version is not None or runtime.version is None)


def _outdated(runtime: Runtime, files: tuple[str, ...]) -> Finding:
    return Finding(
        step=_STEP,
        status="problem",
        message=f"{runtime.name} was started before {', '.join(files)} changed",
        why="a daemon goes by the configuration that it was started with",
        hint=_restart(runtime),
        path=files[0],
    )


def _restart(runtime: Runtime) -> str:
    """Return the command that makes a daemon read its configuration: a SIGHUP does not, and ends containerd."""
    return f"`systemctl restart {_UNITS.get(runtime.name, runtime.name)}`"
