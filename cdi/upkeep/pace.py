"""When to look at a host: soon after it has come to rest, not too often, and now and then in any case."""

from __future__ import annotations

__all__ = ["Pace", "Timing"]

import msgspec

_DOUBLINGS = 16  # of the wait after failures; more would be longer than any interval


class Timing(msgspec.Struct, frozen=True, kw_only=True):
    """All times in seconds.

    We look after `quiet` without an event, at the latest `longest` after the first; `gap` after the last look at
    the earliest, twice as long after each failure; and every `interval` in any case. What is missing has to be so
    for `grace`, and in `looks` looks, before it is given up.
    """

    quiet: float = 1.0
    longest: float = 10.0
    gap: float = 2.0
    interval: float = 60.0
    grace: float = 30.0
    looks: int = 3


class Pace:
    """The time of the next look; `now` is of any clock that only goes forward. The first look is due at once."""

    def __init__(self, timing: Timing, now: float) -> None:
        self._timing = timing
        self._first: float | None = None  # of the events since the last look
        self._last = now
        self._hurried = True
        self._ended: float | None = None
        self._failures = 0
        self._waiting = False

    def stir(self, now: float) -> None:
        """Take note of an event."""
        self._first = now if self._first is None else self._first
        self._last = now

    def hurry(self, *, retry: bool = False) -> None:
        """Have the next look without waiting for quiet; with `retry`, also without regard to failures."""
        self._hurried = True
        self._failures = 0 if retry else self._failures

    def began(self) -> None:
        """Take note that a look begins: events from now on are for the next."""
        self._first = None
        self._hurried = False

    def ended(self, now: float, *, failed: bool, waiting: bool) -> None:
        """Take note of how a look ended; `waiting` when something is missing, and may come back."""
        self._ended = now
        self._failures = self._failures + 1 if failed else 0
        self._waiting = waiting

    def due(self) -> float:
        """Return when to look next."""
        if self._ended is None:
            return self._last
        timing = self._timing
        doubled: float = timing.gap * (1 << min(self._failures, _DOUBLINGS))
        wait = min(doubled, max(timing.gap, timing.interval))
        wanted = self._ended + timing.interval
        if self._hurried:
            wanted = self._ended
        elif self._first is not None:
            wanted = min(wanted, self._last + timing.quiet, self._first + timing.longest)
        if self._failures:
            wanted = min(wanted, self._ended + wait)
        if self._waiting:
            wanted = min(wanted, self._ended + timing.grace / timing.looks)
        return max(wanted, self._ended + wait)
