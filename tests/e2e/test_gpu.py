"""A GPU whose driver is asked through NVML, in a container, whichever runtime started it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.nvml import fake_nvml as fake

if TYPE_CHECKING:
    from tests.e2e.engines import Engine
    from tests.e2e.machine import Machine

pytestmark = pytest.mark.e2e

VERSION = "570.86.15"
LIBRARIES = "usr/lib/x86_64-linux-gnu"
# The numbers are those of devices that every machine has: a container can open them.
NODES = {"nvidia3": (1, 5), "nvidiactl": (1, 3), "nvidia-uvm": (1, 7), "nvidia-uvm-tools": (1, 8)}
GPU = fake.Gpu(3, "GPU-02000000-0000-0000-0000-000000000003", "NVIDIA L4", "00000000:FF:1F.0")
HOOK = """#!/bin/sh
{ echo "$@"; cat >/dev/null; } >> "$0.ran"
"""
FACTS = f"""
stat -c '%n %t:%T' /dev/nvidia*
cat /{LIBRARIES}/libcuda.so.1 2>&1
head -c 1 /dev/nvidia3 | od -An -tx1
echo $NVIDIA_VISIBLE_DEVICES
"""

FOUND = f"""
readlink /{LIBRARIES}/libcuda.so.1
cat /{LIBRARIES}/libcuda.so.1
grep -a -o -m 1 libnvidia-ml.so.1 /etc/ld.so.cache | sort -u
"""


@pytest.fixture
def driver(tmp_path: Path) -> Path:
    """Return the root of a driver: a library that answers as NVML, others that are text, and device nodes."""
    root = tmp_path / "driver"
    libraries = root / LIBRARIES
    libraries.mkdir(parents=True)
    fake.build(tmp_path / "nvml.so", (GPU,), version=VERSION).rename(libraries / f"libnvidia-ml.so.{VERSION}")
    (libraries / f"libcuda.so.{VERSION}").write_text("cuda of the host\n")
    for name in ("libcuda", "libnvidia-ml"):
        (libraries / f"{name}.so.1").symlink_to(f"{name}.so.{VERSION}")
    (root / "dev").mkdir()
    for name, numbers in NODES.items():
        os.mknod(root / "dev" / name, 0o020666, os.makedev(*numbers))
        (root / "dev" / name).chmod(0o666)
    return root


def test_a_gpu_arrives_without_hooks(ready: Engine, driver: Path) -> None:
    options = ("--driver-root", driver, "--no-hooks", "--annotations", "--install")
    generated = ready.machine.cdi("generate", "nvidia-gpu", *options)
    assert generated.returncode == 0, generated.stderr
    assert ready.machine.cdi("validate", "--strict", "--host").returncode == 0

    container = ready.run("nvidia.com/gpu=0", script=FACTS)

    assert (container.returncode, container.stderr) == (0, "")
    assert container.stdout.splitlines() == [
        "/dev/nvidia-uvm 1:7",
        "/dev/nvidia-uvm-tools 1:8",
        "/dev/nvidia3 1:5",
        "/dev/nvidiactl 1:3",
        "cuda of the host",
        " 00",
        "void",
    ]
    assert ready.run(f"nvidia.com/gpu={GPU.uuid}", script=FACTS).stdout == container.stdout
    assert ready.run("nvidia.com/gpu=all", script=FACTS).stdout == container.stdout


def test_a_gpu_arrives_with_the_hooks_of_cdi(ready: Engine, driver: Path) -> None:
    generated = ready.machine.cdi("generate", "nvidia-gpu", "--driver-root", driver, "--install")
    assert generated.returncode == 0, generated.stderr

    container = ready.run("nvidia.com/gpu=0", script=FOUND)

    assert (container.returncode, container.stderr) == (0, "")
    assert container.stdout.splitlines() == [f"libcuda.so.{VERSION}", "cuda of the host", "libnvidia-ml.so.1"]


@pytest.mark.parametrize("engine", ["host-podman", "forky-containerd"], indirect=True)
def test_hooks_run_in_their_order_with_their_arguments(ready: Engine, driver: Path, tmp_path: Path) -> None:
    hook = tmp_path / "nvidia-cdi-hook"
    hook.write_text(HOOK)
    hook.chmod(0o755)
    generated = ready.machine.cdi("generate", "nvidia-gpu", "--driver-root", driver, "--hook-path", hook, "--install")
    assert generated.returncode == 0, generated.stderr

    assert ready.run("nvidia.com/gpu=0").returncode == 0

    lines = Path(f"{hook}.ran").read_text().splitlines()
    assert [line.split()[0] for line in lines] == [
        "create-symlinks",
        "enable-cuda-compat",
        "update-ldcache",
        "disable-device-node-modification",
        "update-application-profile",
    ]
    assert f"--link libcuda.so.{VERSION}::/{LIBRARIES}/libcuda.so.1" in lines[0]
    assert lines[2] == f"update-ldcache --folder /{LIBRARIES}"


def test_a_spec_whose_hooks_are_missing_is_not_installed(machine: Machine, driver: Path) -> None:
    result = machine.cdi("generate", "nvidia-gpu", "--driver-root", driver, "--hook-path", "/no/hook", "--install")
    assert result.returncode == 1
    assert "not installed, containers would not start: there is no '/no/hook' to run" in result.stderr
    assert machine.specs() == []
    assert machine.cdi("generate", "nvidia-gpu", "--driver-root", driver, "-o", "json").returncode == 0


@pytest.mark.parametrize("engine", ["host-podman", "forky-containerd"], indirect=True)
def test_what_was_renumbered_since_is_the_right_device_all_the_same(ready: Engine, driver: Path) -> None:
    options = ("--driver-root", driver, "--no-hooks", "--install")
    assert ready.machine.cdi("generate", "nvidia-gpu", *options).returncode == 0
    (driver / "dev/nvidia-uvm").unlink()
    os.mknod(driver / "dev/nvidia-uvm", 0o020666, os.makedev(1, 9))

    assert ready.run("nvidia.com/gpu=0", script="stat -c %t:%T /dev/nvidia-uvm").stdout == "1:9\n"

    (file,) = ready.machine.specs()
    assert "major" not in json.dumps(ready.machine.cdi("convert", "--to", "json", file).stdout)
