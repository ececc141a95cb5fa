"""The way of one device through one runtime, up to the first step that it does not pass."""

from __future__ import annotations

__all__ = ["STEPS", "walk"]

from typing import TYPE_CHECKING

from msgspec.structs import replace

from cdi.diagnosis.asked import name_findings
from cdi.diagnosis.choosing import unique_findings
from cdi.diagnosis.crash import crash_findings
from cdi.diagnosis.fields import field_findings
from cdi.diagnosis.finding import Finding
from cdi.diagnosis.hardware import driver_findings
from cdi.diagnosis.placing import place_findings
from cdi.diagnosis.staleness import driver_change, stale_findings
from cdi.diagnosis.switches import switch_findings
from cdi.edits import append

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cdi.diagnosis.case import Case

_STOPS = frozenset({"problem", "unknown"})


def _crash(case: Case) -> Iterator[Finding]:
    return crash_findings(case.view)


def _readable(case: Case) -> Iterator[Finding]:
    """Yield what keeps the runtime from the files that have the device, or may have it."""
    if case.winner is None:
        yield from case.view.directory_faults
    yield from _of_files(case, "readable")


def _loads(case: Case) -> Iterator[Finding]:
    yield from _of_files(case, "loads")
    if case.winner is not None and case.view.runtime is not None and case.view.runtime.newest_version:
        label = case.winner.spec.cdi_version
        message = f"cdiVersion {label}, and it reads up to {case.view.runtime.newest_version}"
        yield Finding(step="loads", status="ok", message=message, path=case.winner.file.path)


def _of_files(case: Case, step: str) -> Iterator[Finding]:
    """Yield what is wrong with files of the device; as long as the runtime has it from another, that is no problem."""
    for file in (*case.definers, *case.suspects):
        for fault in case.view.faults[file.path]:
            if fault.step == step and (case.winner is None or fault.status not in _STOPS):
                yield fault


def _nodes(case: Case) -> Iterator[Finding]:
    yield from _parts(case, "nodes", "device node")


def _mounts(case: Case) -> Iterator[Finding]:
    for finding in _parts(case, "mounts", "mount and hook"):
        cause = driver_change(case.scene, case.kind) if finding.status == "problem" else None
        yield finding if cause is None else replace(finding, why=cause)


def _parts(case: Case, step: str, what: str) -> Iterator[Finding]:
    found = [one for one in case.parts if one.step == step]
    yield from found
    if not found:
        yield Finding(step=step, status="ok", message=f"every {what} is there")


def _low_level(case: Case) -> Iterator[Finding]:
    if case.winner is not None:
        edits = append(case.winner.spec.container_edits, case.winner.device.container_edits)
        yield from field_findings(case.view, edits)


def _fresh(case: Case) -> Iterator[Finding]:
    if case.winner is not None:
        yield from stale_findings(case.scene, case.kind, case.winner.device.name)


def _enabled(case: Case) -> Iterator[Finding]:
    return switch_findings(case.view)


# In the order in which a runtime comes to them; what is broken early hides what comes later.
STEPS: tuple[tuple[str, Callable[[Case], Iterator[Finding]]], ...] = (
    ("crash", _crash),
    ("name", name_findings),
    ("place", place_findings),
    ("readable", _readable),
    ("loads", _loads),
    ("unique", unique_findings),
    ("nodes", _nodes),
    ("mounts", _mounts),
    ("enabled", _enabled),
    ("low-level", _low_level),
    ("driver", driver_findings),
    ("fresh", _fresh),
)


def walk(case: Case) -> Iterator[Finding]:
    """Yield what each step finds, as far as the device comes."""
    for _, step in STEPS:
        found = list(step(case))
        yield from found
        if any(one.status in _STOPS for one in found):
            return
