"""What a diagnosis says: one finding a fact, and what all of them come to."""

from __future__ import annotations

__all__ = ["Check", "Diagnosis", "Finding", "Status", "some", "worst"]

from typing import TYPE_CHECKING, Literal

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Status = Literal["ok", "note", "warning", "problem", "unknown"]
_ORDER: tuple[Status, ...] = ("ok", "note", "warning", "problem", "unknown")
_NAMED = 4


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """A fact about a node: `why` it matters, and `hint`, the way out.

    A `problem` keeps a device from a container, or takes down a daemon; a `warning` may; a `note` is what no file
    says; what is `unknown` could not be read. Without a `runtime` it holds for all of them, without a `device` for
    all that `path` defines. `path` is one of the host.
    """

    step: str
    status: Status
    message: str
    why: str | None = None
    hint: str | None = None
    runtime: str | None = None
    device: str | None = None
    path: str | None = None
    line: int | None = None
    column: int | None = None


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """What the findings about one thing come to: a device in a runtime, a runtime, a file, or a kind of hardware.

    `step` is the first that is not passed.
    """

    runtime: str | None = None
    device: str | None = None
    path: str | None = None
    status: Status
    step: str | None = None


class Diagnosis(msgspec.Struct, frozen=True, kw_only=True):
    """The checks that were made, and everything that was found by them."""

    checks: tuple[Check, ...] = ()
    findings: tuple[Finding, ...] = ()

    @property
    def status(self) -> Status:
        """The worst of all findings."""
        return worst(self.findings)


def some(names: Sequence[str]) -> str:
    """Return the first names of a list, and how many more there are."""
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{', '.join(names[:_NAMED])}{more}"


def worst(findings: Iterable[Finding]) -> Status:
    """Return the worst status there is; no finding is fine."""
    statuses = {finding.status for finding in findings}
    status: Status
    for status in reversed(_ORDER):
        if status in statuses:
            return status
    return "ok"
