"""The pages tell the truth: their Python runs, their links lead somewhere, their modules exist."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from cdi.discovery import families

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
LINK = re.compile(r"\]\((?!https?:)([^)#]+)[^)]*\)")


def test_the_python_of_the_library_page_runs(tmp_path: Path) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```$", (ROOT / "docs/python.md").read_text(), re.MULTILINE | re.DOTALL)
    assert len(blocks) == 4
    code = "\n".join(blocks)
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    assert [link for link in LINK.findall(page.read_text()) if not (page.parent / link).exists()] == []


def test_the_floors_of_the_architecture_page_are_all_modules() -> None:
    page = (ROOT / "docs/architecture.md").read_text()
    table = re.findall(r"^\| \d+ \|([^|]*)\|", page, re.MULTILINE)
    named = {name.strip("/") for row in table for name in re.findall(r"`([^`]+)`", row)}
    modules = {path.stem for path in (ROOT / "cdi").iterdir() if path.stem[0] != "_" and path.suffix in ("", ".py")}
    assert named == modules - {"py"} | {"cdi_cli"}


def test_the_table_of_families_has_them_all() -> None:
    page = (ROOT / "docs/discovery.md").read_text()
    rows = re.findall(r"^\| ((?:`[a-z0-9-]+` ?)+) \|", page, re.MULTILINE)
    named = re.findall(r"`([a-z0-9-]+)`", " ".join(rows))
    assert sorted(named) == sorted(families())
