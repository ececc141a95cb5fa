"""What was put in place or removed, for people and scripts: one path a line."""

from __future__ import annotations

__all__ = ["installed", "removed"]

from typing import TYPE_CHECKING

from cdi_cli.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cdi_cli.commands.install import Installed, Uninstalled
    from cdi_cli.render import Look


def installed(answer: Installed, _look: Look) -> Iterator[str]:
    """Yield the paths of installed files."""
    yield from (f"{printable(path)}\n" for path in answer.installed)


def removed(answer: Uninstalled, _look: Look) -> Iterator[str]:
    """Yield the paths of removed files."""
    yield from (f"{printable(path)}\n" for path in answer.removed)
