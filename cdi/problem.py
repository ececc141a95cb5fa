"""One finding about a document: how bad it is, which rule found it, where, and the way out."""

from __future__ import annotations

__all__ = ["Problem", "Severity"]

from typing import Literal

import msgspec

Severity = Literal["error", "warning"]


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """A finding; `line` and `column` count from 1 (columns in characters), `where` is a path such as `devices[0].name`.

    An `error` makes runtimes refuse the whole file; a `warning` loads but is unwise.
    """

    severity: Severity
    rule: str
    message: str
    where: str = ""
    line: int | None = None
    column: int | None = None
    hint: str | None = None

    @property
    def advice(self) -> str:
        """The message, and the way out if there is one."""
        return f"{self.message} ({self.hint})" if self.hint else self.message

    def render(self, source: str) -> str:
        """Return the one-line text form: `gpu.yaml:12:9: error: devices[0].name: message [rule]`."""
        place = source if self.line is None else f"{source}:{self.line}:{self.column or 1}"
        where = f"{self.where}: " if self.where else ""
        return f"{place}: {self.severity}: {where}{self.message} [{self.rule}]"
