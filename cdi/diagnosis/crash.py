"""Step `crash`: spec files that take a runtime down, every container's devices with it."""

from __future__ import annotations

__all__ = ["crash_findings"]

from functools import partial
from typing import TYPE_CHECKING

from cdi.diagnosis.loading import placed
from cdi.diagnosis.release import numbers
from cdi.rules import RULES
from cdi.versions import VERSIONS, at_least

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cdi.diagnosis.files import SpecFile
    from cdi.diagnosis.finding import Finding
    from cdi.diagnosis.view import View
    from cdi.runtimes import Runtime

_DAEMON = "the daemon panics as soon as it reads the file, and cannot be started again while the file is there"
_COMMAND = "every command that asks for a CDI device panics, whichever it is"
_COMMANDS = frozenset({"buildah", "ctr", "nerdctl", "podman"})
# Releases since which a vendor or class of one letter is harmless; no release knows what to do with a null.
_MENDED = {"containerd": (2, 4)}
# What is found out only after the file has been decoded, by then too late.
_LATE = frozenset({"null-entry", *(rule.name for rule in RULES)})


def crash_findings(view: View) -> Iterator[Finding]:
    """Yield the files of a runtime that make it panic: move them out of the way before anything else."""
    if view.runtime is None or not view.reads_specs:
        return
    since = _MENDED.get(view.runtime.name)
    version = numbers(view.runtime.version)
    for file in filter(partial(_is_looked_into, view.runtime), view.files):
        for problem in file.crashers:
            if problem.rule == "short-name" and since is not None and version is not None and version >= since:
                continue
            why = _COMMAND if view.runtime.name in _COMMANDS else _DAEMON
            yield placed(problem, file, step="crash", status="problem", why=why)


def _is_looked_into(runtime: Runtime, file: SpecFile) -> bool:
    """Return whether a runtime comes to look at names and edits: it decodes a file and checks its version before."""
    report = file.report
    if report is None or any(p.severity == "error" and p.rule not in _LATE for p in report.problems):
        return False
    version, newest = (report.cdi_version or "").removeprefix("v"), runtime.newest_version
    return version in VERSIONS and (newest not in VERSIONS or at_least(newest, version))
