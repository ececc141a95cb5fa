"""The host as a value: a directory or a text tree that every read of /sys, /proc, /dev and /run goes through."""

from __future__ import annotations

__all__ = ["Host", "HostError", "Source", "Stat"]

from cdi.host.host import Host
from cdi.host.source import HostError, Source, Stat
