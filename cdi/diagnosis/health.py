"""The state of all that there is: every runtime, every spec file and its devices, the hardware behind them."""

from __future__ import annotations

__all__ = ["health"]

from itertools import chain
from typing import TYPE_CHECKING

from msgspec.structs import replace

from cdi.diagnosis.choosing import shared_findings
from cdi.diagnosis.crash import crash_findings
from cdi.diagnosis.fields import field_findings
from cdi.diagnosis.finding import Check, Diagnosis, Finding, some, worst
from cdi.diagnosis.hardware import hardware_findings
from cdi.diagnosis.notes import limit_findings, remark_findings, unwritten
from cdi.diagnosis.remedies import read_also
from cdi.diagnosis.staleness import not_offered, stale_findings
from cdi.diagnosis.switches import switch_findings
from cdi.edits import append

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from cdi.diagnosis.scene import Scene
    from cdi.diagnosis.view import View


def health(scene: Scene) -> Diagnosis:
    """Return what is wrong anywhere, whether a container asks for it or not; the worst first."""
    crashes = [replace(one, runtime=view.name) for view in scene.views for one in crash_findings(view)]
    findings = [
        *crashes,
        *_of_views(scene, _directories),
        *_of_views(scene, lambda view: _unread(scene, view)),
        *_not_said(_of_views(scene, _files), crashes),
        *_of_views(scene, shared_findings),
        *_of_parts(scene),
        *_of_views(scene, switch_findings),
        *_of_views(scene, _fields),
        *chain.from_iterable(hardware_findings(scene, kind) for kind in sorted(scene.kinds)),
        *chain.from_iterable(stale_findings(scene, kind) for kind in sorted(scene.kinds)),
        *_of_views(scene, remark_findings),
        *_of_views(scene, limit_findings),
        *not_offered(scene),
        *unwritten(scene.host, scene.kinds),
    ]
    return Diagnosis(checks=tuple(_checks(scene, findings)), findings=tuple(findings))


def _of_views(scene: Scene, look: Callable[[View], Iterable[Finding]]) -> Iterator[Finding]:
    """Yield what is found for each runtime; what holds for all of them once, without a name."""
    where: dict[Finding, list[str | None]] = {}
    for view in scene.views:
        for finding in look(view):
            where.setdefault(finding, []).append(view.name)
    for finding, names in where.items():
        if len(names) == len(scene.views) > 1:
            yield finding
        else:
            yield from (replace(finding, runtime=name) for name in names)


def _not_said(findings: Iterable[Finding], before: Iterable[Finding]) -> Iterator[Finding]:
    """Yield findings but for what was said of the same place before: what crashes a runtime is also invalid."""
    said = {(one.path, one.line, one.column, one.message) for one in before}
    return (one for one in findings if (one.path, one.line, one.column, one.message) not in said)


def _directories(view: View) -> Iterable[Finding]:
    return view.directory_faults if view.reads_specs else ()


def _unread(scene: Scene, view: View) -> Iterator[Finding]:
    """Yield the usual directories with specs whose devices this runtime does not have, since it does not read them."""
    own = {scene.settled(listing.directory) for listing in view.listings}
    by_default = view.runtime is not None and view.runtime.spec_dirs_why.startswith("default")
    for listing in scene.everywhere if view.reads_specs else ():
        if listing.directory not in scene.spec_dirs or scene.settled(listing.directory) in own:
            continue
        lost = [name for file in listing.files for name in file.names if name not in view.scan.table]
        if lost and view.runtime is not None:
            yield Finding(
                step="place",
                status="problem" if by_default else "warning",
                message=f"{view.name} does not read {listing.directory}, and lacks {some(lost)}",
                why=f"it reads {', '.join(view.runtime.spec_dirs)} ({view.runtime.spec_dirs_why})",
                hint=read_also(view.runtime, view.runtime.spec_dirs, listing.directory) or _MOVE,
                path=listing.directory,
            )


def _files(view: View) -> Iterable[Finding]:
    return chain.from_iterable(view.faults.values()) if view.reads_specs else ()


def _of_parts(scene: Scene) -> Iterator[Finding]:
    """Yield what is wrong with the nodes, mounts and hooks of every device that some runtime offers."""
    found: dict[Finding, None] = {}
    for view in scene.views:
        for loaded in view.scan.specs:
            file = view.by_path[str(loaded.path)]
            shared = scene.parts(file, loaded.spec, None, view.account)
            found |= dict.fromkeys(shared)
            for device in loaded.spec.devices:
                name = f"{loaded.spec.kind}={device.name}"
                if name in view.scan.table:
                    own = scene.parts(file, loaded.spec, device, view.account)[len(shared) :]
                    found |= dict.fromkeys(replace(one, device=name) for one in own)
    yield from found


def _fields(view: View) -> Iterator[Finding]:
    """Yield what the low-level runtime leaves out of the devices of each file."""
    for loaded in view.scan.specs if view.reads_specs else ():
        edits = append(loaded.spec.container_edits, *(device.container_edits for device in loaded.spec.devices))
        yield from (replace(one, path=str(loaded.path)) for one in field_findings(view, edits))


def _checks(scene: Scene, findings: list[Finding]) -> Iterator[Check]:
    """Yield a row for each runtime, each file or directory, and each kind of hardware that something is said of."""
    for view in scene.views:
        if view.name is not None:
            yield _check([one for one in findings if one.runtime == view.name], runtime=view.name)
    paths = dict.fromkeys(file.path for view in scene.views for file in view.files)
    others = dict.fromkeys(one.path for one in findings if one.path is not None and one.step in _OF_FILES)
    for path in {**paths, **others}:
        yield _check([one for one in findings if one.path == path], path=path)
    for kind in sorted(scene.kinds):
        of_kind = [one for one in findings if one.step in _OF_HARDWARE and one.device == kind]
        if scene.hardware(kind) is not None:
            yield _check(of_kind, device=kind)


_MOVE = "`cdi install FILE --spec-dir DIR` puts specs where it reads them"
_OF_HARDWARE = frozenset({"driver", "fresh"})
_OF_FILES = frozenset({"crash", "readable", "loads", "unique", "nodes", "mounts"})


def _check(
    findings: list[Finding], *, runtime: str | None = None, device: str | None = None, path: str | None = None
) -> Check:
    status = worst(findings)
    status = "ok" if status == "note" else status
    step = next((one.step for one in findings if one.status == status), None) if status != "ok" else None
    return Check(runtime=runtime, device=device, path=path, status=status, step=step)
