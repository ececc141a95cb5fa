"""Asking a program of this machine what it is: `podman --version`, `runc features`."""

from __future__ import annotations

__all__ = ["Ask", "ask_program"]

import subprocess
from collections.abc import Callable, Sequence

Ask = Callable[[Sequence[str]], str | None]  # a command line → what it wrote to stdout; None when it failed

_TIMEOUT = 5
_ENVIRONMENT = {"LANG": "C", "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}


def ask_program(command: Sequence[str]) -> str | None:
    """Run a program by its absolute path, without a shell, and return what it wrote to stdout; None if it failed."""
    try:
        done = subprocess.run(  # noqa: S603 - a program of root's; see cdi.host.trust
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
