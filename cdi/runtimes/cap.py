"""The newest CDI version that all runtimes of a host read, and what their low-level runtimes ignore."""

from __future__ import annotations

__all__ = ["Cap", "ignored_fields", "newest_for"]

from typing import TYPE_CHECKING

import msgspec

from cdi.versions import VERSIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from cdi.model import ContainerEdits, Spec
    from cdi.runtimes.runtime import LowLevel, Runtime


class Cap(msgspec.Struct, frozen=True, kw_only=True):
    """The highest version to write, None for any; `notes` says which runtime reads what, and which do not count."""

    version: str | None
    notes: tuple[str, ...]


def newest_for(runtimes: Iterable[Runtime]) -> Cap:
    """Return the highest version that all of these runtimes read which have CDI switched on, or may have."""
    every = tuple(runtimes)
    using = [one for one in every if one.enabled is not False]
    versions = [one.newest_version for one in using if one.newest_version is not None]
    return Cap(
        version=min(versions, key=VERSIONS.index, default=None),
        notes=tuple(map(_note, every)) or ("no container runtime is installed, so specs have the version they need",),
    )


def _note(runtime: Runtime) -> str:
    if runtime.enabled is False:
        return f"{runtime.label} does not count: CDI is off ({runtime.enabled_why})"
    if runtime.newest_version is None:
        return f"{runtime.label} does not count: {runtime.newest_version_why}"
    return f"{runtime.label} reads CDI {runtime.newest_version} ({runtime.newest_version_why})"


_FIELDS: dict[str, Callable[[ContainerEdits], bool]] = {
    "netDevices": lambda edits: bool(edits.net_devices),
    "intelRdt": lambda edits: edits.intel_rdt is not None,
    "intelRdt.schemata": lambda edits: edits.intel_rdt is not None and bool(edits.intel_rdt.schemata),
    "intelRdt.enableMonitoring": lambda edits: edits.intel_rdt is not None and bool(edits.intel_rdt.enable_monitoring),
}


def ignored_fields(specs: Iterable[Spec], runtimes: Iterable[Runtime]) -> tuple[str, ...]:
    """Return which fields of devices the runtimes that use CDI would leave out, a line for each runtime and field."""
    every = tuple(specs)
    lines = [
        _ignored(runtime, low_level, field, every)
        for runtime in runtimes
        if runtime.enabled is not False and (low_level := runtime.low_level) is not None
        for field in low_level.lacks
    ]
    return tuple(line for line in lines if line is not None)


def _ignored(runtime: Runtime, low_level: LowLevel, field: str, specs: tuple[Spec, ...]) -> str | None:
    names = [
        str(spec.qualified_name(device))
        for spec in specs
        for device in spec.devices
        if any(_FIELDS[field](edits) for edits in (device.container_edits, spec.container_edits))
    ]
    if not names:
        return None
    what = names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"
    return f"{what}: {runtime.label} starts {low_level.label}, which ignores {field}"
