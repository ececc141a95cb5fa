"""`cdi doctor`: what it prints, its JSON, and its exit codes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli.harness import Cdi

SICK = Path(__file__).parents[2] / "spec-examples/runtimes/sick.tree"
KEYS = ["step", "status", "message", "why", "hint", "runtime", "device", "path", "line", "column"]


def test_the_first_broken_step_of_each_runtime(cdi: Cdi) -> None:
    result = cdi("--root", SICK, "doctor", "vendor.com/gpu=0")
    assert (result.code, result.err) == (1, "")
    assert result.out.splitlines()[:3] == [
        "DEVICE            RUNTIME        RESULT",
        "vendor.com/gpu=0  docker-26.1.5  problem: enabled",
        "vendor.com/gpu=0  podman-5.5.2   problem: place",
    ]
    assert "fix: `cdi runtime enable docker --restart`" in result.out
    assert result.out.endswith("\n2 problems\n")


def test_json_has_what_scripts_need(cdi: Cdi) -> None:
    result = cdi("--root", SICK, "doctor", "-o", "json")
    assert result.code == 1
    assert list(result.json) == ["version", "status", "checks", "findings"]
    assert (result.json["version"], result.json["status"]) == (1, "problem")
    assert all(list(finding) == KEYS for finding in result.json["findings"])
    assert {"runtime": "docker-26.1.5", "device": None, "path": None, "status": "problem", "step": "enabled"} in (
        result.json["checks"]
    )


def test_one_runtime_may_be_enough(cdi: Cdi) -> None:
    result = cdi("--root", SICK, "doctor", "vendor.com/gpu=0", "--runtime", "podman", "-o", "json")
    assert [check["runtime"] for check in result.json["checks"]] == ["podman-5.5.2"]
    assert cdi("--root", SICK, "doctor", "--runtime", "podman-5.5.2").code == 1
    result = cdi("--root", SICK, "doctor", "--runtime", "crio")
    assert (result.code, result.err) == (
        2,
        "cdi: error: found no runtime 'crio'\nhint: there is docker-26.1.5, podman-5.5.2\n",
    )


def test_verbose_tells_what_was_passed_and_quiet_only_what_is_wrong(cdi: Cdi) -> None:
    verbose = cdi("--root", SICK, "doctor", "vendor.com/gpu=0", "-v").out
    assert "ok: place: defined in /var/run/cdi/vendor.com-gpu.yaml (vendor.com/gpu=0 in docker-26.1.5)\n" in verbose
    quiet = cdi("--root", SICK, "doctor", "vendor.com/gpu=0", "-q").out
    assert "RUNTIME" not in quiet
    assert quiet.count("problem: ") == 2


def host(place: Path, **files: str) -> Path:
    tree = place / "host.tree"
    tree.write_text("".join(f"{path} {rest}\n" for path, rest in files.items()))
    return tree


GOOD = "= " + json.dumps(
    '{"cdiVersion":"0.5.0","kind":"vendor.com/gpu","devices":[{"name":"0","containerEdits":{"env":["A=B"]}}]}'
)


@pytest.mark.parametrize(
    ("files", "code"),
    [
        ({"/etc/cdi/gpu.json": GOOD}, 0),
        ({"/etc/cdi/gpu.json": GOOD, "/etc/cdi": ": d 0700"}, 0),
        ({"/etc/cdi/gpu.json": "= {}"}, 1),
        ({"/etc/hostname": "= box"}, 3),
        ({"/etc/cdi/gpu.json": "! EACCES"}, 4),
        ({"/etc/cdi/": "! EACCES"}, 4),
    ],
)
def test_exit_codes(cdi: Cdi, tmp_path: Path, files: dict[str, str], code: int) -> None:
    assert cdi("--root", host(tmp_path, **files), "doctor").code == code


def test_without_a_runtime_that_is_said(cdi: Cdi, tmp_path: Path) -> None:
    result = cdi("--root", host(tmp_path, **{"/etc/cdi/gpu.json": GOOD}), "doctor", "vendor.com/gpu=0")
    assert (result.code, result.out) == (
        0,
        "DEVICE            RUNTIME  RESULT\nvendor.com/gpu=0  any      ok\n\nnothing is wrong\n",
    )
    assert result.err == "cdi: no container runtime was found: specs are held against what any would do\n"


def test_spec_directories_are_those_of_the_host(cdi: Cdi, tmp_path: Path) -> None:
    (tmp_path / "opt").mkdir()
    (tmp_path / "opt/gpu.json").write_text("{}")
    result = cdi("--root", tmp_path, "doctor", "-d", tmp_path / "opt")
    assert (result.code, "/opt/gpu.json  problem: loads" in result.out) == (1, True)


def test_what_a_name_holds_does_not_reach_the_terminal(cdi: Cdi) -> None:
    assert "\x1b" not in cdi("--root", SICK, "doctor", "vendor.com/gpu=\x1b[2J").out


def test_this_machine_is_looked_at_without_harm(cdi: Cdi) -> None:
    assert cdi("doctor").code in {0, 1, 3, 4}
