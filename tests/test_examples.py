"""The examples in spec-examples/: valid ones earn no word, invalid ones exactly the lines beside them."""

from __future__ import annotations

from pathlib import Path

import pytest

from cdi.encode import dump
from cdi.report import check
from cdi.versions import needed_version

EXAMPLES = Path(__file__).parent.parent / "spec-examples"
VALID = sorted((EXAMPLES / "valid").iterdir())
INVALID = sorted(path for path in (EXAMPLES / "invalid").iterdir() if path.suffix in (".json", ".yaml"))


def name(path: Path) -> str:
    return path.name


@pytest.mark.parametrize("path", VALID, ids=name)
def test_a_valid_example_has_no_problem_and_says_the_version_it_needs(path: Path) -> None:
    report = check(path.read_bytes(), source=path.name)
    assert report.problems == ()
    assert report.spec is not None
    assert needed_version(report.spec) == report.spec.cdi_version.removeprefix("v")


@pytest.mark.parametrize("path", VALID, ids=name)
def test_a_valid_example_survives_both_formats(path: Path) -> None:
    spec = check(path.read_bytes()).spec
    assert spec is not None
    assert check(dump(spec)).spec == check(dump(spec, format="json")).spec == spec


@pytest.mark.parametrize("path", INVALID, ids=name)
def test_an_invalid_example_gives_exactly_its_lines(path: Path) -> None:
    report = check(path.read_bytes(), source=path.name)
    lines = "".join(f"{problem.render(path.name)}\n" for problem in report.problems)
    assert not report.valid
    assert lines == golden(path).read_text()


def test_every_golden_belongs_to_an_example() -> None:
    assert sorted((EXAMPLES / "invalid").glob("*.errors.txt")) == sorted(map(golden, INVALID))


def golden(path: Path) -> Path:
    """The expected lines: `gpu.errors.txt` for `gpu.yaml`."""
    return path.with_suffix(".errors.txt")
