"""What is no longer true of an installed kind, as values."""

from __future__ import annotations

__all__ = ["REGENERATE", "Comparison", "Finding"]

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from cdi.differing import Change
    from cdi.problem import Severity

REGENERATE = "`cdi generate --install` writes what is there now"


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is no longer so; docs/freshness.md has every `cause`.

    An error makes containers fail, or gives them another device than they ask for; after a warning they get less, or
    other things, than this host would offer now. `devices` are the names that it is about, none for all of the kind.
    `path` is the file that says otherwise; `old` and `new` are what the message speaks of: nodes, files, names.
    """

    cause: str
    severity: Severity
    kind: str
    message: str
    hint: str = REGENERATE
    devices: tuple[str, ...] = ()
    path: str | None = None
    old: tuple[str, ...] = ()
    new: tuple[str, ...] = ()

    @property
    def advice(self) -> str:
        """The message, and what to do."""
        return f"{self.message} ({self.hint})"


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """How this host differs from what runtimes find of a kind; no path when nothing is installed.

    `changes` are all differences in the words of specs; one that means nothing to containers (the order of entries,
    in which of its lists a spec has something) makes no finding. `problems` says why runtimes do not find the kind in
    one file. `written` names the choices that what is installed was evidently written with, and was compared under.
    """

    kind: str
    path: str | None
    changes: tuple[Change, ...] = ()
    problems: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    written: tuple[str, ...] = ()

    @property
    def fresh(self) -> bool:
        """Whether there is nothing to do."""
        return not self.findings
