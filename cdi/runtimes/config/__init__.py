"""Changing the configuration of runtimes: what would change, writing it, taking it back, restarting who reads it."""

from __future__ import annotations

__all__ = [
    "Action",
    "Change",
    "Plan",
    "Request",
    "Restart",
    "Restarted",
    "apply",
    "plan",
    "planned_undo",
    "restart",
    "restart_of",
    "run_program",
    "undo",
]

from cdi.runtimes.config.journal import apply, planned_undo, undo
from cdi.runtimes.config.plan import Action, Change, Plan, Request
from cdi.runtimes.config.planning import plan
from cdi.runtimes.config.restart import Restart, Restarted, restart, restart_of, run_program
