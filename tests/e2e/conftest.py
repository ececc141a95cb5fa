"""A machine of the test's own: the real podman and runc, with private /etc/cdi and /var/run/cdi."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ENTER = Path(__file__).with_name("enter.sh")
CDI = Path(sys.executable).with_name("cdi")  # the installed command, as users start it
PACKAGES = {"podman": "podman", "runc": "runc", "busybox": "busybox-static", "unshare": "util-linux"}
# Limits below the machine's own: podman's defaults need CAP_SYS_RESOURCE, which virtual machines may lack.
LIMITS = ("--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1000:1000")


@dataclass(frozen=True, kw_only=True)
class Machine:
    """Directories that the machine shows as /etc/cdi (`etc`) and /var/run/cdi (`run`), and a root file system."""

    path: Path
    rootfs: Path

    @property
    def etc(self) -> Path:
        return self.path / "etc"

    @property
    def run(self) -> Path:
        return self.path / "run"

    def specs(self) -> list[Path]:
        """Return what is installed."""
        return [*self.etc.iterdir(), *self.run.iterdir()]

    def execute(self, *command: str | Path) -> subprocess.CompletedProcess[str]:
        """Run a command that sees the private directories; any exit code will do."""
        enter = ("unshare", "--mount", "--propagation", "private", "sh", ENTER, self.path)
        return subprocess.run([*enter, *command], check=False, capture_output=True, text=True, timeout=120)

    def cdi(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        return self.execute(CDI, *arguments)

    def podman(self, *devices: str, script: str = "true", debug: bool = False) -> subprocess.CompletedProcess[str]:
        """Run a shell script in a container that has these devices."""
        storage = ("--root", self.path / "storage", "--runroot", "/run/containers", "--storage-driver", "vfs")
        options = ("--rm", "--network=none", *LIMITS, *(f"--device={name}" for name in devices))
        level = "--log-level=debug" if debug else "--log-level=error"
        podman = ("podman", level, "--runtime=runc", *storage)
        return self.execute(*podman, "run", *options, "--rootfs", self.rootfs, "/bin/sh", "-c", script)


@pytest.fixture(scope="session", autouse=True)
def _requirements() -> None:
    missing = [f"the Debian package {package}" for tool, package in PACKAGES.items() if not shutil.which(tool)]
    if os.geteuid() != 0:
        missing.insert(0, "root")
    if missing:
        message = f"real containers need {', '.join(missing)}"
        if "CI" in os.environ:
            pytest.fail(message)
        pytest.skip(message)


@pytest.fixture(scope="session")
def rootfs(tmp_path_factory: pytest.TempPathFactory, _requirements: None) -> Path:
    """Return a root file system that holds busybox and nothing else."""
    root = tmp_path_factory.mktemp("rootfs")
    for name in ("bin", "dev", "etc", "opt", "proc", "run", "sys", "tmp", "var"):
        (root / name).mkdir()
    busybox = root / "bin/busybox"
    shutil.copy(str(shutil.which("busybox")), busybox)
    applets = subprocess.run([busybox, "--list"], check=True, capture_output=True, text=True).stdout.split()
    for applet in applets:
        if applet != "busybox":
            (root / "bin" / applet).symlink_to("busybox")
    return root


@pytest.fixture
def machine(tmp_path: Path, rootfs: Path) -> Machine:
    for name in ("etc", "run", "real-etc"):
        (tmp_path / name).mkdir()
    return Machine(path=tmp_path, rootfs=rootfs)
