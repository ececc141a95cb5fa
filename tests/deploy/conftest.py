"""The tools of systemd and udev, which the units and rules are tried with."""

from __future__ import annotations

import os
import shutil

import pytest

PACKAGES = {"systemd-analyze": "systemd", "systemd-tmpfiles": "systemd", "udevadm": "udev", "unshare": "util-linux"}


@pytest.fixture(scope="session")
def systemd() -> None:
    """Skip what needs the tools where they are not; in continuous integration that is a failure."""
    missing = [f"the Debian package {package}" for tool, package in PACKAGES.items() if not shutil.which(tool)]
    if missing:
        message = f"this needs {', '.join(missing)}"
        if "CI" in os.environ:
            pytest.fail(message)
        pytest.skip(message)
