"""Step `driver`: whether the kernel and the driver have the device, and what they say if not."""

from __future__ import annotations

__all__ = ["Absence", "absence", "driver_findings", "hardware_findings", "other_name"]

from typing import TYPE_CHECKING, NamedTuple

from cdi.diagnosis.finding import Finding

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cdi.diagnosis.case import Case
    from cdi.diagnosis.scene import Scene
    from cdi.discovery import Discovery, Found

_STEP = "driver"


class Absence(NamedTuple):
    """Why there is no hardware of a kind, and the way out."""

    reason: str
    hint: str | None


def driver_findings(case: Case) -> Iterator[Finding]:
    """Yield what keeps the driver from the device: a module that is not loaded, an update without a reload."""
    hardware = case.scene.hardware(case.kind)
    if hardware is None:
        return
    device = case.name.partition("=")[2]
    own = [one for one in hardware.found if device in _names(one)]
    for thing in hardware.skipped:
        if thing.broken and thing.what == device and not own:
            yield Finding(step=_STEP, status="problem", message=f"{thing.what}: {thing.why}", hint=thing.hint)
            return
    if own:
        yield Finding(step=_STEP, status="ok", message=f"its driver has it: {own[0].how}")
    elif not hardware.found:
        yield from _all_gone(hardware)
    yield from _warnings(hardware)


def hardware_findings(scene: Scene, kind: str) -> Iterator[Finding]:
    """Yield what is wrong with the hardware of a kind that specs offer."""
    hardware = scene.hardware(kind)
    if hardware is None:
        return
    broken = [thing for thing in hardware.skipped if thing.broken]
    for thing in broken:
        yield Finding(step=_STEP, status="problem", message=f"{thing.what}: {thing.why}", hint=thing.hint, device=kind)
    if not hardware.found and not broken:
        yield from _all_gone(hardware, kind)
    yield from _warnings(hardware, kind)


def absence(scene: Scene, kind: str) -> Absence | None:
    """Return why there is nothing of a kind to offer; None where there is something, or no family knows."""
    hardware = scene.hardware(kind)
    if hardware is None:
        return None
    if hardware.found:
        found = ", ".join(one.name for one in hardware.found)
        return Absence(f"the hardware is there ({found}), the spec is not", "`cdi generate --install` writes one")
    reasons = list(_reasons(hardware))
    if reasons:
        return Absence(*reasons[0])
    what = "; ".join(dict.fromkeys(thing.why for thing in hardware.skipped))
    return Absence(f"this node has nothing of the kind: {what or 'nothing was found'}", None)


def other_name(scene: Scene, name: str, offered: Iterable[str]) -> str | None:
    """Return what a device is called here that the hardware itself also calls so: by its index, not its UUID."""
    kind, _, device = name.partition("=")
    hardware = scene.hardware(kind)
    for one in hardware.found if hardware is not None else ():
        names = _names(one)
        if device in names:
            return next((other for other in offered if other.partition("=")[::2] in {(kind, n) for n in names}), None)
    return None


def _all_gone(hardware: Discovery, kind: str | None = None) -> Iterator[Finding]:
    reasons = list(_reasons(hardware))
    for reason, hint in reasons:
        yield Finding(step=_STEP, status="problem", message=reason, hint=hint, device=kind)
    if not reasons:
        message = f"nothing of this kind is seen on this node: {'; '.join(t.why for t in hardware.skipped) or '-'}"
        yield Finding(step=_STEP, status="warning", message=message, device=kind)


def _reasons(hardware: Discovery) -> Iterator[tuple[str, str | None]]:
    """Yield why none of the hardware can be used, if any is there."""
    for thing in hardware.skipped:
        if not thing.absent:
            yield f"{thing.what}: {thing.why}", thing.hint


def _warnings(hardware: Discovery, kind: str | None = None) -> Iterator[Finding]:
    for problem in hardware.problems:
        yield Finding(step=_STEP, status="warning", message=problem.message, hint=problem.hint, device=kind)


def _names(one: Found) -> set[str]:
    return {one.name, *one.names.values()}
