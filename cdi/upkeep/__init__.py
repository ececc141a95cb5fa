"""Specs that stay true: a service that looks again when something changes, and writes what differs."""

from __future__ import annotations

__all__ = [
    "Engine",
    "Entry",
    "Keeper",
    "Looker",
    "Metrics",
    "Notifier",
    "Outcome",
    "Service",
    "Timing",
    "Wanted",
    "wanted",
]

from cdi.upkeep.engine import Engine
from cdi.upkeep.entry import Entry
from cdi.upkeep.keeper import Keeper, Outcome, Wanted, wanted
from cdi.upkeep.looker import Looker
from cdi.upkeep.metrics import Metrics
from cdi.upkeep.notify import Notifier
from cdi.upkeep.pace import Timing
from cdi.upkeep.service import Service
