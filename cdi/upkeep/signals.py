"""Signals as something to wait for: the ones that end a service, and the one that makes it look again."""

from __future__ import annotations

__all__ = ["Signals"]

import os
import signal
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import TracebackType

_ENDING = (signal.SIGTERM, signal.SIGINT)


class Signals:
    """While it is open, SIGTERM, SIGINT and SIGHUP only set a mark, and make the descriptor readable.

    For the main thread.
    """

    def __init__(self) -> None:
        self.ending = False
        self._asked = False
        self._before: list[tuple[int, Any]] = []

    def __enter__(self) -> Signals:  # noqa: PYI034 - typing has no Self in 3.10
        self._read, self._write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._wakeup = signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        self._before = [(number, signal.signal(number, self._mark)) for number in (*_ENDING, signal.SIGHUP)]
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for number, handler in self._before:
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._wakeup)
        os.close(self._read)
        os.close(self._write)

    def fileno(self) -> int:
        """Return the descriptor that is readable after a signal."""
        return self._read

    def asked(self) -> bool:
        """Return whether SIGHUP came since the last call."""
        with suppress(BlockingIOError):
            while os.read(self._read, 1 << 12):
                pass
        asked, self._asked = self._asked, False
        return asked

    def _mark(self, number: int, _frame: object) -> None:
        if number in _ENDING:
            self.ending = True
        else:
            self._asked = True
