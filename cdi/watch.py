"""Tell when files and directories change, by inotify: also those that do not exist yet, or come and go."""

from __future__ import annotations

__all__ = ["Taken", "Watch", "Watcher"]

import errno
import os
import select
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from cdi.errors import FileError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_QUIET_MS = 50  # a change is over when nothing follows for so long
_LONGEST = 1.0  # seconds after which we look, even if it is not
_POLL_MS = 1000  # how often to look where the kernel cannot tell
_OVERFLOW = -1  # the kernel's watch number when it lost events


class Taken(NamedTuple):
    """What there was to take: what changed that matters, and whether the kernel lost some of it."""

    changed: tuple[Path, ...]
    lost: bool


class Watch:
    """Changes at some paths: at each of them, in it if it is a directory, and at those above it.

    Any of them may be missing yet, or be replaced. After a change, `arm` watches what is there now; what changes
    after that is not missed. Without `contents` it is no change that a file was written to: for /dev, where
    everyone writes to /dev/null.
    """

    def __init__(self, paths: Iterable[Path], *, contents: bool = True) -> None:
        try:
            import inotify_simple  # type: ignore[import-untyped]  # noqa: PLC0415 - optional
        except ImportError:
            message = "watching directories needs the Python package inotify_simple"
            raise UsageError(message, hint="pip install 'cdi-tools[watch]'") from None
        flags = inotify_simple.flags
        self._mask = (
            flags.CREATE
            | flags.ATTRIB
            | flags.MOVED_FROM
            | flags.MOVED_TO
            | flags.DELETE
            | flags.MOVE_SELF
            | flags.DELETE_SELF
            | flags.ONLYDIR
        )
        if contents:
            self._mask |= flags.CLOSE_WRITE
        self.paths = tuple(Path(path).absolute() for path in paths)
        try:
            self._inotify = inotify_simple.INotify()
        except OSError as error:
            hint = "the limit fs.inotify.max_user_instances may be too low"
            raise FileError.from_os(error, "watch", ", ".join(map(str, self.paths)), hint=hint) from error
        # Watch number to the directory and the names in it that matter; None where all do.
        self._watched: dict[int, tuple[Path, set[str] | None]] = {}
        self.blind = False
        self.arm()

    def fileno(self) -> int:
        """Return the descriptor that is readable when there is something to take."""
        return int(self._inotify.fileno())

    def close(self) -> None:
        """Watch no more."""
        self._inotify.close()

    def take(self) -> Taken:
        """Return what has happened since the last call."""
        changed: dict[Path, None] = {}
        lost = False
        for event in self._inotify.read(timeout=0):
            lost = lost or event.wd == _OVERFLOW
            directory, names = self._watched.get(event.wd, (Path(), set[str]()))
            # An event without a name is about the directory itself.
            if event.wd in self._watched and (names is None or not event.name or event.name in names):
                changed[directory / event.name] = None
        return Taken(tuple(changed), lost)

    def arm(self, paths: Iterable[Path] | None = None) -> None:
        """Watch what exists now, of the same paths or of others; `blind` says whether the kernel refused some of it."""
        if paths is not None:
            self.paths = tuple(Path(path).absolute() for path in paths)
        before = self._watched
        self._watched = {}
        self.blind = False
        for directory, names in _directories(self.paths):
            try:
                self._add(directory, names)
            except OSError:
                self.blind = True
        for number in before.keys() - self._watched.keys():
            with suppress(OSError):  # gone with its directory
                self._inotify.rm_watch(number)

    def _add(self, directory: Path, names: set[str] | None) -> None:
        """Watch a directory, if there is one, for changes of some names in it, or of all."""
        try:
            number = self._inotify.add_watch(directory, self._mask)
        except OSError as error:
            if error.errno in {errno.ENOENT, errno.ENOTDIR}:
                return
            raise
        _, others = self._watched.get(number, (directory, set[str]()))
        self._watched[number] = directory, None if names is None or others is None else names | others


class Watcher:
    """Calls `changed` in a thread of its own, after each change in the directories, until closed.

    Changes made after the constructor has returned are not missed.
    """

    def __init__(self, dirs: Iterable[Path], changed: Callable[[], None]) -> None:
        self._watch = Watch(dirs)
        self._changed = changed
        self._stop_read, self._stop_write = os.pipe()
        self._thread = threading.Thread(target=self._run, name="cdi-watch", daemon=True)

    def start(self) -> None:
        """Begin to call `changed`."""
        self._thread.start()

    def close(self) -> None:
        """Stop, and wait until no call of `changed` is under way."""
        os.close(self._stop_write)
        if self._thread.is_alive():
            self._thread.join()
        self._watch.close()
        os.close(self._stop_read)

    def _run(self) -> None:
        poller = select.poll()
        poller.register(self._watch.fileno(), select.POLLIN)
        poller.register(self._stop_read, select.POLLIN)
        while True:
            ready = {descriptor for descriptor, _ in poller.poll(_POLL_MS if self._watch.blind else None)}
            if self._stop_read in ready:
                return
            if not ready or any(self._watch.take()):
                self._settle()
                self._watch.arm()
                self._changed()

    def _settle(self) -> None:
        deadline = time.monotonic() + _LONGEST
        more = select.poll()
        more.register(self._watch.fileno(), select.POLLIN)
        while time.monotonic() < deadline and more.poll(_QUIET_MS):
            self._watch.take()


def _directories(paths: Iterable[Path]) -> list[tuple[Path, set[str] | None]]:
    """Return the directories to watch, each once, with the names in it that matter, or None for all.

    Those above come first: what comes into being after we looked for it, comes into a directory that we watch.
    """
    wanted: dict[Path, set[str] | None] = {}
    for path in paths:
        wanted[path] = None
        for above, below in zip(path.parents, (path, *path.parents), strict=False):
            names = wanted.setdefault(above, set())
            if names is not None:
                names.add(below.name)
    return sorted(wanted.items(), key=lambda item: len(item[0].parts))
