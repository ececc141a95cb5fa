"""`cdi hook`: what specs have runtimes run while they make a container."""

from __future__ import annotations

__all__ = ["EXAMPLES", "Hooked", "hook"]

from typing import Annotated

import typer

from cdi_cli.answer import Answer
from cdi_cli.hooking import run

EXAMPLES = {
    "hook": """cdi hook create-symlinks --link libgpu.so.1::/usr/lib/libgpu.so < state.json
cdi-hook --help                    # the same as a program of its own, which starts faster""",
}


class Hooked(Answer, frozen=True, kw_only=True):
    """What a hook did."""

    done: tuple[str, ...]


def hook(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The hook.", show_default=False)],
    options: Annotated[
        list[str] | None, typer.Argument(metavar="[OPTION]...", help="Its options.", show_default=False)
    ] = None,
) -> Hooked:
    """Finish a container that is being made, whose OCI state is on stdin.

    The hooks and their options are those of nvidia-cdi-hook: create-symlinks, update-ldcache, chmod,
    enable-cuda-compat, disable-device-node-modification, update-application-profile. No file outside of the
    container's root is touched, and no program of the container is run.
    """
    outcome = run([name, *(options or ())])
    return Hooked(done=tuple(outcome.done), notes=tuple(outcome.lost))
