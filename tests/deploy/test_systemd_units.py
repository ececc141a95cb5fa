"""The units, the udev rule and the directories of deploy/systemd, as the tools of systemd see them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

DEPLOY = Path(__file__).parents[2] / "deploy/systemd"
UNITS = sorted(DEPLOY.glob("*.service"))
DISCOVERY = Path(__file__).parents[2] / "cdi/discovery"
RULES = DEPLOY / "90-cdi.rules"
STARTERS = {"containerd", "docker", "crio", "podman", "k3s", "kubelet"}
# Open are all devices, so that NVML works, /tmp, where pipes of MPS are, and the network namespace; and it is root.
EXPOSURE = 2.0


def said(*command: object) -> str:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def unit(request: pytest.FixtureRequest, tmp_path: Path, systemd: None) -> Path:  # noqa: ARG001 - the tools are there
    """Return a copy of a unit whose programs are there."""
    original: Path = request.param
    program = tmp_path / "cdi"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    copy = tmp_path / original.name
    copy.write_text(original.read_text().replace("/usr/bin/cdi ", f"{program} "))
    return copy


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name, indirect=True)
def test_systemd_finds_no_fault_with_a_unit(unit: Path) -> None:
    assert said("systemd-analyze", "verify", "--man=no", "--recursive-errors=one", unit) == ""


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name, indirect=True)
def test_a_unit_is_exposed_to_no_more_than_it_needs(unit: Path) -> None:
    said("systemd-analyze", "security", "--offline=true", f"--threshold={EXPOSURE * 10:.0f}", "--no-pager", unit)


def settings(path: Path) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in path.read_text().splitlines():
        name, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            found.setdefault(name, []).append(value)
    return found


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_a_unit_comes_before_what_starts_containers(path: Path) -> None:
    before = " ".join(settings(path)["Before"]).split()
    assert {f"{name}.service" for name in STARTERS} <= set(before)


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_a_unit_closes_no_device(path: Path) -> None:
    assert not settings(path).keys() & {"PrivateDevices", "DevicePolicy", "DeviceAllow", "ProtectClock", "PrivateUsers"}


def test_both_units_are_closed_alike() -> None:
    watch, generate = (settings(DEPLOY / f"cdi-{name}.service") for name in ("watch", "generate"))
    own = {"RestrictAddressFamilies"}
    names = [name for name in watch if name.startswith(("Protect", "Private", "Restrict", "System", "Capab", "NoNew"))]
    assert {name: watch[name] for name in names if name not in own} == {
        name: generate[name] for name in names if name not in own
    }
    assert generate["SuccessExitStatus"] == ["3"]


def test_the_directories_are_made_for_all_to_read(tmp_path: Path, systemd: None) -> None:  # noqa: ARG001 - as above
    said("systemd-tmpfiles", "--create", f"--root={tmp_path}", DEPLOY / "cdi.conf")
    modes = {str(path.relative_to(tmp_path)): path.stat().st_mode & 0o7777 for path in tmp_path.glob("*/cdi")}
    assert modes == {"etc/cdi": 0o755, "run/cdi": 0o755}


def wanted_for(directory: Path, *devices: str) -> dict[str, bool]:
    """Return for each device whether the rule starts the unit when it comes; nothing of this machine is changed."""
    rules = directory / "rules.d"
    rules.mkdir()
    shutil.copy(RULES, rules)
    script = """
    set -e
    [ -d /run/udev ] || { mount -t tmpfs tmpfs /run; mkdir /run/udev; }
    mount -t tmpfs tmpfs /run/udev
    mkdir /run/udev/rules.d
    cp "$0"/* /run/udev/rules.d/
    for device; do echo "@@ $device"; udevadm test --action=add "$device" 2>&1; done
    """
    text = said("unshare", "--mount", "--propagation", "private", "sh", "-c", script, rules, *devices)
    faults = re.findall(r"^.*90-cdi\.rules:\d+.*$", text, re.MULTILINE)
    assert faults == []
    parts = [part.partition("\n") for part in text.split("@@ ")[1:]]
    return {device: "SYSTEMD_WANTS=cdi-generate.service" in output for device, _, output in parts}


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts need root")
def test_the_rule_starts_the_unit_for_what_specs_are_about(tmp_path: Path, systemd: None) -> None:  # noqa: ARG001
    names = ("net/lo", "mem/null", "tty/tty", "misc/tun", "misc/fuse", "net/eth0")
    there = [f"/sys/class/{name}" for name in names if Path("/sys/class", name).exists()]
    wanted = wanted_for(tmp_path, *there)
    physical = {name for name in there if "/devices/virtual/net/" not in str(Path(name).resolve())}
    assert wanted == {name: name in physical and Path(name).name in {"tun", "fuse", "eth0"} for name in there}
    assert len(there) > 2


def test_the_rule_knows_every_class_that_families_look_at() -> None:
    named = set(re.findall(r"[\w-]+", " ".join(re.findall(r'SUBSYSTEM=="([^"]*)"', RULES.read_text()))))
    sources = [path for path in DISCOVERY.rglob("*") if path.suffix in {".py", ".yaml"}]
    found = {name for path in sources for name in re.findall(r"/sys/class/([a-z0-9_-]+)", path.read_text())}
    assert "drm" in found
    assert found - named == set()
