"""The answer of `cdi validate` as workflow commands, which GitHub shows beside the lines of a change."""

from __future__ import annotations

__all__ = ["github"]

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cdi_cli.commands.validate import Validation
    from cdi_cli.render import Look

_TEXT = {"%": "%25", "\r": "%0D", "\n": "%0A"}
_ESCAPED_TEXT = str.maketrans(_TEXT)
_ESCAPED_PROPERTY = str.maketrans(_TEXT | {":": "%3A", ",": "%2C"})


def github(answer: Validation, _look: Look) -> Iterator[str]:
    """Yield an annotation for each problem."""
    for path, problem in answer.problems:
        properties = {"file": path, "line": problem.line, "col": problem.column, "title": problem.rule}
        given = [
            f"{key}={str(value).translate(_ESCAPED_PROPERTY)}" for key, value in properties.items() if value is not None
        ]
        where = f"{problem.where}: " if problem.where else ""
        hint = f"\nhint: {problem.hint}" if problem.hint else ""
        text = f"{where}{problem.message}{hint}".translate(_ESCAPED_TEXT)
        yield f"::{problem.severity} {','.join(given)}::{text}\n"
