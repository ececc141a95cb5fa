"""What keeps devices from containers, for people: a line for each thing that was looked at, then what is wrong."""

from __future__ import annotations

__all__ = ["text"]

from typing import TYPE_CHECKING

from cdi_cli.render.table import table
from cdi_cli.text import counted, paint, printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cdi.diagnosis import Check, Finding, Status
    from cdi_cli.commands.doctor import Diagnosed
    from cdi_cli.render import Look

_STYLES = {"problem": "red", "unknown": "red", "warning": "yellow", "note": "cyan", "ok": "green"}
_WRONG: tuple[Status, ...] = ("unknown", "problem", "warning")


def text(answer: Diagnosed, look: Look) -> Iterator[str]:
    """Yield the checks as a table, each finding with its reason and its remedy, and how many there are."""
    shown: tuple[Status, ...] = _WRONG if look.quiet else (*_WRONG, "note")
    if not look.quiet:
        yield from _summary(answer.diagnosis.checks, look, devices=answer.devices)
    groups = _grouped(answer.diagnosis.findings)
    for status in shown:
        for finding, places in groups.items():
            if finding.status == status:
                yield "\n"
                yield from _finding(finding, places, look)
    if look.verbose:
        yield "\n"
        yield from (_passed(finding, places, look) for finding, places in groups.items() if finding.status == "ok")
    if not look.quiet:
        yield f"\n{_counts([finding.status for finding in groups])}\n"


def _summary(checks: Iterable[Check], look: Look, *, devices: bool) -> Iterator[str]:
    if devices:
        rows = [(check.device or "", check.runtime or "any", _result(check)) for check in checks]
        yield from table(("DEVICE", "RUNTIME", "RESULT"), rows, look)
    else:
        rows = [(check.runtime or check.path or check.device or "", _result(check), "") for check in checks]
        yield from table(("CHECKED", "RESULT"), [row[:2] for row in rows], look)


def _result(check: Check) -> str:
    return check.status if check.step is None else f"{check.status}: {check.step}"


def _grouped(findings: Iterable[Finding]) -> dict[Finding, list[Finding]]:
    """Return findings that say the same of several devices and runtimes together."""
    from msgspec.structs import replace  # noqa: PLC0415 - text only

    groups: dict[Finding, list[Finding]] = {}
    for finding in findings:
        groups.setdefault(replace(finding, runtime=None, device=None), []).append(finding)
    return groups


def _finding(finding: Finding, places: list[Finding], look: Look) -> Iterator[str]:
    place = "" if finding.line is None else f"{finding.path}:{finding.line}:{finding.column or 1}: "
    status = paint(finding.status, _STYLES[finding.status], color=look.color)
    yield f"{status}: {printable(place + finding.message)}\n"
    about = _about(places)
    for word, said in (("for", about), ("why", finding.why), ("fix", finding.hint)):
        if said:
            yield f"  {word}: {printable(said)}\n"


def _passed(finding: Finding, places: list[Finding], look: Look) -> str:
    ok = paint("ok", _STYLES["ok"], color=look.color)
    return f"{ok}: {finding.step}: {printable(finding.message)} ({printable(_about(places))})\n"


def _about(places: list[Finding]) -> str:
    devices = list(dict.fromkeys(place.device for place in places if place.device is not None))
    runtimes = list(dict.fromkeys(place.runtime for place in places if place.runtime is not None))
    return " in ".join(", ".join(names) for names in (devices, runtimes) if names)


def _counts(statuses: list[Status]) -> str:
    counts = [(statuses.count("problem"), "problem"), (statuses.count("warning"), "warning")]
    found = [counted(number, noun) for number, noun in counts if number]
    unread = statuses.count("unknown")
    found += [f"{counted(unread, 'thing')} that could not be read"] if unread else []
    return ", ".join(found) or "nothing is wrong"
