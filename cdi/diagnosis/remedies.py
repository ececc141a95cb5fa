"""The commands that mend a runtime's settings."""

from __future__ import annotations

__all__ = ["read_also", "restart", "switch_on"]

from typing import TYPE_CHECKING

from cdi.diagnosis.release import numbers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cdi.runtimes import Runtime

_SWITCHED = frozenset({"buildkit", "containerd", "docker", "k3s", "rke2"})
_UNITS = {"cri-o": "crio", "rke2": "rke2-server"}
_OBEY_DIRS = {"podman": (5, 5), "buildah": (1, 40)}  # releases before ignore the key


def switch_on(runtime: Runtime) -> str:
    """Return how CDI is switched on: by a setting, or only by another release."""
    has_cdi = runtime.newest_version is not None or runtime.version is None
    if runtime.name in _SWITCHED and has_cdi:
        return f"`cdi runtime enable {runtime.name} --restart`"
    return f"update {runtime.name}"


def restart(runtime: Runtime) -> str:
    """Return the command that makes a daemon read its configuration; a SIGHUP ends containerd, CRI-O takes it."""
    verb = "reload" if runtime.name == "cri-o" else "restart"
    return f"`systemctl {verb} {_UNITS.get(runtime.name, runtime.name)}`"


def read_also(runtime: Runtime, dirs: Sequence[str], more: str) -> str | None:
    """Return the command that makes a runtime read one more directory, None for a release that cannot."""
    version = numbers(runtime.version)
    since = _OBEY_DIRS.get(runtime.name)
    if runtime.name == "ctr" or (since is not None and (version is None or version < since)):
        return None
    return f"`cdi runtime set-dirs {runtime.name} {' '.join([*dirs, more])}`"
