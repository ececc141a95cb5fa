"""Why a container does not get a device: the way that a runtime goes, held against a node, up to what is broken."""

from __future__ import annotations

__all__ = ["Check", "Diagnosis", "Finding", "Status", "diagnose"]

from typing import TYPE_CHECKING

from msgspec.structs import replace

from cdi.diagnosis.account import find_account
from cdi.diagnosis.aside import set_aside
from cdi.diagnosis.case import Case
from cdi.diagnosis.finding import Check, Diagnosis, Finding, Status, worst
from cdi.diagnosis.health import health
from cdi.diagnosis.notes import limit_findings, remark_findings
from cdi.diagnosis.scene import Scene
from cdi.diagnosis.walk import walk
from cdi.registry import DEFAULT_DIRS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from cdi.host import Host
    from cdi.runtimes import Runtime

_WILD = frozenset("*?[")


def diagnose(
    host: Host,
    runtimes: Sequence[Runtime],
    devices: Iterable[str] = (),
    *,
    spec_dirs: Iterable[str] = DEFAULT_DIRS,
    user: str | None = None,
) -> Diagnosis:
    """Return what keeps devices from the containers of each runtime, or without devices what is wrong anywhere.

    Of each device in each runtime it is the first step that is not passed. Names may be patterns of names that exist.
    `spec_dirs` are paths of the host: where to look when there is no runtime, and beside what they read. `user` is
    whose rootless containers are meant, by name or number. Raises `UsageError` for a user that there is not.
    """
    account = find_account(host, user) if user is not None else None
    runtimes, asides = set_aside(host, runtimes)
    scene = Scene(host, runtimes, spec_dirs, account)
    names = tuple(_meant(scene, devices))
    found = _walked(scene, names) if names else health(scene)
    return replace(found, findings=(*found.findings, *asides))


def _walked(scene: Scene, names: Iterable[str]) -> Diagnosis:
    """Return how far each device comes in each runtime."""
    checks: list[Check] = []
    findings: dict[Finding, None] = {}
    for name in names:
        for view in scene.views:
            found = [replace(one, runtime=view.name, device=name) for one in walk(Case(scene, view, name))]
            status = worst(found)
            step = next((one.step for one in found if one.status == status), None) if status != "ok" else None
            checks.append(Check(runtime=view.name, device=name, status=status, step=step))
            findings |= dict.fromkeys(found)
    for view in scene.views:
        works = any(check.runtime == view.name and check.status in {"ok", "warning"} for check in checks)
        notes = [*remark_findings(view), *(limit_findings(view) if works else ())]
        findings |= dict.fromkeys(replace(one, runtime=view.name) for one in notes)
    return Diagnosis(checks=tuple(checks), findings=tuple(findings))


def _meant(scene: Scene, devices: Iterable[str]) -> Iterator[str]:
    """Yield the names that are asked for, each once; a pattern stands for all names of any file that it matches."""
    from fnmatch import fnmatchcase  # noqa: PLC0415 - only patterns need it

    known = [name for file in scene.files.values() for name in file.names]
    for wanted in dict.fromkeys(devices):
        matches = [name for name in known if fnmatchcase(name, wanted)] if _WILD & set(wanted) else []
        yield from dict.fromkeys(matches or [wanted])
