"""Container runtimes: what of CDI each of a host's has switched on, and changing that."""

from __future__ import annotations

__all__ = ["Daemon", "LowLevel", "Runtime"]

from cdi.runtimes.runtime import Daemon, LowLevel, Runtime
