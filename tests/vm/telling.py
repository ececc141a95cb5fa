"""The part of the tests in the guest that tells how they went."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

FILE = Path("/run/cdi-tools/reports")


class Telling:
    """Writes each report at once: what comes after may be the end of the guest."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        said = self._config.hook.pytest_report_to_serializable(config=self._config, report=report)
        with FILE.open("a", encoding="utf-8") as file:
            file.write(json.dumps(said) + "\n")


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Telling(config))
