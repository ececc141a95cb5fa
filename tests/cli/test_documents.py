"""`cdi convert`, `transform`, `diff`, `schema`, `completion`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cdi import schema as schemas
from tests.cli.harness import GPU

if TYPE_CHECKING:
    from tests.cli.harness import Cdi

ROOT = Path(__file__).parents[2]


def test_convert_there_and_back(cdi: Cdi, specs: Path) -> None:
    as_json = cdi("convert", specs / "gpu.yaml", "--to", "json")
    assert json.loads(as_json.out)["devices"][1] == {"name": "1", "containerEdits": {"env": ["GPU=1"]}}
    back = cdi("convert", "-", stdin=as_json.out.encode())
    assert cdi("diff", specs / "gpu.yaml", "-", stdin=back.out.encode()) == (0, "", "")
    assert cdi("convert", specs / "gpu.yaml", "-o", "json") == as_json


NEWER = """\
cdiVersion: 0.7.0
kind: vendor.com/gpu
devices:
- name: gpu0
  containerEdits:
    deviceNodes:
    - path: /dev/gpu0
    additionalGids: [44]
"""


def test_convert_lowers_a_spec_and_says_what_is_lost(cdi: Cdi) -> None:
    result = cdi("convert", "-", "--compat", "podman-4.9", "--compat", "podman-5", "-o", "json", stdin=NEWER.encode())
    assert result.code == 0
    assert result.json == {
        "cdiVersion": "0.3.0",
        "kind": "vendor.com/gpu",
        "devices": [{"name": "gpu0", "containerEdits": {"deviceNodes": [{"path": "/dev/gpu0"}]}}],
    }
    assert result.err == (
        "cdi: additionalGids left out for CDI 0.6.0: a process that is not root may lack the group that may open the"
        " device\n"
        "cdi: cdiVersion is now 0.3.0, it was 0.7.0\n"
    )
    low = cdi("convert", "-", "--cdi-version", "0.7.0", "-o", "json", stdin=NEWER.encode())
    assert (low.json["cdiVersion"], low.err) == ("0.7.0", "")


def test_convert_refuses_what_cannot_be_lowered(cdi: Cdi, specs: Path) -> None:
    result = cdi("convert", specs / "gpu.yaml", "--compat", "podman-4.1")
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith("cdi: error: device 'vendor.com/gpu=0' needs CDI 0.5.0, it cannot be lowered to 0.4.0")
    assert cdi("convert", specs / "gpu.yaml", "--cdi-version", "0.9.0").code == 2


def test_convert_to_a_file_of_the_other_format(cdi: Cdi, specs: Path, tmp_path: Path) -> None:
    target = tmp_path / "new.json"
    assert cdi("convert", specs / "gpu.yaml", "--output-file", target) == (0, "", f"cdi: wrote {target}\n")
    assert json.loads(target.read_text())["kind"] == "vendor.com/gpu"
    result = cdi("convert", specs / "gpu.yaml", "--output-file", tmp_path / "new.txt")
    assert result.code == 2
    assert "hint: end it in .json or .yaml" in result.err


def test_convert_refuses_what_runtimes_refuse(cdi: Cdi, specs: Path) -> None:
    result = cdi("convert", specs / "nic.yaml")
    assert (result.code, result.out) == (1, "")
    assert f"{specs}/nic.yaml:7:7: error: " in result.err


EDITS = """\
cdiVersion: 0.3.0
kind: vendor.com/gpu
devices:
- name: a
  containerEdits:
    deviceNodes:
    - path: /opt/dev/a
    - path: /optional
    mounts:
    - hostPath: /opt/lib
      containerPath: /opt/lib
      options: [bind]
    hooks:
    - hookName: createRuntime
      path: /opt/bin/hook
      args: [hook, /opt/x, --dir=/opt/x]
    - hookName: startContainer
      path: /opt/bin/hook
      args: [hook, /opt/x]
