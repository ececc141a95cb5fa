"""How long property tests search: `pytest --hypothesis-profile=long` searches for minutes instead of seconds."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

# The same examples in every run of continuous integration; new ones are for the long search.
settings.register_profile("quick", max_examples=50, deadline=None, derandomize="CI" in os.environ)
settings.register_profile(
    "long", max_examples=1000, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
settings.load_profile("quick")
