"""Physical functions with numbers of virtual ones: `eth0`, `eth0#3`, `0000:3b:00.0#0-3,7`."""

from __future__ import annotations

__all__ = ["Ranged", "parse_ranged"]

import re

import msgspec

_RANGE = re.compile(r"([0-9]{1,9})(?:-([0-9]{1,9}))?")


class Ranged(msgspec.Struct, frozen=True):
    """A physical function by its name or address, and which of its virtual functions are meant; None for all."""

    function: str
    ranges: tuple[tuple[int, int], ...] | None = None

    def means(self, function: str, index: int | None) -> bool:
        """Return whether a virtual function is meant, by its physical one and its number."""
        if function.lower() != self.function.lower():
            return False
        return self.ranges is None or (index is not None and any(low <= index <= high for low, high in self.ranges))


def parse_ranged(text: str) -> Ranged | None:
    """Return what a text means, None when it makes no sense: no name, no number, a range from 3 to 1."""
    function, mark, numbers = text.partition("#")
    if not function or not mark:
        return Ranged(function) if function else None
    ranges: list[tuple[int, int]] = []
    for part in numbers.split(","):
        match = _RANGE.fullmatch(part)
        if match is None or int(match[2] or match[1]) < int(match[1]):
            return None
        ranges.append((int(match[1]), int(match[2] or match[1])))
    return Ranged(function, tuple(ranges))
