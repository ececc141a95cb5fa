"""Root file systems of other Debian releases, with the container runtimes that those have.

They are made from the mirror that the machine's own apt uses, checked against Debian's keys, and kept in
`CDI_TOOLS_E2E_CACHE` (/var/cache/cdi-tools-e2e). A root is complete or not there: it is made under another name
first. One that is older than a month, made from other packages or damaged is made again.
"""

from __future__ import annotations

__all__ = ["SUITES", "root_of", "sizes"]

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
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

CACHE = Path(os.environ.get("CDI_TOOLS_E2E_CACHE", "/var/cache/cdi-tools-e2e"))
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
STAMP = "complete.json"
MONTH = 30 * 24 * 3600.0
# What a machine needs beside its runtimes: to be set up, and libraries of the Python that runs the tests.
ALWAYS = ("iproute2", "mount", "libexpat1", "libffi8")
SUITES = {
    "forky": ("podman", "containerd", "docker.io", "docker-cli", "runc", "crun", *ALWAYS),
    "trixie": ("containerd", "runc", *ALWAYS),
}
OPTIONS = (
    "--quiet",
    "--mode=root",
    "--variant=essential",
    '--aptopt=APT::Install-Recommends "false"',
    '--aptopt=Acquire::Check-Valid-Until "false"',  # a mirror may lag behind
    "--dpkgopt=path-exclude=/usr/share/doc/*",
    "--dpkgopt=path-exclude=/usr/share/locale/*",
    "--dpkgopt=path-exclude=/usr/share/man/*",
)


def root_of(suite: str) -> Path:
    """Return the root file system of a suite, made when it is not in the cache; nobody may write to it."""
    recipe = "\n".join((suite, *SUITES[suite], *OPTIONS))
    key = hashlib.sha256(recipe.encode()).hexdigest()[:12]
    CACHE.mkdir(mode=0o755, parents=True, exist_ok=True)
    with (CACHE / f"{suite}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        root = CACHE / f"{suite}-{key}"
        if not _usable(root):
            for stale in CACHE.glob(f"{suite}-*"):
                shutil.rmtree(stale)
            _make(suite, root)
        return root


def sizes() -> Iterator[tuple[Path, int]]:
    """Yield each root in the cache with the bytes that it takes."""
    for stamp in sorted(CACHE.glob(f"*/{STAMP}")):
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


def _make(suite: str, root: Path) -> None:
    source = f"deb [signed-by={KEYRING}] {mirror()} {suite} main"
    with tempfile.TemporaryDirectory(dir=root.parent, prefix=f"{suite}-", suffix=".part") as made:
        new = Path(made, "root")
        command = ("mmdebstrap", *OPTIONS, f"--include={','.join(SUITES[suite])}", suite, new, source)
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if done.returncode:
            message = f"no root of Debian {suite}: {done.stderr.strip()}"
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
