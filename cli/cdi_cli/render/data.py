"""Answers as data, for programs."""

from __future__ import annotations

__all__ = ["json", "yaml"]

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cdi_cli.answer import Answer
    from cdi_cli.render import Look


def json(answer: Answer, _look: Look) -> Iterator[str]:
    """Yield an indented JSON document."""
    plain = answer.to_data()
    try:
        yield msgspec.json.format(msgspec.json.encode(plain), indent=2).decode() + "\n"
    except UnicodeEncodeError:  # a file name that is not UTF-8: the standard library writes it as "\udcff"
        import json as standard  # noqa: PLC0415 - rarely needed

        yield standard.dumps(plain, indent=2) + "\n"


def yaml(answer: Answer, _look: Look) -> Iterator[str]:
    """Yield a YAML document."""
    from cdi.yaml_text import to_yaml  # noqa: PLC0415 - other formats need none of it

    yield to_yaml(answer.to_data())
