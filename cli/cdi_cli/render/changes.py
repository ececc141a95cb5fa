"""Changes in the spec directories, a line each, as they happen."""

from __future__ import annotations

__all__ = ["json", "text"]

from typing import TYPE_CHECKING

import msgspec

from cdi_cli.text import paint, printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cdi_cli.commands.monitor import Changes
    from cdi_cli.render import Look

_STYLES = {"added": "green", "changed": "yellow", "removed": "red", "failed": "red"}


def text(answer: Changes, look: Look) -> Iterator[str]:
    """Yield `added vendor.com/gpu=0 /etc/cdi/gpu.yaml`."""
    for change in answer.changes:
        about = change.problem.render(str(change.path)) if change.problem else f"{change.device} {change.path}"
        yield f"{paint(change.action, _STYLES[change.action], color=look.color)} {printable(about)}\n"


def json(answer: Changes, _look: Look) -> Iterator[str]:
    """Yield a JSON document on each line."""
    for change in answer.changes:
        problem = None if change.problem is None else msgspec.to_builtins(change.problem)
        path = str(change.path).encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        plain = {"action": change.action, "device": change.device, "path": path, "problem": problem}
        yield msgspec.json.encode(plain).decode() + "\n"
