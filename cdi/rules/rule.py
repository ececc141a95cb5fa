"""What a rule is, and the table of all rules."""

from __future__ import annotations

__all__ = ["RULES", "Finding", "Findings", "Rule", "repeats", "rule"]

from collections.abc import Callable  # noqa: TC003 - msgspec reads the annotations
from typing import Any, Optional

import msgspec

from cdi.problem import Severity  # noqa: TC001 - as above


class Finding(msgspec.Struct, frozen=True):
    """What a rule says about its subject; `where` is relative to that, such as `env[2]`."""

    where: str
    message: str
    hint: str | None = None


Findings = Optional[list[Finding]]  # noqa: UP045 - evaluated on Python 3.10


class Rule(msgspec.Struct, frozen=True):
    """A rule: its name, how bad it is to break it, and what it looks at."""

    name: str
    severity: Severity
    subject: type
    function: Callable[[Any], Findings]


RULES: list[Rule] = []


def rule(name: str, severity: Severity, *subjects: type) -> Callable[[Any], Any]:
    """Enter a function into the table: it takes a subject, and returns None or what it found."""

    def register(function: Any) -> Any:
        RULES.extend(Rule(name, severity, subject, function) for subject in subjects)
        return function

    return register


def repeats(names: list[str]) -> list[int]:
    """Return where a name stands that stood before, empty names not counted."""
    seen: set[str] = set()
    return [i for i, name in enumerate(names) if name and (name in seen or seen.add(name))]  # type: ignore[func-returns-value]
