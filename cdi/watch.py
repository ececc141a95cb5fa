"""Tell when spec directories change, by inotify: also those that do not exist yet, or come and go."""

from __future__ import annotations

__all__ = ["Watcher"]

import errno
import os
import select
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from cdi.errors import FileError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_QUIET_MS = 50  # a change is over when nothing follows for so long
_LONGEST = 1.0  # seconds after which we look, even if it is not
_POLL_MS = 1000  # how often to look where the kernel cannot tell
_OVERFLOW = -1  # the kernel's watch number when it lost events


class Watcher:
    """Calls `changed` in a thread of its own, after each change in the directories, until closed.

    It watches each directory and those above it, since any of them may be missing yet, or be replaced. Changes made
    after the constructor has returned are not missed.
    """

    def __init__(self, dirs: Iterable[Path], changed: Callable[[], None]) -> None:
        try:
            import inotify_simple  # type: ignore[import-untyped]  # noqa: PLC0415 - optional
        except ImportError:
            message = "watching directories needs the Python package inotify_simple"
            raise UsageError(message, hint="pip install 'cdi-tools[watch]'") from None
        flags = inotify_simple.flags
        self._mask = (
            flags.CREATE
            | flags.CLOSE_WRITE
            | flags.ATTRIB
            | flags.MOVED_FROM
            | flags.MOVED_TO
            | flags.DELETE
            | flags.MOVE_SELF
            | flags.DELETE_SELF
            | flags.ONLYDIR
        )
        self._dirs = [Path(path).absolute() for path in dirs]
        self._changed = changed
        try:
            self._inotify = inotify_simple.INotify()
        except OSError as error:
            hint = "the limit fs.inotify.max_user_instances may be too low"
            raise FileError.from_os(error, "watch", ", ".join(map(str, self._dirs)), hint=hint) from error
        self._stop_read, self._stop_write = os.pipe()
        # Watch number to the names below it that matter; None where all do.
        self._watched: dict[int, set[str] | None] = {}
        self._timeout: int | None = None
        self._arm()
        self._thread = threading.Thread(target=self._run, name="cdi-watch", daemon=True)

    def start(self) -> None:
        """Begin to call `changed`."""
        self._thread.start()

    def close(self) -> None:
        """Stop, and wait until no call of `changed` is under way."""
        os.close(self._stop_write)
        if self._thread.is_alive():
            self._thread.join()
        self._inotify.close()
        os.close(self._stop_read)

    def _run(self) -> None:
        poller = select.poll()
        poller.register(self._inotify.fileno(), select.POLLIN)
        poller.register(self._stop_read, select.POLLIN)
        while True:
            ready = {descriptor for descriptor, _ in poller.poll(self._timeout)}
            if self._stop_read in ready:
                return
            if not ready or self._matters():
                self._settle()
                self._arm()
                self._changed()

    def _matters(self) -> bool:
        """Take the events that wait, and return whether one of them is about a spec directory."""
        return any(
            event.wd == _OVERFLOW or (event.wd in self._watched and _concerns(self._watched[event.wd], event.name))
            for event in self._inotify.read(timeout=0)
        )

    def _settle(self) -> None:
        deadline = time.monotonic() + _LONGEST
        while time.monotonic() < deadline and any(self._inotify.read(timeout=_QUIET_MS)):
            pass

    def _arm(self) -> None:
        """Watch what exists now; where the kernel refuses, poll."""
        before = self._watched
        self._watched = {}
        self._timeout = None
        for directory in self._dirs:
            try:
                self._arm_directory(directory)
            except OSError:
                self._timeout = _POLL_MS
        for number in before.keys() - self._watched.keys():
            with suppress(OSError):  # gone with its directory
                self._inotify.rm_watch(number)

    def _arm_directory(self, directory: Path) -> None:
        # From the top: what comes into being after we looked for it, comes into a directory that we watch.
        for above, below in reversed(list(zip(directory.parents, (directory, *directory.parents), strict=False))):
            self._add(above, below.name)
        self._add(directory, None)

    def _add(self, directory: Path, name: str | None) -> None:
        """Watch a directory, if there is one, for changes of one name in it, or of all."""
        try:
            number = self._inotify.add_watch(directory, self._mask)
        except OSError as error:
            if error.errno in {errno.ENOENT, errno.ENOTDIR}:
                return
            raise
        names = self._watched.setdefault(number, set())
        if name is None:
            self._watched[number] = None
        elif names is not None:
            names.add(name)


def _concerns(names: set[str] | None, name: str) -> bool:
    """Return whether an event is about names that matter; one without a name is about the directory itself."""
    return names is None or not name or name in names
