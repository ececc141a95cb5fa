"""The table of renderers: answer and format → function, imported when it is needed."""

from __future__ import annotations

__all__ = ["Look", "formats", "render"]

import importlib
import os
import shutil
from typing import TYPE_CHECKING, NamedTuple

from cdi_cli.streams import is_terminal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from cdi_cli.answer import Answer
    from cdi_cli.settings import Settings


class Look(NamedTuple):
    """How the answer should look to who reads it."""

    terminal: bool
    color: bool
    width: int
    quiet: bool
    verbose: bool


# An answer's first format is its default. A renderer is "module:function" in this package.
_DATA = {"json": "data:json", "yaml": "data:yaml"}
_RENDERERS: dict[str, dict[str, str]] = {
    "Changes": {"text": "changes:text", "json": "changes:json"},
    "Checked": {"text": "profile:checked"} | _DATA,
    "CheckedPools": {"text": "pools:text"} | _DATA,
    "Classes": {"text": "listing:classes"} | _DATA,
    "Container": _DATA,
    "Devices": {"text": "listing:devices"} | _DATA,
    "Diagnosed": {"text": "diagnosis:text"} | _DATA,
    "Difference": {"text": "difference:text"} | _DATA,
    "Dirs": {"text": "listing:dirs"} | _DATA,
    "Documents": {"yaml": "documents:yaml", "json": "documents:json"},
    "Ended": {"text": "plain:nothing"},
    "Families": {"text": "profile:families"} | _DATA,
    "Hardware": {"text": "hardware:text"} | _DATA,
    "Hooked": {"text": "installed:hooked"} | _DATA,
    "Installed": {"text": "installed:installed"} | _DATA,
    "Reconfiguration": {"text": "reconfigured:text"} | _DATA,
    "RuntimeStatus": {"text": "runtime:status"} | _DATA,
    "Schema": _DATA,
    "Script": {"text": "plain:text"},
    "Shown": {"text": "shown:text"} | _DATA,
    "Specs": {"text": "listing:specs"} | _DATA,
    "Staleness": {
        "yaml": "difference:staleness",
        "json": "data:json",
    },  # the formats of Stream, for people and programs
    "Stream": {"yaml": "documents:yaml", "json": "documents:lines"},
    "Tree": {"text": "plain:text"},
    "Uninstalled": {"text": "installed:removed"} | _DATA,
    "Validation": {
        "text": "validation:text",
        "json": "data:json",
        "sarif": "sarif:sarif",
        "junit": "junit:junit",
        "github": "github:github",
    },
    "Vendors": {"text": "listing:vendors"} | _DATA,
}


def formats(answer: str) -> tuple[str, ...]:
    """Return the output formats of an answer, by the name of its type; the first is the default."""
    return tuple(_RENDERERS[answer])


def render(answer: Answer, settings: Settings) -> Iterable[str]:
    """Return an answer as text in the format that the settings say, in chunks to be written as they come."""
    module, _, name = _RENDERERS[type(answer).__name__][settings.output].partition(":")
    function: Callable[[Answer, Look], Iterable[str]]
    function = getattr(importlib.import_module(f"cdi_cli.render.{module}"), name)
    return function(answer, _look(settings))


def _look(settings: Settings) -> Look:
    terminal = is_terminal()
    color = settings.color == "always"
    if settings.color == "auto":
        color = terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    width = shutil.get_terminal_size().columns if terminal else 0
    return Look(terminal=terminal, color=color, width=width, quiet=settings.quiet, verbose=settings.verbose)
