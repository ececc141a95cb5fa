"""podman loads what we call valid, refuses what we call invalid, and never meets a file that crashes it.

podman tells which spec files it refused, but rarely their names: so each verdict is a count over a directory.
Debian 12 has podman 4.3, which knows CDI up to 0.5.0: the vectors are lowered to that version and judged anew.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from cdi.report import check

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.e2e.engines import Podman
    from tests.e2e.machine import Machine

pytestmark = pytest.mark.e2e

VECTORS = Path(__file__).parent.parent / "conformance/spec-verdicts.jsonl"
VERSION = re.compile(r"(cdiVersion\W+)v?\d\.\d\.\d")
# A field that 0.5.0 does not have is an unknown field there, even when it is empty and so needs no newer version.
NEWER_FIELD = re.compile(r"annotations|netDevices|additionalGids|intelRdt", re.IGNORECASE)
# podman loads a spec without devices, which is of no use to anyone; later releases refuse it, and so do we.
LATER_RULES = {"no-devices"}
NULL_ENTRY = '{"cdiVersion":"0.5.0","kind":"vendor.com/e2e","devices":[{"name":"d","containerEdits":{"%s":[null]}}]}'
ONE_LETTER = '{"cdiVersion":"0.5.0","kind":"%s","devices":[{"name":"d","containerEdits":{"env":["A=b"]}}]}'
CRASHING = [
    *(NULL_ENTRY % field for field in ("deviceNodes", "mounts", "hooks")),
    *(ONE_LETTER % kind for kind in ("v/device", "vendor.com/d", "v/d")),
]


class Vector(NamedTuple):
    """A document of the conformance vectors, lowered to 0.5.0, and what we say of it then."""

    file: str
    text: str
    valid: bool
    rules: frozenset[str]


def vectors() -> Iterable[Vector]:
    for line in VECTORS.read_text().splitlines():
        row = json.loads(line)
        text = VERSION.sub(r"\g<1>0.5.0", row["text"], count=1)
        report = check(text, source=f"spec.{row['ext']}")
        rules = frozenset(problem.rule for problem in report.problems)
        yield Vector(f"{row['id']}.{row['ext']}", text, report.valid, rules)


def sample(*, valid: bool) -> dict[str, str]:
    """Return the documents, by file name, whose verdict does not depend on the release and that crash nothing."""
    return {
        vector.file: vector.text
        for vector in vectors()
        if vector.valid is valid
        and "short-name" not in vector.rules
        and not vector.rules & LATER_RULES
        and not NEWER_FIELD.search(vector.text)
    }


def refusals(podman: Podman, documents: dict[str, str]) -> list[str]:
    """Return podman's errors about these files in /etc/cdi, one for each file that it refused."""
    for path in podman.machine.etc.iterdir():
        path.unlink()
    for name, text in documents.items():
        (podman.machine.etc / name).write_text(text)
    log = podman.run("vendor.com/e2e=nothing", debug=True).stderr
    assert "panic" not in log
    assert "unresolvable CDI devices vendor.com/e2e=nothing" in log
    return re.findall(r"\* (failed to load CDI Spec.*?)(?=\\n)", log)


def test_podman_loads_what_we_call_valid(podman: Podman) -> None:
    documents = sample(valid=True)
    assert len(documents) > 100
    assert refusals(podman, documents) == []


def test_podman_refuses_what_we_call_invalid(podman: Podman) -> None:
    documents = sample(valid=False)
    assert len(documents) > 100
    if len(refusals(podman, documents)) != len(documents):
        loaded = [name for name, text in documents.items() if not refusals(podman, {name: text})]
        assert loaded == []


@pytest.mark.parametrize("text", CRASHING)
def test_a_file_that_crashes_podman_is_not_installed(text: str, podman: Podman, tmp_path: Path) -> None:
    file = tmp_path / "spec.json"
    file.write_text(text)

    installed = podman.machine.cdi("install", file)

    assert installed.returncode == 1
    assert installed.stderr
    assert podman.machine.specs() == []
    (podman.machine.etc / file.name).write_text(text)
    assert "panic: runtime error" in podman.run("vendor.com/e2e=nothing").stderr


@pytest.mark.parametrize("text", CRASHING[:3])
def test_a_null_entry_is_not_even_installed_by_force(text: str, machine: Machine, tmp_path: Path) -> None:
    file = tmp_path / "spec.json"
    file.write_text(text)

    assert machine.cdi("install", "--force", file).returncode == 1
    assert machine.specs() == []
