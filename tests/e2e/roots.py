"""Root file systems of other Debian releases: the container runtimes that those have, and a kernel with its emulator.

They are made from the mirror that the machine's own apt uses, checked against Debian's keys, and kept in
`CDI_TOOLS_E2E_CACHE` (/var/cache/cdi-tools-e2e). A root is complete or not there: it is made under another name
first. One that is older than a month, made from other packages or damaged is made again.
"""

from __future__ import annotations

__all__ = ["KERNEL", "RUNTIMES", "root_of", "sizes"]

import fcntl
import hashlib
import json
import os
import platform
import shutil
import stat
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

CACHE = Path(os.environ.get("CDI_TOOLS_E2E_CACHE", "/var/cache/cdi-tools-e2e"))
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
STAMP = "complete.json"
MONTH = 30 * 24 * 3600.0
# What a machine needs beside its runtimes: to be set up, and libraries of the Python that runs the tests.
ALWAYS = ("iproute2", "mount", "libexpat1", "libffi8")
OPTIONS = (
    '--aptopt=APT::Install-Recommends "false"',
    '--aptopt=Acquire::Check-Valid-Until "false"',  # a mirror may lag behind
    "--dpkgopt=path-exclude=/usr/share/doc/*",
    "--dpkgopt=path-exclude=/usr/share/locale/*",
    "--dpkgopt=path-exclude=/usr/share/man/*",
)
DEPMOD = 'ls "$1/usr/lib/modules" | xargs depmod -b "$1/usr"'


class Root(NamedTuple):
    """What a root file system is made of."""

    suite: str
    packages: tuple[str, ...]
    variant: str = "essential"
    hooks: tuple[str, ...] = ()
    newest: tuple[str, ...] = ()  # of its packages, those that come from experimental as long as they are newer there

    @property
    def options(self) -> tuple[str, ...]:
        return ("--quiet", "--mode=root", f"--variant={self.variant}", *OPTIONS, *self.hooks)


RUNTIMES = ("forky", "trixie", "newest")
KERNEL = "kernel"
ROOTS = {
    "forky": Root("forky", ("podman", "containerd", "docker.io", "docker-cli", "runc", "crun", *ALWAYS)),
    "trixie": Root("trixie", ("containerd", "runc", *ALWAYS)),
    "newest": Root("sid", ("runc", "crun", *ALWAYS), newest=("runc",)),
    # Unpacked, not installed: a kernel is nothing to install beside another, and QEMU runs all the same.
    "kernel": Root("trixie", ("linux-image-amd64", "qemu-system-x86"), "extract", (f"--extract-hook={DEPMOD}",)),
}


def root_of(name: str) -> Path:
    """Return a root file system, made when it is not in the cache; nobody may write to it."""
    recipe = ROOTS[name]
    text = "\n".join((recipe.suite, *recipe.packages, *recipe.options, *recipe.newest))
    key = hashlib.sha256(text.encode()).hexdigest()[:12]
    CACHE.mkdir(mode=0o755, parents=True, exist_ok=True)
    with (CACHE / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        root = CACHE / f"{name}-{key}"
        if not _usable(root):
            for stale in CACHE.glob(f"{name}-*"):
                shutil.rmtree(stale)
            _make(name, root)
        return root


def sizes(*names: str) -> Iterator[tuple[Path, int]]:
    """Yield those of the roots that are in the cache, with the bytes that they take."""
    for stamp in sorted(stamp for name in names for stamp in CACHE.glob(f"{name}-*/{STAMP}")):
        yield stamp.parent, json.loads(stamp.read_text())["bytes"]


def _usable(root: Path) -> bool:
    stamp = root / STAMP
    if not stamp.exists() or time.time() - stamp.stat().st_mtime > MONTH:
        return False
    found: dict[str, int] = json.loads(stamp.read_text())
    return found == _contents(root)


def _contents(root: Path) -> dict[str, int]:
    """Return how many files a root has and their bytes, which tells when some are gone or cut off."""
    found = [path.lstat() for path in root.rglob("*") if path.name != STAMP]
    return {"files": len(found), "bytes": sum(status.st_size for status in found if stat.S_ISREG(status.st_mode))}


def _make(name: str, root: Path) -> None:
    recipe = ROOTS[name]
    suite, packages = recipe.suite, recipe.packages
    suites = (suite, "experimental") if recipe.newest else (suite,)
    with tempfile.TemporaryDirectory(dir=root.parent, prefix=f"{name}-", suffix=".part") as made:
        new, pins = Path(made, "root"), Path(made, "pins")
        pins.write_text(f"Package: {' '.join(recipe.newest)}\nPin: release a=experimental\nPin-Priority: 500\n")
        command: tuple[str | Path, ...] = (
            "mmdebstrap",
            *recipe.options,
            *((f'--aptopt=Dir::Etc::preferences "{pins}"',) if recipe.newest else ()),
            f"--include={','.join(packages)}",
            suite,
            new,
            *(f"deb [signed-by={KEYRING}] {mirror()} {name} main" for name in suites),
        )
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if done.returncode:
            message = f"no root of Debian {suite} with {packages[0]}: {done.stderr.strip()}"
            raise RuntimeError(message)
        (new / STAMP).write_text(json.dumps(_contents(new)))
        new.rename(root)


def mirror() -> str:
    """Return where the machine's own apt gets the packages of its release from."""
    release = platform.freedesktop_os_release()["VERSION_CODENAME"]
    command = ("apt-get", "indextargets", "--no-release-info", "--format", "$(RELEASE) $(COMPONENT) $(REPO_URI)")
    for target in subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines():
        if target.startswith(f"{release} main "):
            return target.split()[2]
    message = f"the sources of apt have no {release} main"
    raise RuntimeError(message)
