"""The newest CDI version that all runtimes of a host read, and what their low-level runtimes ignore."""

from __future__ import annotations

__all__ = ["Cap", "ignored_fields", "newest_for"]

from typing import TYPE_CHECKING

import msgspec

from cdi.versions import VERSIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from cdi.model import ContainerEdits, Spec
    from cdi.runtimes.runtime import Runtime


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


def ignored_fields(spec: Spec, runtimes: Iterable[Runtime]) -> Iterator[str]:
    """Yield what a runtime that uses CDI would leave out of a container, a line for each device and runtime."""
    for runtime in runtimes:
        low_level = runtime.low_level
        if runtime.enabled is False or low_level is None:
            continue
        for device in spec.devices:
            for field in low_level.lacks:
                if any(_FIELDS[field](edits) for edits in (device.container_edits, spec.container_edits)):
                    name = f"{low_level.name} {low_level.version}" if low_level.version else low_level.name
                    yield f"{spec.qualified_name(device)}: {runtime.label} starts {name}, which ignores {field}"
