"""Step `fresh`: whether specs still say what this node has, though everything that they name is there."""

from __future__ import annotations

__all__ = ["driver_change", "not_offered", "stale_findings"]

from typing import TYPE_CHECKING

from cdi.diagnosis.finding import Finding, some
from cdi.names import split_kind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cdi.diagnosis.scene import Scene
    from cdi.freshness import Finding as Stale

_STEP = "fresh"
# What earlier steps say, with line and column, or that is about devices that nobody asked for.
_SAID = frozenset(
    {"conflict", "device-broken", "file-missing", "hardware-gone", "hook-missing", "interface-missing"}
    | {"node-missing", "node-numbers", "node-type", "not-installed"}
)
_OF_OTHERS = frozenset({"device-new", "other-file"})
_OWN_VENDOR = "host.local"  # of devices that every host has, and few containers want


def stale_findings(scene: Scene, kind: str, device: str | None = None) -> Iterator[Finding]:
    """Yield what is no longer so of the specs of a kind, or of one of its devices: another device, another driver."""
    for one in scene.staleness(kind):
        if one.cause in _SAID or (device is not None and not _concerns(one, device)):
            continue
        yield Finding(
            step=_STEP,
            status="problem" if one.severity == "error" else "warning",
            message=one.message,
            hint=one.hint,
            path=one.path,
            device=kind if device is None else None,
        )


def driver_change(scene: Scene, kind: str) -> str | None:
    """Return that the driver is another one than the spec was made for, if so: why files of it are missing."""
    return next((one.message for one in scene.staleness(kind) if one.cause == "driver-version"), None)


def not_offered(scene: Scene) -> Iterator[Finding]:
    """Yield the hardware that is here, and that no spec offers."""
    found = [one.kind for one in scene.all_hardware.found if split_kind(one.kind)[0] != _OWN_VENDOR]
    missing = [kind for kind in dict.fromkeys(found) if kind not in scene.kinds]
    if missing:
        yield Finding(
            step=_STEP,
            status="note",
            message=f"this node has devices of {some(missing)}, and no spec offers them",
            hint="`cdi generate --install` writes specs for them",
        )


def _concerns(one: Stale, device: str) -> bool:
    return one.cause not in _OF_OTHERS and (not one.devices or device in one.devices)
