"""A generated spec needs no program of the vendor, and the variables of an image reach no hook."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from cdi.discovery.ldcache import parse_ldcache
from tests.e2e.machine import HOOK
from tests.e2e.test_gpu import LIBRARIES, VERSION, driver

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.engines import Engine, Podman

__all__ = ["driver"]  # a fixture

pytestmark = pytest.mark.e2e

EVIL = """
#include <stdio.h>
__attribute__((constructor)) static void run(void) { fclose(fopen("WITNESS", "w")); }
"""
LINK = ("create-symlinks", "--link", "there::/opt/linked")


@pytest.fixture
def own(ready: Engine, tmp_path: Path) -> Engine:
    """Return each runtime, with a root file system that no other test sees."""
    rootfs = shutil.copytree(ready.busybox.rootfs, tmp_path / "rootfs", symlinks=True)
    ready.busybox = replace(ready.busybox, rootfs=rootfs)
    return ready


def test_a_generated_spec_needs_no_program_of_the_vendor(own: Engine, driver: Path) -> None:
    options = ("--driver-root", driver, "--hook-path", HOOK, "--compat", f"{own.name}-{own.version}", "--install")
    generated = own.machine.cdi("generate", "nvidia-gpu", *options)
    assert generated.returncode == 0, generated.stderr

    script = f"readlink /{LIBRARIES}/libcuda.so.1; cat /{LIBRARIES}/libcuda.so; base64 /etc/ld.so.cache"
    container = own.run("nvidia.com/gpu=0", script=script)

    assert (container.returncode, container.stderr) == (0, "")
    link, library, *cache = container.stdout.splitlines()
    assert (link, library) == (f"libcuda.so.{VERSION}", "cuda of the host")
    paths = [entry.path for entry in parse_ldcache(base64.b64decode("".join(cache)))]
    assert any(path.startswith(f"/{LIBRARIES}/libnvidia-ml.so") for path in paths), paths


def spec(own: Engine, tmp_path: Path, **hook: Any) -> None:
    """Install a device whose hook makes a link, and whose variables are those of a hostile image."""
    evil = tmp_path / "rootfs/evil"
    evil.mkdir()
    witness = str(tmp_path / "witness")
    (tmp_path / "evil.c").write_text(EVIL.replace("WITNESS", witness))
    subprocess.run(["cc", "-shared", "-fPIC", "-o", evil / "evil.so", tmp_path / "evil.c"], check=True)
    (evil / "sitecustomize.py").write_text(f"open({witness!r}, 'w')\n")
    made = {"hookName": "createContainer", "path": str(HOOK), "args": ["cdi-hook", *LINK], **hook}
    edits = {"env": ["LD_PRELOAD=./evil/evil.so", "PYTHONPATH=./evil"], "hooks": [made]}
    document = {"cdiVersion": "0.5.0", "kind": "vendor.com/e2e", "devices": [{"name": "a", "containerEdits": edits}]}
    (own.machine.etc / "vendor.json").write_text(json.dumps(document))


@pytest.fixture
def own_podman(podman: Podman, tmp_path: Path) -> Podman:
    """Return this machine's podman, with a root file system that no other test sees."""
    rootfs = shutil.copytree(podman.busybox.rootfs, tmp_path / "rootfs", symlinks=True)
    podman.busybox = replace(podman.busybox, rootfs=rootfs)
    return podman


def test_the_variables_of_an_image_reach_no_hook(own_podman: Podman, tmp_path: Path) -> None:
    spec(own_podman, tmp_path, env=["PYTHONNOUSERSITE=1"])
    container = own_podman.run("vendor.com/e2e=a", script="readlink /opt/linked")
    assert (container.stdout, container.stderr) == ("there\n", "")
    assert not (tmp_path / "witness").exists()


def test_a_hook_without_variables_says_what_old_runtimes_do(own_podman: Podman, tmp_path: Path) -> None:
    """Runc of this Debian gives it those of the image, and so a program of the image runs as root of the host."""
    spec(own_podman, tmp_path)
    container = own_podman.run("vendor.com/e2e=a")
    assert container.returncode != 0
    assert "the environment has LD_PRELOAD, PYTHONPATH, maybe the container's own" in container.stderr
