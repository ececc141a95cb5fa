"""What the tests of the command share: the command itself, and a directory of specs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cli import harness

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def cdi() -> harness.Cdi:
    return harness.run


@pytest.fixture
def specs(tmp_path: Path) -> Path:
    """Return a spec directory with a good file, a broken one, one with a warning, and one that is no spec."""
    directory = tmp_path / "specs"
    directory.mkdir()
    (directory / "gpu.yaml").write_text(harness.GPU)
    (directory / "nic.yaml").write_text(harness.BROKEN)
    (directory / "fpga.json").write_text(harness.UNWISE)
    (directory / "README.md").write_text("no spec")
    return directory
