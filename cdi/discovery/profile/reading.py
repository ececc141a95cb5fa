"""The text of a profile to its value, or to all that is wrong with it, each with its line."""

from __future__ import annotations

__all__ = ["MAX_BYTES", "ProfileInvalid", "check_profile", "parse_profile"]

from typing import TYPE_CHECKING

import msgspec

from cdi.discovery.form import Form, FormInvalid, read_form
from cdi.discovery.profile.format import Profile
from cdi.discovery.profile.rules import faults_of
from cdi.syntax import quick_data

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cdi.problem import Problem

MAX_BYTES = 1 << 20  # a profile has some 2 KB
_FORM = Form(
    struct=Profile,
    what="a profile",
    rule="profile-invalid",
    max_bytes=MAX_BYTES,
    faults=faults_of,
    needs="a profile has at least version, family, kind and devices",
    stand_ins={
        Profile: (
            {"family": "any", "kind": "any.any/any", "summary": "any"},
            {"version": 1, "devices": [{"what": "any", "node": "/dev/any"}], "shared": {}},
        )
    },
    hints={"version": "this program knows version 1 of profiles"},
)


class ProfileInvalid(FormInvalid):
    """A profile that says what makes no sense; `problems` says all of it, and where."""

    def __init__(self, problems: Sequence[Problem], *, source: str = "profile") -> None:
        super().__init__("profile", problems, source=source, check="cdi profile check")


def parse_profile(text: bytes, *, source: str) -> Profile:
    """Return a profile; raise `ProfileInvalid` when there is anything wrong with it."""
    profile, problems = check_profile(text)
    if profile is None:
        raise ProfileInvalid(problems, source=source)
    return profile


def check_profile(text: bytes) -> tuple[Profile | None, tuple[Problem, ...]]:
    """Return a profile, or None and what is wrong: everything of one kind at once, in the order of the text."""
    profile = _quick(text) if len(text) <= MAX_BYTES else None
    if profile is not None:
        return profile, ()
    reading = read_form(text, _FORM)
    return reading.value, reading.problems


def _quick(text: bytes) -> Profile | None:
    """Return the profile of a text without any fault, read in one pass; None to look closer."""
    data = quick_data(text)
    if data is None:
        return None
    try:
        profile = msgspec.convert(data, Profile)
    except msgspec.ValidationError:
        return None
    shared = profile.shared
    parts = (profile, shared, *profile.devices, *shared.mounts)
    return None if any(True for part in parts for _ in faults_of(part)) else profile