"""


def test_transform_moves_host_paths(cdi: Cdi) -> None:
    result = cdi("transform", "root", "--from", "/opt", "--to", "/run/driver/", "-", "-o", "json", stdin=EDITS.encode())
    assert result.err == "cdi: cdiVersion is now 0.5.0, which the spec needs for hostPath\n"
    assert result.json == {
        "cdiVersion": "0.5.0",
        "kind": "vendor.com/gpu",
        "devices": [
            {
                "name": "a",
                "containerEdits": {
                    "deviceNodes": [{"path": "/opt/dev/a", "hostPath": "/run/driver/dev/a"}, {"path": "/optional"}],
                    "hooks": [
                        {
                            "hookName": "createRuntime",
                            "path": "/run/driver/bin/hook",
                            "args": ["hook", "/run/driver/x", "--dir=/opt/x"],
                        },
                        {"hookName": "startContainer", "path": "/opt/bin/hook", "args": ["hook", "/opt/x"]},
                    ],
                    "mounts": [{"hostPath": "/run/driver/lib", "containerPath": "/opt/lib", "options": ["bind"]}],
                },
            }
        ],
    }


def test_transform_moves_container_paths(cdi: Cdi) -> None:
    arguments = ["transform", "root", "--from", "/opt", "--to", "/", "--relative-to", "container", "-", "-o", "json"]
    edits = cdi(*arguments, stdin=EDITS.encode()).json["devices"][0]["containerEdits"]
    assert edits == {
        "deviceNodes": [{"path": "/dev/a", "hostPath": "/opt/dev/a"}, {"path": "/optional"}],
        "hooks": [
            {"hookName": "createRuntime", "path": "/opt/bin/hook", "args": ["hook", "/opt/x", "--dir=/opt/x"]},
            {"hookName": "startContainer", "path": "/bin/hook", "args": ["hook", "/x"]},
        ],
        "mounts": [{"hostPath": "/opt/lib", "containerPath": "/lib", "options": ["bind"]}],
    }


def test_transform_from_the_root_moves_everything(cdi: Cdi) -> None:
    result = cdi("transform", "root", "--from", "/", "--to", "/host", "-", "-o", "json", stdin=EDITS.encode())
    nodes = result.json["devices"][0]["containerEdits"]["deviceNodes"]
    assert [node["hostPath"] for node in nodes] == ["/host/opt/dev/a", "/host/optional"]


def test_diff_tells_device_by_device(cdi: Cdi, specs: Path, tmp_path: Path) -> None:
    new = tmp_path / "new.yaml"
    new.write_text(GPU.replace("GPU=0", "GPU=zero").replace('"1"', '"2"').replace("[ro, bind]", "[bind, ro]"))
    result = cdi("diff", specs / "gpu.yaml", new)
    mount = '{"hostPath":"/usr/lib/libgpu.so","containerPath":"/usr/lib/libgpu.so","options":'
    assert (result.code, result.err) == (1, "")
    assert result.out == (
        f"--- {specs}/gpu.yaml\n"
        f"+++ {new}\n"
        "spec:\n"
        f'  - containerEdits.mounts: {mount}["ro","bind"]}}\n'
        f'  + containerEdits.mounts: {mount}["bind","ro"]}}\n'
        "device 0:\n"
        "  - containerEdits.env: GPU=0\n"
        "  + containerEdits.env: GPU=zero\n"
        "device 1:\n"
        '  - device: {"name":"1","containerEdits":{"env":["GPU=1"]}}\n'
        "device 2:\n"
        '  + device: {"name":"2","containerEdits":{"env":["GPU=1"]}}\n'
    )


def test_diff_json(cdi: Cdi, specs: Path) -> None:
    new = GPU.replace("    - GPU=0\n", "    - GPU=0\n    - B=1\n").encode()
    reordered = GPU.replace("    - GPU=0\n", "    - B=1\n    - GPU=0\n")
    (specs / "old.yaml").write_text(reordered)
    assert cdi("diff", specs / "old.yaml", "-", "-o", "json", stdin=new).json == {
        "version": 1,
        "same": False,
        "old": f"{specs}/old.yaml",
        "new": "-",
        "changes": [
            {
                "device": "0",
                "what": "containerEdits.env",
                "old": ["B=1", "GPU=0"],
                "new": ["GPU=0", "B=1"],
                "reordered": True,
            }
        ],
    }


@pytest.mark.parametrize("version", ["", "0.3.0", "0.7.0"])
def test_schema_is_printed_as_it_is(version: str, cdi: Cdi) -> None:
    arguments = [version] if version else []
    assert cdi("schema", *arguments).json == schemas.schema(version or None)


def test_schema_of_an_unknown_version_is_wrong_usage(cdi: Cdi) -> None:
    result = cdi("schema", "9.9")
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("cdi: error: unknown CDI version '9.9'\nhint: ")


def test_bash_completes_commands_and_options(cdi: Cdi, tmp_path: Path) -> None:
    script = cdi("completion", "bash").out
    command = tmp_path / "cdi"
    command.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT}:{ROOT}/cli exec {sys.executable} -m cdi_cli "$@"\n')
    command.chmod(0o755)
    for words, completed in (("cdi unin", "uninstall "), ("cdi convert --t", "--to "), ("cdi completion f", "fish ")):
        line = f"COMP_WORDS=({words}); COMP_CWORD={words.count(' ')}; _cdi_completion {command}"
        asked = f'{script}\n{line}\nprintf "%s " "${{COMPREPLY[@]}}"'
        assert subprocess.run(["bash", "-c", asked], capture_output=True, text=True, check=True).stdout == completed


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_scripts_of_other_shells_ask_the_command(shell: str, cdi: Cdi) -> None:
    assert f"_CDI_COMPLETE=complete_{shell}" in cdi("completion", shell).out


def test_unknown_shell_is_wrong_usage(cdi: Cdi) -> None:
    assert cdi("completion", "cmd").code == 2
