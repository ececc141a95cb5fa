"""A valid spec against a release of a runtime: whether that loads it, and what it would have to do without."""

from __future__ import annotations

__all__ = ["check_release"]

import posixpath
from typing import TYPE_CHECKING

from cdi.problem import Problem
from cdi.versions import at_least, lower, needed_version

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from cdi.compat import Release
    from cdi.model import ContainerEdits, Spec

_SPEC_DIRS = ("/etc/cdi", "/var/run/cdi", "/run/cdi")
# What low-level runtimes may ignore, and whether edits have it.
_FIELDS: Mapping[str, Callable[[ContainerEdits], object]] = {
    "netDevices": lambda edits: edits.net_devices,
    "intelRdt": lambda edits: edits.intel_rdt,
    "intelRdt.schemata": lambda edits: edits.intel_rdt and edits.intel_rdt.schemata,
    "intelRdt.enableMonitoring": lambda edits: edits.intel_rdt and edits.intel_rdt.enable_monitoring,
}


def check_release(spec: Spec, release: Release, *, path: str | None = None) -> Iterator[Problem]:
    """Yield why a release of a runtime does not load a valid spec, with `where` for `cdi.report.locate`.

    `path` is where the file is on the host of the runtime, if that is known: some do not read every directory.
    """
    if at_least(release.newest, spec.cdi_version.removeprefix("v")):
        yield from _ignored(spec, release)
    else:
        yield from _version_problems(spec, release)
    if release.crashes and min(len(spec.vendor), len(spec.class_)) == 1:
        message = f"a vendor or class of one letter crashes {release.name}"
        yield _error("compat-crash", message, "kind", "use a longer name")
    directory = posixpath.dirname(path) if path is not None else None
    if release.spec_dirs is not None and directory in _SPEC_DIRS and directory not in release.spec_dirs:
        message = f"{release.name} does not read {directory!r}"
        yield _error("compat-place", message, "", f"it reads {', '.join(release.spec_dirs)}: put the file there")


def _ignored(spec: Spec, release: Release) -> Iterator[Problem]:
    for place, edits in _placed_edits(spec):
        for field, where in _FIELDS.items():
            if field in release.ignores and where(edits):
                message = f"{release.low_level}, which {release.name} starts, ignores {field}"
                hint = "containers start without it: upgrade that program"
                yield Problem(
                    severity="warning", rule="compat-ignored", message=message, where=f"{place}.{field}", hint=hint
                )


def _placed_edits(spec: Spec) -> Iterator[tuple[str, ContainerEdits]]:
    yield "containerEdits", spec.container_edits
    for i, device in enumerate(spec.devices):
        yield f"devices[{i}].containerEdits", device.container_edits


def _version_problems(spec: Spec, release: Release) -> Iterator[Problem]:
    lowered = lower(spec, release.newest)
    own = f"CDI {release.newest}, the newest that {release.name} loads"
    needed = needed_version(spec)
    if at_least(release.newest, needed):
        hint = f"write {needed}, which has all that it uses"
    elif lowered.refused:
        hint = "what follows cannot be lowered: leave it out, or upgrade the runtime"
    else:
        hint = f"`cdi convert --compat {release.name}` lowers it, at the cost that follows"
    message = f"{spec.cdi_version} is newer than {own}: it skips the whole file"
    yield _error("compat-version", message, "cdiVersion", hint)
    hopeless = [lost.where for lost in lowered.refused if lost.where.endswith("]")]
    for lost in lowered.refused:
        yield _error("compat-refused", f"{release.name}: {lost.message}", lost.where, lost.hint)
    for one in lowered.dropped:
        if not any(one.where.startswith(f"{where}.") for where in hopeless):
            message = f"{one.what} is not in {own}: without it, {one.cost}"
            yield _error("compat-field", message, one.where, "leave it out, or upgrade the runtime")


def _error(rule: str, message: str, where: str, hint: str) -> Problem:
    return Problem(severity="error", rule=rule, message=message, where=where, hint=hint)
