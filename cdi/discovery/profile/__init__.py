"""Profiles: families of hardware as data, one YAML file each (docs/profiles.md describes the format)."""

from __future__ import annotations

__all__ = ["Profile", "ProfileInvalid", "check_profile", "family_of", "parse_profile"]

from cdi.discovery.profile.format import Profile
from cdi.discovery.profile.looking import family_of
from cdi.discovery.profile.reading import ProfileInvalid, check_profile, parse_profile
