"""Changing the configuration of runtimes: what would change, writing it, taking it back, restarting who reads it."""

from __future__ import annotations

__all__ = ["Action", "Change", "Plan", "apply", "planned_undo", "undo"]

from cdi.runtimes.config.journal import apply, planned_undo, undo
from cdi.runtimes.config.plan import Action, Change, Plan
