"""The spec directory held against what a host should have: write what differs, give up what stays missing."""

from __future__ import annotations

__all__ = ["Keeper", "Outcome", "Wanted", "wanted"]

from typing import TYPE_CHECKING

import msgspec
from msgspec import field

from cdi.differing import with_lent
from cdi.errors import CdiError, FileConflict, FileError, SpecInvalid
from cdi.model import Spec  # noqa: TC001 - part of a struct
from cdi.names import spec_name, split_kind
from cdi.scan import Scan, scan
from cdi.store import lock
from cdi.upkeep.entry import Entry
from cdi.upkeep.patience import Patience

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from cdi.discovery import Discovery
    from cdi.problem import Problem
    from cdi.scan import LoadedSpec
    from cdi.store import LockedDir
    from cdi.upkeep.pace import Timing

_SUFFIXES = (".yaml", ".json")
_UNKNOWN = frozenset({"profile-invalid", "pools-invalid", "host-unreadable"})  # problems that may hide families
_LASTING = (FileConflict, SpecInvalid)  # to try again soon would not help
_LOCK_S = 0.5  # of another writer; later we try again


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """The specs that a host should have, and the kinds that were looked for.

    Of the kinds in `unsure` there may be more, and those in `faulty` would keep containers from starting; both say
    why. Of the devices in `lent`, by kind, containers have what a spec would say of them. `complete` is false when
    families were left out that cannot be told.
    """

    kinds: frozenset[str]
    specs: tuple[Spec, ...] = ()
    unsure: Mapping[str, str] = field(default_factory=dict[str, str])
    faulty: Mapping[str, str] = field(default_factory=dict[str, str])
    lent: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, "tuple[str, ...]"])
    complete: bool = True
    notes: tuple[str, ...] = ()


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What a look led to: what was `done`, what stands in the way, and how things are now.

    `devices` are those of the specs that are installed, by kind; `waiting` counts what would be lost and may come back.
    """

    done: tuple[Entry, ...] = ()
    faults: tuple[Entry, ...] = ()
    failed: bool = False
    devices: Mapping[str, int] = field(default_factory=dict[str, int])
    waiting: Mapping[str, int] = field(default_factory=dict[str, int])


def wanted(
    discovery: Discovery, specs: Iterable[Spec], faults: Iterable[tuple[Spec, Problem]], notes: Iterable[str] = ()
) -> Wanted:
    """Return what a host should have: the specs that were generated for it, and what is wrong with them on it."""
    specs = tuple(specs)
    faulty: dict[str, str] = {}
    for spec, problem in faults:
        if problem.severity == "error":
            faulty.setdefault(spec.kind, problem.advice)
    return Wanted(
        kinds=frozenset({*discovery.kinds, *(spec.kind for spec in specs)}),
        specs=specs,
        unsure=discovery.unsure,
        faulty=faulty,
        lent=discovery.lent,
        complete=not any(problem.rule in _UNKNOWN for problem in discovery.problems),
        notes=tuple(notes),
    )


class Keeper:
    """The specs in one directory, each in a file named after its kind; other files are somebody else's.

    It remembers nothing between processes: what is installed is what the directory holds.
    """

    def __init__(self, directory: Path, timing: Timing, *, root: str = "/") -> None:
        self.directory = directory
        self._root = root
        self._scan: Scan | None = None
        self._patience = Patience(timing)
        self._known: frozenset[str] = frozenset()
        self._is_tidy = False

    def look(self, now_wanted: Wanted, now: float) -> Outcome:
        """Make the directory what it should be, as far as nothing is lost by it that may come back.

        Raises `CdiError` when it cannot even begin.
        """
        self._scan = scan([self.directory], self._scan, root=self._root)
        for problem in self._scan.problems.get(self.directory, ()):  # we do not know what is installed
            message = f"left the specs as they are: {str(self.directory)!r} {problem.message}"
            raise FileError(message, hint=problem.hint)
        self._tidy()
        self._known |= now_wanted.kinds
        specs = {spec.kind: spec for spec in now_wanted.specs}
        installed = {one.spec.kind: one for one in self._scan.specs if one.path.name in _names(one.spec.kind)}
        owners = dict(_owners(self._scan, installed))
        targets: dict[str, Spec | None] = {}
        faults: list[Entry] = []
        waiting: dict[str, int] = {}
        for kind in sorted(self._known if now_wanted.complete else now_wanted.kinds):
            old = installed[kind].spec if kind in installed else None
            if kind in now_wanted.faulty:
                faults.append(_refused(kind, now_wanted.faulty[kind]))
                continue
            sure = kind not in now_wanted.unsure
            new = with_lent(old, specs.get(kind), now_wanted.lent.get(kind, ()))
            target, kept = self._patience.kept(kind, old, new, now, sure=sure)
            if kept:
                waiting[kind] = len(kept)
            clash = _clash(target, owners)
            if clash is not None:
                faults.append(clash)
            elif target != old:
                targets[kind] = target
        done, errors = self._change(targets, installed)
        return Outcome(
            done=tuple(done),
            faults=(*faults, *(_failure(error, kind) for kind, error in errors)),
            failed=any(not isinstance(error, _LASTING) for _, error in errors),
            devices=self._devices(installed, targets, done),
            waiting=waiting,
        )

    def _tidy(self) -> None:
        """Remove, at first, what a writer left behind that was killed: perhaps it was this service."""
        if not self._is_tidy and self.directory.is_dir():
            with lock(self.directory, timeout=_LOCK_S) as locked:
                locked.tidy()
        self._is_tidy = True

    def _change(
        self, targets: Mapping[str, Spec | None], installed: Mapping[str, LoadedSpec]
    ) -> tuple[list[Entry], list[tuple[str | None, CdiError]]]:
        """Write and remove; what fails does not keep the rest from being done."""
        done: list[Entry] = []
        errors: list[tuple[str | None, CdiError]] = []
        if not targets:
            return done, errors
        try:
            with lock(self.directory, timeout=_LOCK_S) as locked:
                for kind, spec in targets.items():
                    try:
                        done += _put(locked, kind, spec, installed.get(kind))
                    except CdiError as error:
                        errors.append((kind, error))
        except CdiError as error:
            errors.append((None, error))
        return done, errors

    def _devices(
        self, installed: Mapping[str, LoadedSpec], targets: Mapping[str, Spec | None], done: list[Entry]
    ) -> dict[str, int]:
        devices = {kind: len(one.spec.devices) for kind, one in installed.items() if kind in self._known}
        for entry in done:
            target = targets[entry.kind or ""]
            devices.pop(entry.kind or "", None)
            if target is not None:
                devices[target.kind] = len(target.devices)
        return dict(sorted(devices.items()))


def _names(kind: str) -> tuple[str, ...]:
    stem = spec_name(*split_kind(kind))
    return tuple(f"{stem}{suffix}" for suffix in _SUFFIXES)


def _owners(found: Scan, installed: Mapping[str, LoadedSpec]) -> Iterator[tuple[str, Path]]:
    """Yield the devices of files that are not ours, and the files."""
    ours = {one.path for one in installed.values()}
    for one in found.specs:
        if one.path not in ours:
            yield from ((str(one.spec.qualified_name(device)), one.path) for device in one.spec.devices)


def _clash(target: Spec | None, owners: Mapping[str, Path]) -> Entry | None:
    """Return that another file defines one of the devices, too."""
    if target is None:
        return None
    names = (str(target.qualified_name(device)) for device in target.devices)
    name = next((name for name in names if name in owners), None)
    if name is None:
        return None
    other = str(owners[name])
    message = f"left {target.kind} as it is: {other!r} defines {name}, too, and runtimes use neither of two"
    hint = "remove that file, if it is not needed"
    return Entry(level="warning", event="conflict", message=message, kind=target.kind, path=other, hint=hint)


def _put(locked: LockedDir, kind: str, spec: Spec | None, old: LoadedSpec | None) -> Iterator[Entry]:
    """Write or remove a spec, in the format in which it lies there, and yield what was done."""
    before = {device.name: device for device in old.spec.devices} if old is not None else {}
    if spec is None:
        old_path = old.path if old is not None else locked.path
        name = old_path.name
        if locked.kind(name) == kind and locked.remove(name):
            message = f"removed {kind}, whose {_counted(len(before))} are gone"
            yield Entry(level="info", event="removed", message=message, kind=kind, path=str(old_path), devices=0)
        return
    is_json = old is not None and old.path.suffix == ".json"
    path = locked.write(spec, format="json" if is_json else "yaml")
    after = {device.name: device for device in spec.devices}
    new = [name for name in after if name not in before]
    gone = [name for name in before if name not in after]
    changed = [name for name in after if name in before and before[name] != after[name]]
    facts = [
        f"{', '.join(names)} {what}" for names, what in ((new, "new"), (changed, "changed"), (gone, "gone")) if names
    ]
    if old is not None and old.spec.container_edits != spec.container_edits:
        facts.append("what all share changed")
    yield Entry(
        level="info",
        event="wrote",
        message=f"wrote {kind}: {_counted(len(after))}"
        + (f" ({'; '.join(facts)})" if old is not None and facts else ""),
        kind=kind,
        path=str(path),
        devices=len(after),
    )


def _counted(number: int) -> str:
    return f"{number} device" if number == 1 else f"{number} devices"


def _refused(kind: str, why: str) -> Entry:
    message = f"left {kind} as it is, containers would not start: {why}"
    return Entry(level="warning", event="refused", message=message, kind=kind)


def _failure(error: CdiError, kind: str | None) -> Entry:
    event = "conflict" if isinstance(error, FileConflict) else "failed"
    return Entry(level="error", event=event, message=error.message, kind=kind, hint=error.hint)
