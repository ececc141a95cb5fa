"""What the upkeep of specs has to say: one thing that happened, for whoever writes the log."""

from __future__ import annotations

__all__ = ["Entry", "Level", "Say"]

from collections.abc import Callable
from typing import Literal

import msgspec

Level = Literal["debug", "info", "warning", "error"]


class Entry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of a log: what happened (`event`), in words (`message`), and to what."""

    level: Level
    event: str
    message: str
    kind: str | None = None
    path: str | None = None
    devices: int | None = None
    reason: str | None = None
    hint: str | None = None


Say = Callable[[Entry], None]
