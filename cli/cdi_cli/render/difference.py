"""How specs differ, for people: `-` for what is gone, `+` for what is new."""

from __future__ import annotations

__all__ = ["staleness", "text"]

from itertools import groupby
from typing import TYPE_CHECKING, Any

import msgspec

from cdi_cli.text import paint, printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cdi.differing import Change
    from cdi.freshness import Finding
    from cdi_cli.commands.diff import Difference
    from cdi_cli.commands.generate import Staleness
    from cdi_cli.render import Look

_STYLES = {"error": "red", "warning": "yellow"}


def text(answer: Difference, look: Look) -> Iterator[str]:
    """Yield the changes of the spec, then those of each device."""
    if answer.changes:
        yield from _changes(answer.old, answer.new, answer.changes, look)


def staleness(answer: Staleness, look: Look) -> Iterator[str]:
    """Yield a line for each finding, and with `--verbose` what differs in the specs."""
    for one in answer.specs:
        for finding in one.findings:
            yield _finding(finding, look)
        if one.changes and look.verbose:
            yield from _changes(one.path or f"{one.kind} (not installed)", f"{one.kind} (this host)", one.changes, look)


def _finding(finding: Finding, look: Look) -> str:
    """Return `nvidia.com/gpu=1:1: error: message (what to do) [cause]`, with the device if it is about one only."""
    names = f"={finding.devices[0]}" if len(finding.devices) == 1 else ""
    severity = paint(finding.severity, _STYLES[finding.severity], color=look.color)
    return f"{printable(finding.kind + names)}: {severity}: {printable(finding.advice)} [{finding.cause}]\n"


def _changes(old: str, new: str, changes: Iterable[Change], look: Look) -> Iterator[str]:
    yield paint(f"--- {printable(old)}", "bold", color=look.color) + "\n"
    yield paint(f"+++ {printable(new)}", "bold", color=look.color) + "\n"
    for device, own in groupby(changes, key=lambda change: change.device):
        yield "spec:\n" if device is None else f"device {printable(device)}:\n"
        for change in own:
            yield from _change(change, look)


def _change(change: Change, look: Look) -> Iterator[str]:
    if change.reordered:
        yield f"  {change.what}: the same entries in another order\n"
        return
    for sign, style, value in (("-", "red", change.old), ("+", "green", change.new)):
        if value is not None:
            yield paint(f"  {sign} {change.what}: {_shown(value)}", style, color=look.color) + "\n"


def _shown(value: Any) -> str:
    return printable(value if isinstance(value, str) else msgspec.json.encode(value).decode())
