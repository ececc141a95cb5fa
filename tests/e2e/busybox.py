"""What containers run: a root file system with busybox and nothing else, also as an image."""

from __future__ import annotations

__all__ = ["IMAGE", "Busybox"]

import hashlib
import io
import json
import platform
import shutil
import subprocess
import tarfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

IMAGE = "cdi.test/busybox:1"
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True, kw_only=True)
class Busybox:
    rootfs: Path
    archive: Path

    @classmethod
    def make(cls, directory: Path) -> Busybox:
        made = cls(rootfs=directory / "rootfs", archive=directory / "image.tar")
        _fill(made.rootfs)
        made.archive.write_bytes(_image(made.rootfs))
        return made


def _fill(root: Path) -> None:
    for name in ("bin", "dev", "etc", "opt", "proc", "run", "sys", "tmp", "var"):
        (root / name).mkdir(parents=True)
    busybox = root / "bin/busybox"
    shutil.copy(str(shutil.which("busybox")), busybox)
    applets = subprocess.run([busybox, "--list"], check=True, capture_output=True, text=True).stdout.split()
    for applet in applets:
        if applet != "busybox":
            (root / "bin" / applet).symlink_to("busybox")


def _image(rootfs: Path) -> bytes:
    """Return an image of one layer, in the form that `docker save` writes and every runtime takes."""
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as tar:
        tar.add(rootfs, arcname=".")
    digest = hashlib.sha256(layer.getvalue()).hexdigest()
    config = {
        "architecture": ARCHITECTURES[platform.machine()],
        "os": "linux",
        "config": {"Cmd": ["/bin/sleep", "600"], "Env": ["PATH=/bin"]},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
    }
    manifest = [{"Config": "config.json", "RepoTags": [IMAGE], "Layers": ["layer.tar"]}]
    members = {
        "config.json": json.dumps(config).encode(),
        "layer.tar": layer.getvalue(),
        "manifest.json": json.dumps(manifest).encode(),
    }
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return archive.getvalue()
