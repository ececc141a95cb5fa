"""Answers that are text already, or a few lines of it."""

from __future__ import annotations

__all__ = ["nothing", "text"]

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cdi_cli.render import Look


class _Text(Protocol):
    """An answer with a text."""

    @property
    def text(self) -> str: ...


def text(answer: _Text, _look: Look) -> Iterator[str]:
    """Yield the text as it is."""
    yield answer.text


def nothing(_answer: object, _look: Look) -> tuple[str, ...]:
    """Return no text, for who has nothing to answer."""
    return ()
