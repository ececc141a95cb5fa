"""What was put in place, removed or done in a container, for people and scripts: one a line."""

from __future__ import annotations

__all__ = ["hooked", "installed", "removed"]

from typing import TYPE_CHECKING

from cdi_cli.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cdi_cli.commands.hook import Hooked
    from cdi_cli.commands.install import Installed, Uninstalled
    from cdi_cli.render import Look


def hooked(answer: Hooked, _look: Look) -> Iterator[str]:
    """Yield what a hook did."""
    yield from (f"{printable(line)}\n" for line in answer.done)


def installed(answer: Installed, _look: Look) -> Iterator[str]:
    """Yield the paths of installed files."""
    yield from (f"{printable(path)}\n" for path in answer.installed)


def removed(answer: Uninstalled, _look: Look) -> Iterator[str]:
    """Yield the paths of removed files."""
    yield from (f"{printable(path)}\n" for path in answer.removed)
