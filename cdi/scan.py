"""Spec directories to what they define: devices, conflicts, and the files that could not be used."""

from __future__ import annotations

__all__ = ["LoadedSpec", "Scan", "scan"]

import time
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec
from msgspec.structs import force_setattr

from cdi.decode import canonical
from cdi.errors import FileError
from cdi.model import Device, Spec  # noqa: TC001 - part of a struct
from cdi.names import natural_key
from cdi.problem import Problem
from cdi.reader import Reader
from cdi.report import check
from cdi.rules import is_valid

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_SETTLED = 50_000_000  # ns after which a further change of a file has another time stamp, even on coarse clocks


_Options = dict[tuple[str, ...], tuple[str, ...]]


class LoadedSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A spec that runtimes load, its file, and the place of its directory among the others."""

    path: Path
    priority: int
    spec: Spec


class _File(NamedTuple):
    """What came of a file; `signature` tells whether it is still the same, None when that cannot be told."""

    signature: tuple[int, ...] | None
    loaded: LoadedSpec | None
    errors: tuple[Problem, ...]


class Scan:
    """What the spec directories hold at one moment; never changed once made."""

    def __init__(self, files: Mapping[tuple[int, str], _File], unreadable: Mapping[Path, Problem]) -> None:
        self.files = files
        self.specs = tuple(file.loaded for file in files.values() if file.loaded is not None)
        self.table: dict[str, tuple[LoadedSpec, Device]] = {}
        self.conflicts: dict[str, tuple[Path, Path]] = {}
        self._problems = {path: [problem] for path, problem in unreadable.items()}
        for (_, path), file in files.items():
            if file.errors:
                self._problems[Path(path)] = list(file.errors)
        for loaded in self.specs:
            self._add(loaded)
        for name in self.conflicts:
            del self.table[name]
        self.problems = {path: tuple(self._problems[path]) for path in sorted(self._problems)}

    @classmethod
    def of(cls, specs: Iterable[LoadedSpec]) -> Scan:
        """Return what some loaded files come to, wherever they were read from."""
        return cls({(one.priority, str(one.path)): _File(None, one, ()) for one in specs}, {})

    @cached_property
    def devices(self) -> tuple[str, ...]:
        """All device names, by kind and name, numbers in them sorted as numbers."""
        names: dict[str, list[str]] = {}
        for loaded, device in self.table.values():
            names.setdefault(loaded.spec.kind, []).append(device.name)
        keys = {name: natural_key(name) for name in set(chain.from_iterable(names.values()))}
        return tuple(
            f"{kind}={name}"
            for kind in sorted(names, key=natural_key)
            for name in sorted(names[kind], key=keys.__getitem__)
        )

    def _add(self, loaded: LoadedSpec) -> None:
        table, prefix, priority = self.table, f"{loaded.spec.kind}=", loaded.priority
        for device in loaded.spec.devices:
            name = prefix + device.name
            other = table.get(name)
            if other is None or other[0].priority < priority:
                table[name] = loaded, device
            else:
                # The name is out for good, as in the reference library: a later directory does not bring it back.
                self.conflicts.setdefault(name, (other[0].path, loaded.path))
                self._add_conflict(name, device, loaded, other[0])
                self._add_conflict(name, other[1], other[0], loaded)

    def _add_conflict(self, name: str, device: Device, loaded: LoadedSpec, other: LoadedSpec) -> None:
        place = next(i for i, one in enumerate(loaded.spec.devices) if one is device)
        problem = Problem(
            severity="error",
            rule="device-conflict",
            message=f"{str(other.path)!r} defines the device {name!r}, too, so runtimes use neither",
            where=f"devices[{place}].name",
            hint="remove or rename one of them; to override a device, use a directory of higher priority",
        )
        self._problems.setdefault(loaded.path, []).append(problem)


def scan(dirs: Sequence[Path], before: Scan | None = None, *, root: str = "/") -> Scan:
    """Return what is in the directories, from low to high priority; files as they were `before` are not read again.

    Links below `root` are followed as if it were `/`. Never raises: what cannot be read or used is among the problems.
    """
    reader = Reader(root)
    known = before.files if before is not None else {}
    files: dict[tuple[int, str], _File] = {}
    unreadable: dict[Path, Problem] = {}
    options: _Options = {}
    for priority, directory in enumerate(dirs):
        paths, problem = _spec_files(directory, reader)
        for path in paths:
            files[priority, path] = _file(path, priority, known.get((priority, path)), options, reader)
        if problem is not None:
            unreadable[directory] = problem
    return Scan(files, unreadable)


def _spec_files(directory: Path, reader: Reader) -> tuple[list[str], Problem | None]:
    """Return the files of a directory that count as specs, and what keeps runtimes from reading it."""
    try:
        target = reader.link(directory)
        if target is not None:
            return [], _linked(target)
        return reader.spec_files(directory), None
    except FileNotFoundError:
        return [], None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        message = f"cannot read the directory: {reason.lower()}"
        hint = "runtimes that cannot read it do not read the directories after it either"
        return [], Problem(severity="error", rule="unreadable", message=message, hint=hint)


def _linked(target: str) -> Problem:
    """Return that a directory is a link: the reference library walks it with Go's filepath.Walk, which stops there."""
    message = f"is a link to {target!r}, and runtimes do not follow a link in the place of a spec directory"
    hint = "make it a directory, or have runtimes read the other one: `cdi runtime set-dirs NAME DIR…`"
    return Problem(severity="error", rule="directory-link", message=message, hint=hint)


def _file(path: str, priority: int, known: _File | None, options: _Options, reader: Reader) -> _File:
    signature = _signature(path, reader)
    if known is not None and signature is not None and signature == known.signature:
        return known
    try:
        content = reader.read(path)
    except FileError as error:
        message = error.message.removeprefix(f"cannot read {path!r}: ")
        problem = Problem(severity="error", rule="unreadable", message=f"cannot be read: {message}", hint=error.hint)
        return _File(signature, None, (problem,))
    spec, errors = _checked(content, path)
    if spec is None:
        return _File(signature, None, errors)
    _share(spec, options)
    return _File(signature, LoadedSpec(path=Path(path), priority=priority, spec=spec), ())


def _checked(content: bytes, path: str) -> tuple[Spec | None, tuple[Problem, ...]]:
    """Return the spec of a file, or its errors."""
    # A full report would also say where each warning stands, which takes longer than all else.
    spec = canonical(content)
    if spec is not None and is_valid(spec):
        return spec, ()
    report = check(content, source=path)
    if report.spec is not None:
        return report.spec, ()
    return None, tuple(problem for problem in report.problems if problem.severity == "error")


def _share(spec: Spec, options: _Options) -> None:
    """Keep equal values of mounts once: copies of them are half the memory of a large registry."""
    for edits in (spec.container_edits, *[device.container_edits for device in spec.devices]):
        for mount in edits.mounts:
            force_setattr(mount, "options", options.setdefault(mount.options, mount.options))
            if mount.host_path == mount.container_path:
                force_setattr(mount, "host_path", mount.container_path)


def _signature(path: str, reader: Reader) -> tuple[int, ...] | None:
    """Return what differs when a file has changed; None when that may have been a moment ago."""
    now = time.time_ns()
    try:
        status = reader.status(path)
    except OSError:
        return None
    if abs(now - status.st_ctime_ns) < _SETTLED:
        return None
    return status.st_dev, status.st_ino, status.st_mtime_ns, status.st_ctime_ns, status.st_size
