"""The devices of a host as its runtimes see them: look up, resolve, inject, and follow changes."""

from __future__ import annotations

__all__ = ["DEFAULT_DIRS", "Change", "Found", "LoadedSpec", "Registry", "near_names"]

import os
import re
import threading
import weakref
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from cdi import oci as oci_edits
from cdi.edits import append
from cdi.errors import InvalidName, UnresolvedDevices
from cdi.model import ContainerEdits, Device, Spec
from cdi.names import natural_key, parse_name
from cdi.nodes import node_at
from cdi.problem import Problem  # noqa: TC001 - part of a struct
from cdi.scan import LoadedSpec, Scan, scan
from cdi.watch import Watcher

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from types import TracebackType

DEFAULT_DIRS = ("/etc/cdi", "/var/run/cdi")


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """A device and where it comes from."""

    device: Device
    spec: Spec
    path: Path
    priority: int


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """What a refresh found: a device that was added, changed or removed, or a problem that is new (`failed`)."""

    action: Literal["added", "changed", "removed", "failed"]
    path: Path
    device: str | None = None
    problem: Problem | None = None


class Registry:
    """The specs of some directories, later ones overriding earlier ones, exactly as runtimes resolve them.

    All answers come from one reading of the directories, which `refresh` replaces as a whole: threads may ask
    and refresh at any time. With `watch`, a thread refreshes after every change in the directories; close the
    registry, or use it as a context manager, to end it.
    """

    def __init__(self, dirs: Sequence[Path], root: str, *, watch: bool) -> None:
        self.dirs = tuple(dirs)
        self._root = root
        self._refreshing = threading.Lock()
        self._subscriptions: weakref.WeakSet[_Subscription] = weakref.WeakSet()
        self._watcher = Watcher(self.dirs, self.refresh) if watch else None
        self._scan = scan(self.dirs, root=root)
        if self._watcher is not None:
            self._watcher.start()

    @classmethod
    def load(
        cls,
        dirs: Iterable[str | os.PathLike[str]] = DEFAULT_DIRS,
        *,
        root: str | os.PathLike[str] = "/",
        watch: bool = False,
    ) -> Registry:
        """Return the registry of directories, from low to high priority; missing ones count as empty.

        Files that cannot be read or used are skipped and listed in `problems`. `root` is where `inject` looks for
        device nodes of the host. The directories are taken as they are; in those below `root`, links are followed
        as if it were `/`.
        """
        return cls([Path(path) for path in dirs], os.fspath(root), watch=watch)

    @classmethod
    def of(cls, specs: Iterable[LoadedSpec]) -> Registry:
        """Return the registry of specs that were read elsewhere; it has no directories to refresh itself from."""
        registry = cls((), "/", watch=False)
        registry._scan = Scan.of(specs)
        return registry

    def __enter__(self) -> Registry:  # noqa: PYI034 - typing has no Self in 3.10
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Stop watching and end every iterator of changes; what was read stays available."""
        watcher, self._watcher = self._watcher, None
        if watcher is not None:
            watcher.close()
        with self._refreshing:
            for subscription in self._subscriptions:
                subscription.end()

    @property
    def devices(self) -> tuple[str, ...]:
        """The names of all devices, sorted, 2 before 10."""
        return self._scan.devices

    @property
    def vendors(self) -> tuple[str, ...]:
        """The vendors of all valid specs, sorted."""
        return tuple(sorted({loaded.spec.vendor for loaded in self._scan.specs}, key=natural_key))

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes of all valid specs, sorted."""
        return tuple(sorted({loaded.spec.class_ for loaded in self._scan.specs}, key=natural_key))

    @property
    def specs(self) -> tuple[LoadedSpec, ...]:
        """All valid specs, by priority and file name."""
        return self._scan.specs

    @property
    def problems(self) -> Mapping[Path, tuple[Problem, ...]]:
        """Why files, directories, or devices of a file are not used, by path; warnings do not count."""
        return self._scan.problems

    @property
    def conflicts(self) -> Mapping[str, tuple[Path, Path]]:
        """The devices that runtimes do not use because two files define them, and those files."""
        return self._scan.conflicts

    def get(self, name: str) -> Found | None:
        """Return a device by its qualified name."""
        entry = self._scan.table.get(name)
        if entry is None:
            return None
        loaded, device = entry
        return Found(device=device, spec=loaded.spec, path=loaded.path, priority=loaded.priority)

    def match(self, pattern: str) -> tuple[str, ...]:
        """Return the sorted names that match a pattern such as `vendor.com/gpu=*`; `*` also matches `/` and `=`."""
        from fnmatch import translate  # noqa: PLC0415 - only globs need it

        matches = re.compile(translate(pattern)).match
        return tuple(name for name in self.devices if matches(name))

    def edits(self, names: Iterable[str]) -> ContainerEdits:
        """Return all edits that devices bring, those of a spec once, before its first device.

        Raises `UnresolvedDevices` with every name that is not defined.
        """
        return _resolve(self._scan, tuple(names), self.dirs)

    def inject(self, oci: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
        """Return an OCI runtime spec with the devices in it; the argument stays as it is.

        Raises `UnresolvedDevices`, and `InjectionFailed` as `cdi.oci.inject` does.
        """
        return oci_edits.inject(oci, self.edits(names), node_at=partial(node_at, root=self._root))

    def refresh(self) -> None:
        """Read the directories again; only files that have changed are parsed."""
        with self._refreshing:
            before, self._scan = self._scan, scan(self.dirs, self._scan, root=self._root)
            if self._subscriptions:
                changes = tuple(_changes(before, self._scan))
                for subscription in self._subscriptions:
                    subscription.send(changes)

    def changes(self) -> Iterator[Change]:
        """Return an iterator over what refreshes find from now on; it waits for more until the registry is closed."""
        subscription = _Subscription()
        with self._refreshing:
            self._subscriptions.add(subscription)
        return subscription


class _Subscription(Iterator[Change]):
    """The changes that one user of the registry has not seen yet."""

    def __init__(self) -> None:
        self._queue: SimpleQueue[Change | None] = SimpleQueue()

    def send(self, changes: Iterable[Change]) -> None:
        for change in changes:
            self._queue.put(change)

    def end(self) -> None:
        self._queue.put(None)

    def __next__(self) -> Change:
        change = self._queue.get()
        if change is None:
            self.end()  # for the next call
            raise StopIteration
        return change


def _resolve(found: Scan, names: tuple[str, ...], dirs: Sequence[Path]) -> ContainerEdits:
    missing = [name for name in names if name not in found.table]
    if missing:
        raise UnresolvedDevices(missing, hint=_hint(found, missing[0], dirs))
    parts = []
    seen = set()
    for name in names:
        loaded, device = found.table[name]
        if id(loaded) not in seen:
            seen.add(id(loaded))
            parts.append(loaded.spec.container_edits)
        parts.append(device.container_edits)
    return append(ContainerEdits(), *parts)


def _hint(found: Scan, name: str, dirs: Sequence[Path]) -> str | None:
    """Return why a name may be missing."""
    if name in found.conflicts:
        first, second = found.conflicts[name]
        return f"{str(first)!r} and {str(second)!r} both define {name}, so neither counts: remove one"
    try:
        parse_name(name)
    except InvalidName as error:
        return error.hint or error.message
    if not found.table:
        where = ", ".join(map(str, dirs)) or "no spec directory"
        return f"no device is defined at all (in {where})"
    near = near_names(name, found.devices)
    if near:
        return f"did you mean {' or '.join(filter(None, (', '.join(near[:-1]), near[-1])))}?"
    if found.problems:
        return f"it may be in a file that was skipped, such as {str(next(iter(found.problems)))!r}"
    return None


def near_names(name: str, devices: Sequence[str]) -> list[str]:
    """Return up to three of the devices that may be meant by a mistyped name, those of its kind if there are any."""
    from difflib import get_close_matches  # noqa: PLC0415 - only mistakes need it

    kind = name.partition("=")[0]
    return get_close_matches(name, [n for n in devices if n.startswith(f"{kind}=")] or devices)


def _changes(before: Scan, after: Scan) -> Iterator[Change]:
    for name in sorted(before.table.keys() | after.table.keys(), key=natural_key):
        old, new = before.table.get(name), after.table.get(name)
        if new is None:
            if old is not None:
                yield Change(action="removed", path=old[0].path, device=name)
        elif old is None:
            yield Change(action="added", path=new[0].path, device=name)
        elif old[0] is not new[0] and _meaning(old) != _meaning(new):
            yield Change(action="changed", path=new[0].path, device=name)
    for path, problems in after.problems.items():
        known = before.problems.get(path, ())
        for problem in problems:
            if problem not in known:
                yield Change(action="failed", path=path, problem=problem)


def _meaning(entry: tuple[LoadedSpec, Device]) -> tuple[Device, ContainerEdits, Path]:
    loaded, device = entry
    return device, loaded.spec.container_edits, loaded.path
