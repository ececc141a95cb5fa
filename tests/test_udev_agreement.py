"""libudev and the reader of sysfs on this machine: what the one says of nodes and interfaces, the other says too."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.udev_agreement import agreement

HERE = Path(__file__).parent
# A machine with udev and 40 interfaces, of which it has not finished with one, and knows another of the same index.
MACHINE = """
set -e
mount -t sysfs sysfs /sys
mount -t tmpfs tmpfs /run
mkdir -p /run/udev/data
: > /run/udev/control
i=0
while [ $i -lt 20 ]; do
    echo "link add left$i type veth peer name right$i"
    i=$((i + 1))
done | ip -batch -
for place in /sys/class/net/*; do
    name=${place##*/} number=$(cat "$place/ifindex")
    printf 'E:ID_NET_NAME_PATH=p-%s\\nE:ID_NET_NAME_SLOT=s-%s\\nV:1\\n' "$name" "$name" > "/run/udev/data/n$number"
done
rm "/run/udev/data/n$(cat /sys/class/net/left7/ifindex)"
printf 'E:ID_PATH=pci-0000:03:00.0\\nE:ID_NET_NAME_PATH=enp3s0\\nV:1\\n' \\
    > "/run/udev/data/n$(cat /sys/class/net/left8/ifindex)"
exec "$@"
"""
PROGRAM = """
import json
from cdi.discovery import discover
from cdi.generation import generate
from cdi.host import Host
from cdi.recording import snapshot
from tests.udev_agreement import agreement

here = discover(Host(), ["netdev"])
again = discover(Host.from_tree(snapshot(Host())), ["netdev"])
(spec,) = generate(here, names=["path"], all_device=False)
print(json.dumps({
    "names": {device.name: dict(device.names) for device in here.found},
    "again": {device.name: dict(device.names) for device in again.found},
    "warned": {device.name: device.warnings for device in here.found if device.warnings},
    "called": [device.name for device in spec.devices],
    "differences": agreement().differences,
}))
"""


def test_both_agree_on_every_node_and_interface_of_this_machine() -> None:
    found = agreement()
    assert found.nodes
    assert found.differences == ()


@pytest.mark.slow
@pytest.mark.skipif(
    os.geteuid() != 0 or not (shutil.which("unshare") and shutil.which("ip")), reason="needs root, unshare and ip"
)
def test_names_of_udev_are_names_of_interfaces() -> None:
    enter = ["unshare", "--mount", "--net", "--propagation", "private", "sh", "-c", MACHINE, "sh"]
    path = ":".join(str(HERE.parent / part) for part in ("", "cli"))
    done = subprocess.run(
        [*enter, sys.executable, "-c", PROGRAM],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
        timeout=120,
    )
    seen = json.loads(done.stdout)
    assert len(seen["names"]) == 40
    assert seen["names"]["left1"] == {"path": "p-left1", "slot": "s-left1"}
    assert seen["names"]["left7"] == seen["names"]["left8"] == {}
    assert seen["again"] == seen["names"]
    assert seen["warned"] == {"left7": ["udev has not finished with it: it may get another name"]}
    assert {"left7", "left8", "p-left1", "p-right19"} <= set(seen["called"])
    assert seen["differences"] == []
