"""The README and the pages about the command show what it prints."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from cdi_cli.commands import COMMANDS

ROOT = Path(__file__).parents[2]
CONSOLE = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(
    "page",
    [
        "README",
        "docs/adding-hardware",
        "docs/commands",
        "docs/doctor",
        "docs/exit-codes",
        "docs/freshness",
        "docs/json",
        "docs/nics",
        "docs/pools",
        "docs/profiles",
        "docs/runtimes",
        "docs/safety",
    ],
)
def test_examples_of_a_page_print_what_it_says(page: str, tmp_path: Path) -> None:
    (tmp_path / "spec-examples").symlink_to(ROOT / "spec-examples")
    (tmp_path / "config.json").write_text('{"ociVersion": "1.2.0"}')
    command = tmp_path / "bin/cdi"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m cdi_cli "$@"\n')
    command.chmod(0o755)
    environment = {"PATH": f"{command.parent}:{os.environ['PATH']}", "PYTHONPATH": f"{ROOT}:{ROOT / 'cli'}"}
    blocks = CONSOLE.findall((ROOT / f"{page}.md").read_text())
    assert blocks
    for block in blocks:
        lines = [line for line in block.splitlines() if line.startswith("$ ")]
        shown = "".join(f"{line}\n{output_of(line[2:], tmp_path, environment)}" for line in lines)
        assert shown == block


def output_of(line: str, directory: Path, environment: dict[str, str]) -> str:
    """Return what a terminal shows of a shell line."""
    done = subprocess.run(
        ["bash", "-c", line],
        cwd=directory,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.stdout


def test_page_of_commands_has_them_all() -> None:
    headings = re.findall(r"^### (.*)$", (ROOT / "docs/commands.md").read_text(), re.MULTILINE)
    assert [name for heading in headings for name in heading.split(", ")] == list(COMMANDS)
