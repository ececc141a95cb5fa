"""The service: waits for the kernel, the clock and signals, and has the engine look."""

from __future__ import annotations

__all__ = ["Service"]

import gc
import select
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from cdi.errors import CdiError
from cdi.upkeep.entry import Entry
from cdi.upkeep.metrics import write_metrics
from cdi.upkeep.signals import Signals
from cdi.upkeep.uevents import open_uevents
from cdi.watch import Watch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from cdi.upkeep.engine import Engine
    from cdi.upkeep.entry import Say
    from cdi.upkeep.looker import Looker
    from cdi.upkeep.metrics import Metrics
    from cdi.upkeep.notify import Notifier
    from cdi.upkeep.places import Places
    from cdi.upkeep.uevents import Uevents

_GLANCE = 5.0  # seconds between looks at what the kernel tells nobody of


class Service:
    """Keeps specs true until a signal ends it."""

    def __init__(  # noqa: PLR0913 - what it stands on, by keyword
        self,
        engine: Engine,
        looker: Looker,
        *,
        directory: Path,
        root: str,
        notifier: Notifier,
        metrics: Metrics,
        metrics_file: Path | None,
        clock: Callable[[], float],
        say: Say,
    ) -> None:
        self._engine = engine
        self._looker = looker
        self._directory = directory
        self._root = root
        self._notifier = notifier
        self._metrics = metrics
        self._metrics_file = metrics_file
        self._clock = clock
        self._say = say
        self._places: Places | None = None
        self._print: bytes | None = None
        self._next_glance = clock()
        self._next_sign = clock()
        self._complaints: set[str] = set()
        self._files: Watch | None = None
        self._nodes: Watch | None = None
        self._uevents: Uevents | None = None

    def run(self) -> None:
        """Work until SIGTERM or SIGINT; SIGHUP has it look at once."""
        with Signals() as signals:
            try:
                self._open()
                self._serve(signals)
            finally:
                self._close()

    def _serve(self, signals: Signals) -> None:
        self._look()
        self._notifier.ready(self._engine.status)
        self._say(Entry(level="info", event="started", message=f"{self._told_by()}; {self._engine.status}"))
        while not signals.ending:
            self._wait(signals)
            if signals.asked():
                self._notifier.reloading()
                self._engine.ask("SIGHUP")
                self._look()
                self._notifier.ready(self._engine.status)
            self._take()
            self._glance()
            if self._clock() >= self._engine.due() and not signals.ending:
                self._look()
                self._notifier.status(self._engine.status)
        self._notifier.stopping()
        self._say(Entry(level="info", event="stopping", message="stopping; the specs stay as they are"))

    def _open(self) -> None:
        try:
            self._uevents = open_uevents()
        except (ImportError, OSError) as error:
            self._complain(
                f"no uevents: {error}",
                f"hardware is looked for every {_GLANCE:g} s instead; pip install 'cdi-tools[udev]', and libudev",
            )
        paths = [self._directory]
        self._files, self._nodes = self._watch(paths, contents=True), self._watch((), contents=False)

    def _watch(self, paths: Iterable[Path], *, contents: bool) -> Watch | None:
        try:
            return Watch(paths, contents=contents)
        except CdiError as error:
            self._complain(f"no word of changed files: {error.message}", error.hint)
            return None

    def _close(self) -> None:
        for source in (self._files, self._nodes, self._uevents):
            if source is not None:
                source.close()

    def _told_by(self) -> str:
        paths = sum(len(watch.paths) for watch in (self._files, self._nodes) if watch is not None)
        uevents = f"uevents of {self._uevents.source}" if self._uevents is not None else "no uevents"
        return f"watching {paths} paths and {uevents}"

    def _wait(self, signals: Signals) -> None:
        poller = select.poll()
        for source in (signals, self._files, self._nodes, self._uevents):
            if source is not None:
                poller.register(source.fileno(), select.POLLIN)
        now = self._clock()
        if self._notifier.watchdog is not None and now >= self._next_sign:
            self._notifier.alive()
            self._next_sign = now + self._notifier.watchdog / 2
        times = [self._engine.due(), self._next_glance]
        times += [self._next_sign] if self._notifier.watchdog is not None else []
        poller.poll(max(0, round((min(times) - now) * 1000) + 1))

    def _take(self) -> None:
        """Hand on what the kernel says."""
        for watch in (self._files, self._nodes):
            if watch is None:
                continue
            changed, lost = watch.take()
            for path in changed:
                self._engine.stir(f"change of {path}")
            if lost:
                self._engine.lost("the kernel lost word of changed files")
        if self._uevents is not None:
            reasons, lost = self._uevents.take()
            for reason in reasons:
                self._engine.stir(reason)
            if lost:
                self._engine.lost("the kernel lost uevents")

    def _glance(self) -> None:
        """Take note of what has changed without a word of the kernel."""
        now = self._clock()
        if now < self._next_glance:
            return
        self._next_glance = now + _GLANCE
        before, self._print = self._print, None
        with suppress(CdiError):  # the next look says so, too
            self._print = self._looker.fingerprint()
        if before is not None and before != self._print:
            self._engine.stir("hardware changed")

    def _look(self) -> None:
        # What comes into being from now on is noticed, what is there already is seen.
        for watch in (self._files, self._nodes):
            if watch is not None:
                self._arm(watch, watch.paths)
        self._engine.look()
        self._follow()
        gc.collect()  # a look leaves cycles behind, and who has nothing to do for a minute has the time
        if self._metrics_file is not None:
            try:
                write_metrics(self._metrics_file, self._metrics.text())
            except CdiError as error:
                self._complain(error.message, error.hint)

    def _follow(self) -> None:
        """Watch what the last look depended on; what changed before that is found by another look."""
        places = self._looker.places
        if places == self._places:
            return
        self._places = places
        host = self._looker.host
        nodes = {path for path in places.paths if f"{path}/".startswith((host.dev("/dev/"), host.driver("/dev/")))}
        top = self._root.rstrip("/")
        self._arm(self._files, [self._directory, *(Path(top + path) for path in sorted(places.paths - nodes))])
        self._arm(self._nodes, [Path(top + path) for path in sorted(nodes)])
        if self._uevents is not None:
            self._uevents.noise = places.noise
        self._print = None
        self._engine.stir("more to watch")

    def _arm(self, watch: Watch | None, paths: Iterable[Path]) -> None:
        if watch is None:
            return
        watch.arm(paths)
        if watch.blind:
            self._complain("the kernel watches no more files", "the limit fs.inotify.max_user_watches may be too low")

    def _complain(self, message: str, hint: str | None) -> None:
        """Say what does not work, once."""
        if message not in self._complaints:
            self._complaints.add(message)
            self._say(Entry(level="warning", event="degraded", message=message, hint=hint))
