"""A device that `cdi` installed is inside a container, whichever runtime started it."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.e2e.engines import Engine

pytestmark = pytest.mark.e2e

HOOK = """#!/bin/sh
{ echo "$@"; echo "$CDI_HOOK"; cat; } > "$0.ran"
"""
FACTS = """
env | grep ^CDI_ | sort
stat -c '%n %F %t:%T %a %u:%g' /dev/cdi-*
head -c 2 /dev/cdi-zero | od -An -tx1
cat /opt/cdi/greeting
touch /opt/cdi/written 2>/dev/null && echo writable || echo read-only
"""


def spec(name: str, **edits: Any) -> dict[str, Any]:
    return {"cdiVersion": "0.5.0", "kind": "vendor.com/e2e", "devices": [{"name": name, "containerEdits": edits}]}


def write(path: Path, document: dict[str, Any]) -> Path:
    path.write_text(json.dumps(document))
    return path


def test_each_edit_of_an_installed_spec_arrives(ready: Engine, tmp_path: Path) -> None:
    hook = tmp_path / "hook"
    hook.write_text(HOOK)
    hook.chmod(0o755)
    shared = tmp_path / "shared"
    shared.mkdir()
    (shared / "greeting").write_text("hello from the host\n")
    document = spec(
        "dev0",
        env=["CDI_DEVICE=dev0"],
        deviceNodes=[
            {"path": "/dev/cdi-zero", "hostPath": "/dev/zero"},
            {"path": "/dev/cdi-full", "type": "c", "major": 1, "minor": 7, "fileMode": 0o640, "uid": 7, "gid": 8},
        ],
        mounts=[{"hostPath": str(shared), "containerPath": "/opt/cdi", "options": ["ro", "rbind", "nosuid", "nodev"]}],
        hooks=[
            {"hookName": "createContainer", "path": str(hook), "args": ["hook", "argument"], "env": ["CDI_HOOK=set"]}
        ],
    )
    document["containerEdits"] = {"env": ["CDI_SPEC=for-every-device"]}

    installed = ready.machine.cdi("install", write(tmp_path / "vendor.json", document))
    assert (installed.returncode, installed.stderr) == (0, "")
    container = ready.run("vendor.com/e2e=dev0", script=FACTS)

    assert container.stderr == ""
    zero = stat.S_IMODE(Path("/dev/zero").stat().st_mode)
    assert container.stdout.splitlines() == [
        "CDI_DEVICE=dev0",
        "CDI_SPEC=for-every-device",
        "/dev/cdi-full character special file 1:7 640 7:8",
        f"/dev/cdi-zero character special file 1:5 {zero:o} 0:0",
        " 00 00",
        "hello from the host",
        "read-only",
    ]
    argument, variable, state = Path(f"{hook}.ran").read_text().splitlines()
    assert (argument, variable) == ("argument", "set")
    assert json.loads(state)["status"] == "creating"


def test_a_spec_generated_for_this_machine_gives_its_devices_to_a_container(ready: Engine) -> None:
    generated = ready.machine.cdi("generate", "host", "--install")
    assert generated.returncode == 0, generated.stderr
    listed = ready.machine.cdi("devices").stdout.split()
    paths = [
        node["path"]
        for file in ready.machine.specs()
        for device in json.loads(ready.machine.cdi("convert", "--to", "json", file).stdout)["devices"]
        for node in device["containerEdits"]["deviceNodes"]
    ]
    assert paths

    script = f"stat -c '%n %t:%T' {' '.join(sorted(set(paths)))}"
    container = ready.run(*listed, script=script)

    assert container.stderr == ""
    assert container.stdout.splitlines() == [f"{path} {numbers(path)}" for path in sorted(set(paths))]


def numbers(path: str) -> str:
    """Return the major and minor number of a device node of this machine as stat prints them."""
    device = Path(path).stat().st_rdev
    return f"{os.major(device):x}:{os.minor(device):x}"


def test_the_later_directory_wins_as_the_registry_says(ready: Engine) -> None:
    write(ready.machine.etc / "vendor.json", spec("dev0", env=["CDI_FROM=etc"]))
    write(ready.machine.run / "vendor.json", spec("dev0", env=["CDI_FROM=run"]))

    assert "CDI_FROM=run" in ready.machine.cdi("show", "vendor.com/e2e=dev0").stdout
    assert ready.run("vendor.com/e2e=dev0", script="echo $CDI_FROM").stdout == "run\n"


def test_an_uninstalled_device_is_gone(ready: Engine, tmp_path: Path) -> None:
    file = write(tmp_path / "vendor.json", spec("dev0", env=["CDI_FROM=etc"]))
    assert ready.machine.cdi("install", file).returncode == 0
    assert ready.run("vendor.com/e2e=dev0").returncode == 0

    assert ready.machine.cdi("uninstall", "vendor.com/e2e").returncode == 0

    assert ready.machine.specs() == []
    assert "unresolvable CDI devices vendor.com/e2e=dev0" in ready.run("vendor.com/e2e=dev0").stderr
