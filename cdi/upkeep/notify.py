"""Tell the service manager how we are: the protocol of sd_notify(3)."""

from __future__ import annotations

__all__ = ["Notifier"]

import os
import socket
import time
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_MICRO = 1_000_000


class Notifier:
    """Sends states to the socket that the manager named; without one, to nobody.

    `watchdog` is after how many seconds at most it wants to hear of us, None if it does not.
    """

    def __init__(self, address: str | None = None, *, watchdog: float | None = None) -> None:
        self._address = f"\0{address[1:]}" if address and address[0] == "@" else address
        self.watchdog = watchdog if address else None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Notifier:
        """Return the one that NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID ask for."""
        wanted = environment.get("WATCHDOG_USEC", "")
        is_ours = environment.get("WATCHDOG_PID", "") in {"", str(os.getpid())}
        seconds = int(wanted) / _MICRO if is_ours and wanted.isdecimal() and int(wanted) else None
        return cls(environment.get("NOTIFY_SOCKET") or None, watchdog=seconds)

    def ready(self, status: str) -> None:
        """Say that we are up, and how things are."""
        self._send(f"READY=1\nSTATUS={_line(status)}")

    def status(self, status: str) -> None:
        """Say how things are."""
        self._send(f"STATUS={_line(status)}")

    def reloading(self) -> None:
        """Say that we do what SIGHUP asked for; `ready` ends it."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def stopping(self) -> None:
        """Say that we are about to end."""
        self._send("STOPPING=1")

    def alive(self) -> None:
        """Say that we do not hang."""
        if self.watchdog is not None:
            self._send("WATCHDOG=1")

    def _send(self, state: str) -> None:
        if self._address is None:
            return
        # A manager that is gone, or slow, is no reason to stop.
        kind = socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
        with suppress(OSError), socket.socket(socket.AF_UNIX, kind) as manager:
            manager.sendto(state.encode("utf-8", "replace"), self._address)


def _line(text: str) -> str:
    return text.replace("\n", " ")
