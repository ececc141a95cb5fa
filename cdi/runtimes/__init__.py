"""Container runtimes: what of CDI each of a host's has switched on, and changing that."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cdi.runtimes.asking import Ask
    from cdi.runtimes.cap import Cap, ignored_fields, newest_for
    from cdi.runtimes.finding import RUNTIMES, find_runtimes
    from cdi.runtimes.runtime import Daemon, LowLevel, Runtime

__all__ = ["RUNTIMES", "Ask", "Cap", "Daemon", "LowLevel", "Runtime", "find_runtimes", "ignored_fields", "newest_for"]

_NAMES = {
    "asking": "Ask",
    "cap": "Cap ignored_fields newest_for",
    "finding": "RUNTIMES find_runtimes",
    "runtime": "Daemon LowLevel Runtime",
}
_HOME = {name: module for module, names in _NAMES.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        message = f"module 'cdi.runtimes' has no attribute {name!r}"
        raise AttributeError(message)
    return getattr(importlib.import_module(f"cdi.runtimes.{_HOME[name]}"), name)
