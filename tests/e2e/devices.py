"""Devices of no hardware: what tests offer to runtimes, and how they see whether a container got it."""

from __future__ import annotations

__all__ = ["gives", "offer", "touch"]

import json
import os
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.engines import Engine


def offer(directory: Path, device: str, *, version: str = "0.5.0") -> str:
    """Write a spec with one device, and return its name."""
    directory.mkdir(parents=True, exist_ok=True)
    edits = {"env": [f"CDI_DEVICE={device}"]}
    document = {"cdiVersion": version, "kind": "vendor.com/e2e", "devices": [{"name": device, "containerEdits": edits}]}
    (directory / f"{device}.json").write_text(json.dumps(document))
    return f"vendor.com/e2e={device}"


def gives(engine: Engine, device: str) -> bool:
    """Tell whether a container gets the device; a runtime with CDI off may start it without a word."""
    return engine.run(device, script="echo $CDI_DEVICE").stdout.strip() == device.rpartition("=")[2]


def touch(path: Path, *, later: float = 0) -> None:
    """Make a file one that was changed now, or some seconds later than now."""
    now = time.time() + later
    os.utime(path, (now, now))
