"""Specs as documents."""

from __future__ import annotations

__all__ = ["json", "lines", "yaml"]

from typing import TYPE_CHECKING

import msgspec

from cdi.encode import dump

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cdi_cli.documents import Documents
    from cdi_cli.render import Look


def yaml(answer: Documents, _look: Look) -> Iterator[str]:
    """Yield a YAML stream, one document a spec."""
    for number, spec in enumerate(answer.specs):
        yield ("---\n" if number else "") + dump(spec)


def json(answer: Documents, _look: Look) -> Iterator[str]:
    """Yield indented JSON."""
    for spec in answer.specs:
        yield dump(spec, format="json")


def lines(answer: Documents, _look: Look) -> Iterator[str]:
    """Yield a JSON document on each line."""
    for spec in answer.specs:
        yield msgspec.json.format(dump(spec, format="json"), indent=-1) + "\n"
