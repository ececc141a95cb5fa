"""From what somebody wants of a runtime to the one file that has to change for it."""

from __future__ import annotations

__all__ = ["plan"]

from typing import TYPE_CHECKING

from msgspec.structs import replace

from cdi.errors import CdiError, UsageError
from cdi.runtimes.config import containerd, docker, k3s, layers
from cdi.runtimes.config.plan import broken

if TYPE_CHECKING:
    from collections.abc import Callable

    from cdi.host import Host
    from cdi.runtimes.config.plan import Plan, Request
    from cdi.runtimes.runtime import Runtime

_PLANNERS: dict[str, Callable[[Host, Runtime, Request], Plan]] = {
    "containerd": containerd.plan,
    "docker": docker.plan,
    "k3s": k3s.plan,
    "rke2": k3s.plan,
    **dict.fromkeys(layers.LAYERS, layers.plan),
}
_OF_DAEMON = " of the running daemon"
_MICROK8S = "/var/snap/microk8s/current/args/"
# Those that have no configuration of their own, and whose they obey.
_ELSEWHERE = {
    "buildah": "it reads what podman reads: name podman",
    "ctr": "it asks no configuration, and always reads /etc/cdi and /var/run/cdi",
}


def plan(host: Host, runtime: Runtime, request: Request) -> Plan:
    """Return what to change on a host for this request; nothing is written.

    Raises `UsageError` for directories that make no sense, `ConfigInvalid` for a file that cannot be parsed, with
    line and column, or with which the daemon would not start, and `CdiError` for what this runtime cannot do; the
    hint says the way out.
    """
    _check_dirs(request)
    planner = _PLANNERS.get(runtime.name)
    if planner is None:
        message = f"the configuration of {runtime.name} cannot be changed"
        raise CdiError(message, hint=_ELSEWHERE.get(runtime.name, f"'cdi runtime' knows {', '.join(_PLANNERS)}"))
    planned = planner(host, runtime, request)
    if runtime.problems:
        raise broken(runtime.problems[0])
    if planned.change is not None and planned.change.path.startswith(_MICROK8S):
        message = f"MicroK8s writes {planned.change.path!r} anew at each start"
        raise CdiError(message, hint=f"change {_MICROK8S}containerd-template.toml, then: snap restart microk8s")
    if request.action == "set-dirs":
        _refuse_started_with(runtime)
        if runtime.enabled is False:
            remark = f"CDI is off ({runtime.enabled_why}): 'cdi runtime enable {runtime.name}' switches it on"
            planned = replace(planned, remarks=(*planned.remarks, remark))
    elif planned.change is None:
        _refuse_stronger(runtime, on=request.on)
    return planned


def _check_dirs(request: Request) -> None:
    if request.action != "set-dirs":
        return
    if not request.dirs:
        message = "no directory named"
        raise UsageError(message, hint="name them from low to high priority: /etc/cdi /var/run/cdi")
    for directory in request.dirs:
        if not directory.startswith("/"):
            message = f"{directory!r} is not absolute"
            raise UsageError(message, hint="runtimes take absolute paths only")
    if len(set(request.dirs)) < len(request.dirs):
        message = "the same directory twice"
        raise UsageError(message, hint="each has one priority: name it once")


def _refuse_started_with(runtime: Runtime) -> None:
    """Raise `CdiError` when the running daemon has its directories from elsewhere: its environment, say."""
    option = runtime.spec_dirs_why.removesuffix(_OF_DAEMON)
    if option != runtime.spec_dirs_why:
        message = f"{runtime.name} has its directories from {option}, whatever its files say"
        raise CdiError(message, hint="change what it is started with; 'cdi runtime status' shows it")


def _refuse_stronger(runtime: Runtime, *, on: bool) -> None:
    """Raise `CdiError` when the files are as they should be, and something else has the last word."""
    if runtime.enabled is not (not on) or runtime.enabled_why.startswith(runtime.configs):
        return
    state = "on" if runtime.enabled else "off"
    message = f"{runtime.name} has CDI {state}, whatever its files say: {runtime.enabled_why}"
    raise CdiError(message, hint="change what it is started with; 'cdi runtime status' shows it")
