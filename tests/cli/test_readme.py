"""The tour in the README prints what it says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


def test_the_tour_prints_what_it_says(tmp_path: Path) -> None:
    blocks = re.findall(r"^```console\n(.*?)^```$", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    assert len(blocks) == 6
    (tmp_path / "spec-examples").symlink_to(ROOT / "spec-examples")
    (tmp_path / "config.json").write_text('{"ociVersion": "1.2.0"}')
    for block in blocks:
        commands = [line[2:] for line in block.splitlines() if line.startswith("$ ")]
        printed = "".join(f"$ {command}\n{output_of(command, tmp_path)}" for command in commands)
        assert printed == block


def output_of(command: str, directory: Path) -> str:
    """Return what a terminal shows of a `cdi …` line, run here with this Python."""
    words = command.split()
    assert words[0] == "cdi"
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": f"{ROOT}:{ROOT / 'cli'}"}
    done = subprocess.run(
        [sys.executable, "-m", "cdi_cli", *words[1:]],
        cwd=directory,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.stdout
