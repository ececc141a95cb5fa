"""Versions of runtimes as numbers that compare."""

from __future__ import annotations

__all__ = ["numbers"]

import re

_NUMBERS = re.compile(r"v?(\d+(?:\.\d+)*)")


def numbers(version: str | None) -> tuple[int, ...] | None:
    """Return `(2, 1, 9)` for `2.1.9-rc.1`, None for what is no version."""
    match = _NUMBERS.match(version or "")
    return None if match is None else tuple(int(part) for part in match[1].split("."))
