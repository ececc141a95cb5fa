"""Runtimes load what we call valid, refuse what we call invalid, and never meet a file that crashes them.

A runtime tells which spec files it refused, but rarely their names: so each verdict is a count over a directory.
No runtime knows the newest CDI version yet: the vectors are lowered to the version that it knows, and judged anew.
"""

from __future__ import annotations

import json
import re
import time
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from cdi.compat import newest_version
from cdi.report import check
from cdi.versions import at_least

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.engines import Engine
    from tests.e2e.machine import Machine

pytestmark = pytest.mark.e2e

VECTORS = Path(__file__).parent.parent / "conformance/spec-verdicts.jsonl"
VERSION = re.compile(r"(cdiVersion\W+)v?\d\.\d\.\d")
# A field that a version does not have is an unknown field there, even when it is empty and so needs no newer version;
# enableCMT and enableMBM are those that 1.1.0 has no more.
FIELDS = (
    ("0.6.0", "annotations"),
    ("0.7.0", "additionalGids|intelRdt"),
    ("1.1.0", "netDevices|schemata|enableMonitoring|enableCMT|enableMBM"),
)
# Old libraries load a spec without devices, which is of no use to anyone; later ones refuse it, and so do we.
LATER_RULES = {"no-devices"}
# The class of service of everyone, which only the newest library knows.
LATER_VALUE = re.compile(r'closID"?: "?/')
REFUSED = "failed to load CDI Spec"
NULL_ENTRY = '{"cdiVersion":"0.5.0","kind":"vendor.com/e2e","devices":[{"name":"d","containerEdits":{"%s":[null]}}]}'
ONE_LETTER = '{"cdiVersion":"0.5.0","kind":"%s","devices":[{"name":"d","containerEdits":{"env":["A=b"]}}]}'
GOOD = ONE_LETTER % "vendor.com/good"
CRASHING = {
    **{f"null-{field}": NULL_ENTRY % field for field in ("deviceNodes", "mounts", "hooks")},
    **{f"one-letter-{kind.replace('/', '-')}": ONE_LETTER % kind for kind in ("v/device", "vendor.com/d", "v/d")},
}
CRASHING_RULES = {"null-entry", "short-name"}
# The newest releases that were seen to crash; later ones may have learnt.
CRASH = {"containerd": (2, 1), "docker": (28, 5), "podman": (5, 8)}


class Vector(NamedTuple):
    """A document of the conformance vectors, lowered to an older version, and what we say of it then."""

    file: str
    text: str
    valid: bool
    rules: frozenset[str]


@cache
def vectors(version: str) -> tuple[Vector, ...]:
    return tuple(_vectors(version))


def _vectors(version: str) -> Iterator[Vector]:
    for line in VECTORS.read_text().splitlines():
        row = json.loads(line)
        text = VERSION.sub(rf"\g<1>{version}", row["text"], count=1)
        report = check(text, source=f"spec.{row['ext']}")
        rules = frozenset(problem.rule for problem in report.problems)
        yield Vector(f"{row['id']}.{row['ext']}", text, report.valid, rules)


def sample(engine: Engine, *, valid: bool) -> dict[str, str]:
    """Return the documents, by file name, whose verdict does not depend on the release and that crash nothing."""
    version = newest_version(f"{engine.name}-{engine.version}")
    newer = re.compile("|".join(fields for since, fields in FIELDS if not at_least(version, since)), re.IGNORECASE)
    return {
        vector.file: vector.text
        for vector in vectors(version)
        if vector.valid is valid
        and not vector.rules & {*CRASHING_RULES, *LATER_RULES}
        and not LATER_VALUE.search(vector.text)
        and not newer.search(vector.text)
    }


def refused(engine: Engine, documents: dict[str, str]) -> int:
    """Return how many of these files, put into /etc/cdi, the runtime says that it refused."""
    for path in engine.machine.etc.iterdir():
        path.unlink()
    for name, text in documents.items():
        (engine.machine.etc / name).write_text(text)
    complaints = engine.complaints()
    assert "panic" not in complaints
    assert "unresolvable CDI devices vendor.com/e2e=nothing" in complaints
    about_files = [line for line in complaints.splitlines() if REFUSED in line]
    return about_files[-1].count(REFUSED) if about_files else 0


def assert_goes_on(engine: Engine) -> None:
    """Have a container get the good device; a daemon may still be at the files that have come just before."""
    for _ in range(10):
        if engine.run("vendor.com/good=d", script="echo $A").stdout == "b\n":
            return
        time.sleep(0.5)
    assert engine.run("vendor.com/good=d", script="echo $A").stdout == "b\n"


def test_a_runtime_loads_what_we_call_valid(ready: Engine) -> None:
    documents = sample(ready, valid=True)
    assert len(documents) > 100
    assert refused(ready, documents) == 0


def test_a_runtime_refuses_what_we_call_invalid_and_goes_on(ready: Engine) -> None:
    documents = sample(ready, valid=False)
    assert len(documents) > 100
    if refused(ready, documents) != len(documents):
        loaded = [name for name, text in documents.items() if not refused(ready, {name: text})]
        assert loaded == []
    (ready.machine.etc / "good.json").write_text(GOOD)
    assert_goes_on(ready)


@pytest.mark.parametrize("name", CRASHING)
def test_a_file_that_crashes_runtimes_is_not_installed(name: str, machine: Machine, tmp_path: Path) -> None:
    file = tmp_path / "spec.json"
    file.write_text(CRASHING[name])

    installed = machine.cdi("install", file)

    assert installed.returncode == 1
    assert installed.stderr
    assert machine.specs() == []


@pytest.mark.parametrize("name", [name for name in CRASHING if name.startswith("null")])
def test_a_null_entry_is_not_even_installed_by_force(name: str, machine: Machine, tmp_path: Path) -> None:
    file = tmp_path / "spec.json"
    file.write_text(CRASHING[name])

    assert machine.cdi("install", "--force", file).returncode == 1
    assert machine.specs() == []


@pytest.mark.parametrize(
    "engine", ["host-podman", "trixie-containerd", "forky-containerd", "forky-docker"], indirect=True
)
@pytest.mark.parametrize("name", ["null-mounts", "one-letter-v-device"])
def test_such_a_file_put_there_by_hand_keeps_a_runtime_down_until_it_is_gone(name: str, ready: Engine) -> None:
    if tuple(map(int, ready.version.split(".")[:2])) > CRASH[ready.name]:
        pytest.skip(f"{ready.name} {ready.version} is newer than what is known to crash")
    (ready.machine.etc / "good.json").write_text(GOOD)
    assert_goes_on(ready)

    bad = ready.machine.etc / "bad.json"
    bad.write_text(CRASHING[name])

    if ready.daemon is None:
        assert "panic: runtime error" in ready.run("vendor.com/good=d").stderr
    else:
        ready.daemon.wait_for_end()  # nobody has asked for a device
        assert "panic: runtime error" in ready.daemon.log
        with pytest.raises(RuntimeError, match="panic: runtime error"):
            ready.start()
    doctor = json.loads(ready.machine.cdi("doctor", "-o", "json").stdout)
    problems = [one for one in doctor["findings"] if one["status"] == "problem"]
    assert {one["path"] for one in problems if one["step"] == "crash"} == {"/etc/cdi/bad.json"}

    bad.unlink()
    ready.start()
    assert_goes_on(ready)
