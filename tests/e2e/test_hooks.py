"""The hooks of `cdi` do their work in containers that real runtimes start, and nothing beside it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.machine import CDI, HOOK
from tests.nvml import fake_nvml as fake

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.engines import Engine
    from tests.e2e.machine import Machine

pytestmark = pytest.mark.e2e

DEVICE = "vendor.com/e2e=device"
# Runtimes that take a directory for a container's root, which tests can prepare.
ROOTED = ["host-podman", "forky-podman", "forky-ctr"]


@pytest.fixture
def libraries(tmp_path: Path) -> Path:
    """Return a folder with a library, of which the loader's cache takes notice."""
    folder = tmp_path / "libraries"
    folder.mkdir()
    fake.build(folder / "libnvidia-ml.so.570.86.15", (), version="570.86.15")
    return folder


def install(machine: Machine, *calls: tuple[str, ...], **edits: Any) -> None:
    """Install a spec whose device calls these hooks when a container is made."""
    hooks = [{"hookName": "createContainer", "path": str(HOOK), "args": ["cdi-hook", *call]} for call in calls]
    devices = [{"name": "device", "containerEdits": {"hooks": hooks, **edits}}]
    document = {"cdiVersion": "0.5.0", "kind": "vendor.com/e2e", "devices": devices}
    done = machine.execute(CDI, "install", "-", input=json.dumps(document))
    assert done.returncode == 0, done.stderr


def test_links_and_modes_are_made(ready: Engine) -> None:
    install(
        ready.machine,
        ("create-symlinks", "--link", "libgpu.so.2::/usr/lib/libgpu.so.1", "--link", "libgpu.so.1::/usr/lib/libgpu.so"),
        ("chmod", "--mode", "711", "--path", "/opt"),
    )
    script = "readlink /usr/lib/libgpu.so.1; readlink /usr/lib/libgpu.so; stat -c %a /opt"
    container = ready.run(DEVICE, script=script)
    assert (container.stdout.split(), container.stderr) == (["libgpu.so.2", "libgpu.so.1", "711"], "")


def test_the_loader_finds_the_libraries_of_a_folder(ready: Engine, libraries: Path) -> None:
    install(
        ready.machine,
        ("update-ldcache", "--folder", "/usr/lib/gpu"),
        mounts=[{"hostPath": str(libraries), "containerPath": "/usr/lib/gpu", "options": ["ro", "rbind"]}],
    )
    container = ready.run(DEVICE, script="grep -a -o /usr/lib/gpu/libnvidia-ml.so.1 /etc/ld.so.cache")
    assert (container.stdout, container.stderr) == ("/usr/lib/gpu/libnvidia-ml.so.1\n", "")


@pytest.mark.parametrize("engine", ROOTED, indirect=True)
def test_a_link_of_the_container_s_own_does_not_lead_a_hook_out_of_it(ready: Engine) -> None:
    """Both lead to a directory of the machine's, one that a container does not have."""
    machine = ready.machine
    outside = machine.root / "opt/outside"
    outside.mkdir()
    (outside / "file").write_text("as it was\n")
    (outside / "file").chmod(0o600)
    for link in ("absolute", "relative"):
        target = "/opt/outside" if link == "absolute" else "../../../../../../../../opt/outside"
        assert machine.execute("ln", "-s", target, ready.rootfs / link).returncode == 0
    install(
        machine,
        ("create-symlinks", "--link", "x::/absolute/link", "--link", "x::/relative/link"),
        ("chmod", "--mode", "777", "--path", "/absolute/file", "--path", "/relative/file"),
    )

    ready.run(DEVICE)  # it starts or not: that is the hook's to say

    assert [(path.name, path.stat().st_mode & 0o777) for path in outside.iterdir()] == [("file", 0o600)]


def test_a_hook_that_cannot_do_its_work_keeps_the_container_from_starting(ready: Engine) -> None:
    install(ready.machine, ("create-symlinks", "--link", "a::/proc/sys/kernel/link"))
    container = ready.run(DEVICE)
    assert container.returncode != 0
    assert "cannot make the link" in container.stderr


def test_a_hook_of_a_later_version_keeps_no_container_from_starting(ready: Engine) -> None:
    """As with NVIDIA's own program, whose specs name more hooks from release to release."""
    install(ready.machine, ("no-such-hook", "--option=1"))
    assert ready.run(DEVICE).returncode == 0
