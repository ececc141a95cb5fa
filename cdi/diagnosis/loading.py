"""Step `loads`: whether a runtime takes a file that it can read."""

from __future__ import annotations

__all__ = ["load_faults", "placed"]

from typing import TYPE_CHECKING

from cdi.diagnosis.finding import Finding
from cdi.problem import Problem
from cdi.report import locate
from cdi.versions import VERSIONS, at_least, lower, needed_version

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cdi.diagnosis.files import SpecFile
    from cdi.diagnosis.finding import Status
    from cdi.runtimes import Runtime

_DROPPED = "the whole file is dropped for it, and its devices are 'unresolvable'"


def load_faults(file: SpecFile, runtime: Runtime | None) -> Iterator[Finding]:
    """Yield why a runtime drops a file: what is wrong with it, or a version that this runtime does not know."""
    if file.report is None:
        return
    for problem in file.report.problems:
        if problem.severity == "error":
            yield placed(problem, file, step="loads", status="problem", why=_DROPPED)
    if file.report.spec is not None and runtime is not None:
        yield from _too_new(file, runtime)


def placed(problem: Problem, file: SpecFile, *, step: str, status: Status, why: str | None = None) -> Finding:
    """Return what is wrong in a file as a finding."""
    return Finding(
        step=step,
        status=status,
        message=problem.message,
        why=why,
        hint=problem.hint,
        path=file.path,
        line=problem.line,
        column=problem.column,
    )


def _too_new(file: SpecFile, runtime: Runtime) -> Iterator[Finding]:
    """Yield that a spec is of a version above what the runtime reads, by its label or by what it uses."""
    spec = file.report.spec if file.report is not None else None
    newest = runtime.newest_version
    if spec is None or newest not in VERSIONS:
        return
    label, needed = spec.cdi_version.removeprefix("v"), needed_version(spec)
    if at_least(newest, label) and at_least(newest, needed):
        return
    by_label = not at_least(newest, label)
    what = f"cdiVersion {label}" if by_label else f"what needs CDI {needed} in a file of version {label}"
    message = f"{runtime.release or runtime.name} does not read {what}, it knows up to {newest}"
    hint = "`cdi generate --install` lowers what cdi has written"
    if at_least(newest, needed):
        hint = f"write cdiVersion {needed!r}, the file needs no more; `cdi generate --install` does"
    elif refused := lower(spec, newest).refused:
        hint = f"{refused[0].message}: it takes a runtime that reads CDI {needed}"
    problem = Problem(severity="error", rule="version", message=message, where="cdiVersion", hint=hint)
    for one in locate(file.content, [problem]):
        yield placed(one, file, step="loads", status="problem", why=_DROPPED)
