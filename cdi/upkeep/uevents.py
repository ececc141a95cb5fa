"""What the kernel says of devices that come, go or change: uevents, through libudev."""

from __future__ import annotations

__all__ = ["Uevents", "open_uevents"]

import os
import socket
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

_UDEVD = Path("/run/udev/control")
_BUFFER = 16 << 20  # bytes of events that may wait; libudev's own default is the system's, some 200 KB


class _Taken(NamedTuple):
    reasons: tuple[str, ...]
    lost: bool


class Uevents:
    """A socket on which uevents arrive; `source` says from whom, those of the subsystems in `noise` do not count."""

    def __init__(self, monitor: Any, source: str) -> None:
        self._monitor = monitor
        self._socket = socket.socket(fileno=os.dup(monitor.fileno()))
        self.source = source
        self.noise: frozenset[str] = frozenset()

    def fileno(self) -> int:
        """Return the descriptor that is readable when there is something to take."""
        return int(self._monitor.fileno())

    def take(self) -> _Taken:
        """Return what has happened to devices that matter since the last call, and whether the kernel lost some."""
        reasons: dict[str, None] = {}
        lost = self._overran()
        while True:
            try:
                device = self._monitor.poll(timeout=0)
            except OSError:  # since a moment ago
                self._overran()
                return _Taken(tuple(reasons), lost=True)
            if device is None:
                return _Taken(tuple(reasons), lost)
            if device.subsystem not in self.noise:
                reasons[f"{device.action} of {device.subsystem} {device.sys_name}"] = None

    def close(self) -> None:
        """Hear no more."""
        self._socket.close()

    def _overran(self) -> bool:
        """Return whether the kernel had more to tell than the buffer took, and forget it: pyudev would not."""
        return self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) != 0


def open_uevents(source: str | None = None, *, buffer: int = _BUFFER) -> Uevents:
    """Return the uevents of udevd where it runs, else those of the kernel; raise `ImportError` or `OSError`.

    udevd sends its own when it has given a node its owner, its mode and its links. It cannot be heard in a container,
    whereas the kernel sends to all network namespaces but those of user namespaces (lib/kobject_uevent.c); of network
    interfaces, each only to its own.
    """
    import pyudev  # type: ignore[import-untyped]  # noqa: PLC0415 - optional

    source = source or ("udev" if _UDEVD.exists() else "kernel")
    monitor = pyudev.Monitor.from_netlink(pyudev.Context(), source=source)
    with suppress(OSError):  # only CAP_NET_ADMIN may have more than the system's default
        monitor.set_receive_buffer_size(buffer)
    monitor.start()
    return Uevents(monitor, source)
