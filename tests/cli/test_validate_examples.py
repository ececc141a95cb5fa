"""The command says about the examples what the library says: the same lines, and the exit code that goes with them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
EXAMPLES = ROOT / "spec-examples"
INVALID = sorted(path for path in (EXAMPLES / "invalid").iterdir() if path.suffix in (".json", ".yaml"))


def validate(*arguments: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'cli'}"}
    command = [sys.executable, "-m", "cdi_cli", "validate", *arguments]
    return subprocess.run(command, cwd=EXAMPLES / "invalid", env=env, capture_output=True, text=True, check=False)


def findings(output: str) -> list[str]:
    """Return the lines with a problem; hints below them are indented, the last line counts."""
    return [line for line in output.splitlines()[:-1] if not line.startswith(" ")]


def test_valid_examples_pass_even_when_warnings_count() -> None:
    result = validate("--strict", str(EXAMPLES / "valid"))
    assert (result.returncode, result.stderr) == (0, "")


def test_invalid_examples_give_all_golden_lines_in_one_run() -> None:
    result = validate(*(path.name for path in INVALID))
    expected = "".join(path.with_suffix(".errors.txt").read_text() for path in INVALID)
    assert findings(result.stdout) == expected.splitlines()
    assert result.returncode == 1


@pytest.mark.parametrize("path", INVALID[::5], ids=lambda path: str(path.name))
def test_an_invalid_example_alone_is_exit_1(path: Path) -> None:
    result = validate(path.name)
    assert (result.returncode, findings(result.stdout)) == (
        1,
        path.with_suffix(".errors.txt").read_text().splitlines(),
    )
