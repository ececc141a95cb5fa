"""`cdi monitor`: changes in the spec directories, as they happen."""

from __future__ import annotations

__all__ = ["EXAMPLES", "Changes", "monitor"]

import gc
from collections.abc import Iterator
from typing import Any

import typer

from cdi.registry import Change, Registry
from cdi_cli.answer import Answer
from cdi_cli.hosts import loaded, notes_of

EXAMPLES = {"monitor": 'cdi monitor\ncdi monitor -o json | while read -r change; do echo "$change"; done'}


class Changes(Answer, frozen=True, kw_only=True):
    """Changes to come; an iterator of `cdi.registry.Change` that ends with the process."""

    changes: Any


def monitor(ctx: typer.Context) -> Changes:
    """Show changes in the spec directories as they happen.

    A line for each device that was added, changed or removed, and for each problem that is new, until ^C. With
    --output json, a JSON document on each line.
    """
    gc.enable()  # this process stays
    registry = loaded(ctx.obj, watch=True)
    watching = f"watching {', '.join(map(str, registry.dirs))}; ^C ends it"
    return Changes(changes=_until_closed(registry, registry.changes()), notes=(*notes_of(registry), watching))


def _until_closed(registry: Registry, changes: Iterator[Change]) -> Iterator[Change]:
    with registry:
        yield from changes
