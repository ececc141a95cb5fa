"""The program that hooks run: found on the host, since a hook that is not there keeps every container from starting."""

from __future__ import annotations

__all__ = ["find_hook"]

import posixpath
import sys
from typing import TYPE_CHECKING

from cdi.host import HostError
from cdi.host.trust import is_trusted

if TYPE_CHECKING:
    from cdi.host import Host

# Runtimes run hooks on the host itself, so these are paths of the host whatever the driver's root is.
_DIRECTORIES = ("/usr/bin", "/usr/local/bin", "/usr/sbin", "/usr/local/nvidia/toolkit", "/run/current-system/sw/bin")
_PROGRAMS = ("nvidia-cdi-hook", "cdi-hook")
_EXECUTABLE = 0o111


def find_hook(host: Host) -> str:
    """Return the path of the vendor's hook program, else of our own; where there is none, where ours would be.

    Ours may also be in the environment of this very interpreter, if nobody but root can change it.
    """
    paths = [f"{directory}/{name}" for name in _PROGRAMS for directory in _DIRECTORIES]
    found = next((path for path in paths if _is_program(host, path)), None)
    return found or _beside_python(host) or "/usr/bin/cdi-hook"


def _beside_python(host: Host) -> str | None:
    if not host.is_here or not sys.executable:
        return None
    path = posixpath.join(posixpath.dirname(sys.executable), "cdi-hook")
    is_ours = _is_program(host, path) and is_trusted(host, path) and is_trusted(host, sys.executable)
    return path if is_ours else None


def _is_program(host: Host, path: str) -> bool:
    try:
        stat = host.lookup(path)
    except HostError:
        return False
    return stat is not None and stat.type == "f" and bool(stat.mode & _EXECUTABLE)
