"""The program that hooks run: found on the host, since a hook that is not there keeps every container from starting."""

from __future__ import annotations

__all__ = ["find_hook"]

from typing import TYPE_CHECKING

from cdi.host import HostError

if TYPE_CHECKING:
    from cdi.host import Host

# Runtimes run hooks on the host itself, so these are paths of the host whatever the driver's root is.
_DIRECTORIES = ("/usr/bin", "/usr/local/bin", "/usr/sbin", "/usr/local/nvidia/toolkit", "/run/current-system/sw/bin")
_PROGRAMS = ("nvidia-cdi-hook", "cdi-hook")
_EXECUTABLE = 0o111


def find_hook(host: Host) -> str:
    """Return the path of the vendor's hook program, else of our own; where there is none, where ours would be."""
    paths = [f"{directory}/{name}" for name in _PROGRAMS for directory in _DIRECTORIES]
    return next((path for path in paths if _is_program(host, path)), "/usr/bin/cdi-hook")


def _is_program(host: Host, path: str) -> bool:
    try:
        stat = host.lookup(path)
    except HostError:
        return False
    return stat is not None and stat.type == "f" and bool(stat.mode & _EXECUTABLE)
