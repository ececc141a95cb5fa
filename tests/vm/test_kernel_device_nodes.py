"""Device nodes of a real kernel: what specs say, what sysfs and udev say, and what is in /dev."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.harness import run as cdi
from tests.udev_agreement import agreement
from tests.vm.hardware import udev

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.vm
TYPES = {stat.S_IFCHR: "c", stat.S_IFBLK: "b"}
# What a container engine puts into a container's /dev.
CONTAINER = """
mount -t tmpfs -o mode=0755 dev /dev
mknod -m 666 /dev/null c 1 3
mknod -m 666 /dev/urandom c 1 9
exec "$0" -m cdi_cli generate --numbers -o json
"""

Node = tuple[str, str, int, int]


@pytest.fixture(scope="module")
def numbered() -> dict[str, list[Node]]:
    """Return the nodes of each device that `cdi generate` gives, with their numbers."""
    return devices(cdi("generate", "--numbers", "-o", "json").out)


def devices(text: str) -> dict[str, list[Node]]:
    found: dict[str, list[Node]] = {}
    for document in map(json.loads, text.splitlines()):
        kind = document["kind"]
        found[kind] = list(_nodes(document.get("containerEdits", {})))
        for device in document["devices"]:
            found[f"{kind}={device['name']}"] = list(_nodes(device["containerEdits"]))
    return found


def _nodes(edits: dict[str, Any]) -> Iterator[Node]:
    for node in edits.get("deviceNodes", ()):
        yield node.get("hostPath", node["path"]), node["type"], node["major"], node["minor"]


def test_every_node_of_every_spec_is_the_one_in_dev(numbered: dict[str, list[Node]]) -> None:
    nodes = {node for found in numbered.values() for node in found}
    assert {Path(path).parts[2] for path, *_ in nodes} >= {
        "dri",
        "infiniband",
        "net",
        "uio0",
        "vfio",
        "vhost-net",
        "vhost-vdpa-0",
    }
    for path, kind, major, minor in nodes:
        status = Path(path).lstat()
        there = TYPES[stat.S_IFMT(status.st_mode)], os.major(status.st_rdev), os.minor(status.st_rdev)
        assert (path, *there) == (path, kind, major, minor)
        if not Path(f"/sys/dev/char/{major}:{minor}/subsystem").exists():
            assert path == "/dev/vhost-vdpa-0"  # the only one that udev does not know of
            continue
        known = udev(f"--name={path}")
        assert (known["DEVNAME"], known["MAJOR"], known["MINOR"]) == (path, str(major), str(minor))


def test_libudev_and_sysfs_agree_on_every_node_and_interface() -> None:
    agreed = agreement()
    assert agreed.differences == ()
    assert agreed.nodes > 50
    assert agreed.interfaces == len(list(Path("/sys/class/net").glob("*/ifindex")))


def test_specs_are_the_same_without_the_hosts_dev(numbered: dict[str, list[Node]]) -> None:
    done = subprocess.run(
        ["unshare", "--mount", "--propagation=private", "sh", "-ec", CONTAINER, sys.executable],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert devices(done.stdout) == numbered
