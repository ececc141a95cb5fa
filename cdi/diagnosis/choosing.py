"""Step `unique`: which of several definitions of a device counts, and when none does."""

from __future__ import annotations

__all__ = ["shared_findings", "unique_findings"]

from typing import TYPE_CHECKING

from cdi.diagnosis.finding import Finding, some

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cdi.diagnosis.case import Case
    from cdi.diagnosis.view import View

_STEP = "unique"


def unique_findings(case: Case) -> Iterator[Finding]:
    """Yield that two files of one directory define the device, so that neither counts, or that one hides another."""
    scan = case.view.scan
    if case.name in scan.conflicts:
        first, second = map(str, scan.conflicts[case.name])
        yield _conflict(first, second, [case.name])
    elif case.winner is None:
        message = f"{case.name} is not among the devices that {case.view.name or 'a runtime'} loads"
        yield Finding(step=_STEP, status="problem", message=message)
    else:
        for file in case.definers:
            if file.path != case.winner.file.path and file.device(case.name) != case.winner.device:
                yield _hidden(file.path, case.winner.file.path, [case.name])


def shared_findings(view: View) -> Iterator[Finding]:
    """Yield the same for all devices of a runtime, those of a pair of files together."""
    pairs: dict[tuple[str, str], list[str]] = {}
    for name, (first, second) in view.scan.conflicts.items():
        pairs.setdefault((str(first), str(second)), []).append(name)
    yield from (_conflict(*pair, names) for pair, names in pairs.items())
    hidden: dict[tuple[str, str], list[str]] = {}
    for loaded in view.scan.specs:
        for device in loaded.spec.devices:
            name = f"{loaded.spec.kind}={device.name}"
            winner = view.scan.table.get(name)
            if winner is not None and winner[0] is not loaded and winner[1] != device:
                hidden.setdefault((str(loaded.path), str(winner[0].path)), []).append(name)
    yield from (_hidden(*pair, names) for pair, names in hidden.items())


def _conflict(first: str, second: str, names: Sequence[str]) -> Finding:
    return Finding(
        step=_STEP,
        status="problem",
        message=f"{first!r} and {second!r} both define {some(names)}",
        why="of a device that two files of one directory define, runtimes use neither",
        hint="remove one of the files; to override a device, use a directory that comes later in the list",
        path=second,
    )


def _hidden(lower: str, higher: str, names: Sequence[str]) -> Finding:
    return Finding(
        step=_STEP,
        status="warning",
        message=f"{higher!r} hides {some(names)} of {lower!r}, where it is something else",
        why="of several directories, the later one wins",
        hint=f"remove {lower} if it is from before",
        path=lower,
    )
