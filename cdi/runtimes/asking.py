"""Asking a program of this machine what it is: `podman --version`, `runc features`."""

from __future__ import annotations

__all__ = ["Ask", "ask_program", "is_trusted"]

import subprocess
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from cdi.host import HostError

if TYPE_CHECKING:
    from cdi.host import Host

Ask = Callable[[Sequence[str]], str | None]  # a command line → what it wrote to stdout; None when it failed

_TIMEOUT = 5
_ENVIRONMENT = {"LANG": "C", "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
_WRITABLE = 0o022  # by group and others


def ask_program(command: Sequence[str]) -> str | None:
    """Run a program by its absolute path, without a shell, and return what it wrote to stdout; None if it failed."""
    try:
        done = subprocess.run(  # noqa: S603 - a program of root's; see is_trusted
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_TIMEOUT,
            env=_ENVIRONMENT,
            cwd="/",
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else None


def is_trusted(host: Host, path: str) -> bool:
    """Return whether nobody but root can change the program at a path, or what the path leads to."""
    try:
        places = {place for one in (path, host.resolve(path)) for place in _upwards(one)}
        stats = [host.stat(place, follow=False) for place in places]
    except HostError:
        return False
    return all(stat.uid == 0 and (stat.type == "l" or not stat.mode & _WRITABLE) for stat in stats)


def _upwards(path: str) -> list[str]:
    """Return a path and all directories above it."""
    parts = path.strip("/").split("/")
    return ["/" + "/".join(parts[:count]) for count in range(len(parts) + 1)]
