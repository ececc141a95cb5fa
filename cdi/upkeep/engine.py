"""The upkeep itself: events in, specs out; without a clock, a host or a kernel of its own."""

from __future__ import annotations

__all__ = ["Engine"]

from typing import TYPE_CHECKING

from msgspec.structs import replace

from cdi.errors import CdiError, UsageError
from cdi.upkeep.entry import Entry
from cdi.upkeep.keeper import Outcome
from cdi.upkeep.pace import Pace

if TYPE_CHECKING:
    from collections.abc import Callable

    from cdi.upkeep.entry import Say
    from cdi.upkeep.keeper import Keeper, Wanted
    from cdi.upkeep.metrics import Metrics
    from cdi.upkeep.pace import Timing

_REASONS = 3  # named in the log; more are counted


class Engine:
    """Looks when `due`, after events or without; `make` says what the host should have, `clock` what time it is."""

    def __init__(  # noqa: PLR0913 - what it stands on, by keyword
        self,
        make: Callable[[], Wanted],
        keeper: Keeper,
        timing: Timing,
        *,
        clock: Callable[[], float],
        say: Say,
        metrics: Metrics,
    ) -> None:
        self._make = make
        self._keeper = keeper
        self._clock = clock
        self._say = say
        self._metrics = metrics
        self._pace = Pace(timing, clock())
        self._reasons: dict[str, None] = {}
        self._told: frozenset[Entry] = frozenset()
        self.outcome = Outcome()

    def stir(self, reason: str) -> None:
        """Take note of an event."""
        self._note(reason)
        self._pace.stir(self._clock())
        self._metrics.events += 1

    def lost(self, reason: str) -> None:
        """Take note that events were lost: whatever they said, it is time to look."""
        self._note(reason)
        self._pace.hurry()
        self._metrics.lost_events += 1
        self._say(Entry(level="warning", event="lost-events", message=f"{reason}: looking at everything"))

    def ask(self, reason: str) -> None:
        """Look as soon as may be, for somebody asked for it."""
        self._note(reason)
        self._pace.hurry(retry=True)

    def due(self) -> float:
        """Return when to look next, on the clock."""
        return self._pace.due()

    @property
    def status(self) -> str:
        """How things are, in a line."""
        devices, waiting = self.outcome.devices, sum(self.outcome.waiting.values())
        parts = [f"specs: {len(devices)}", f"devices: {sum(devices.values())}"]
        parts += [f"missing, and kept: {waiting}"] if waiting else []
        parts += [f"left alone: {len(self.outcome.faults)}"] if self.outcome.faults else []
        return ", ".join(parts)

    def look(self) -> None:
        """Look, and do what is to be done; `outcome` has what came of it.

        Raises `UsageError` for a request that makes no sense from the start.
        """
        reason = self._reason()
        self._pace.began()
        self._metrics.looks += 1
        notes: tuple[str, ...] = ()
        pressing = False
        try:
            wanted = self._make()
            notes = wanted.notes
            outcome = self._keeper.look(wanted, self._clock())
            pressing = any(kind not in wanted.unsure for kind in outcome.waiting)
        except CdiError as error:
            if isinstance(error, UsageError) and self._metrics.looks == 1:
                raise
            failure = Entry(level="error", event="failed", message=error.message, hint=error.hint)
            outcome = replace(self.outcome, done=(), faults=(failure,), failed=True)
        self._tell(outcome, notes, reason)
        self.outcome = outcome
        self._metrics.took(outcome)
        self._pace.ended(self._clock(), failed=outcome.failed, waiting=pressing)

    def _note(self, reason: str) -> None:
        if len(self._reasons) <= _REASONS:
            self._reasons[reason] = None

    def _reason(self) -> str:
        """Return why we look, and forget it."""
        reasons, self._reasons = list(self._reasons), {}
        more = ["and more"] if len(reasons) > _REASONS else []
        return ", ".join([*reasons[:_REASONS], *more]) or "time has passed"

    def _tell(self, outcome: Outcome, notes: tuple[str, ...], reason: str) -> None:
        """Say what was done, and what is wrong or missing once, as long as it stays so."""
        for entry in outcome.done:
            self._say(replace(entry, reason=reason))
        standing: dict[Entry, None] = dict.fromkeys(
            Entry(level="warning", event="note", message=note) for note in notes
        )
        standing |= dict.fromkeys(outcome.faults)
        standing |= dict.fromkeys(_waiting(kind, number) for kind, number in outcome.waiting.items())
        for entry in standing:
            if entry not in self._told:
                self._say(replace(entry, reason=reason))
        self._told = frozenset(standing)
        if not outcome.done and not standing:
            self._say(Entry(level="debug", event="looked", message="nothing to do", reason=reason))


def _waiting(kind: str, number: int) -> Entry:
    what = "1 part of it is" if number == 1 else f"{number} parts of it are"
    message = f"kept {kind} although {what} missing: it may come back"
    return Entry(level="warning", event="waiting", message=message, kind=kind)
