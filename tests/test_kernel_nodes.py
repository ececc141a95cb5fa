"""Nodes without the host's `/dev`: what sysfs tells is used, what nobody can tell is said, and nothing is made up."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import cdi
from cdi.discovery import Discovery, discover
from cdi.discovery.node import NodeFault, edits_of, find_node
from cdi.freshness import compare
from cdi.generation import generate
from cdi.host import Host, Stat
from cdi.hostcheck import check_host
from cdi.model import DeviceNode
from cdi.recording import snapshot

HOSTS = Path(__file__).parent.parent / "spec-examples" / "hosts"
# Their nodes have faults, or lie in the root of a driver.
UNLIKE = {"broken", "nvidia-broken", "nvidia-split-root"}
# Whose drivers leave it to programs to make nodes, as NVIDIA's does, which at least says what numbers they have.
UNSEEN = {"nvidia-gdrcopy", "nvidia-gds", "nvidia-imex", "nvidia-management", "nvidia-nvswitch", "nvidia-tegra"}
MODESET = "/dev/nvidia-modeset"
TUN = r"""
/sys/class/misc/tun -> ../../devices/virtual/misc/tun
/sys/class/mem/kmsg -> ../../devices/virtual/mem/kmsg
/sys/devices/virtual/mem/kmsg/dev = 1:11
/sys/dev/char/10:200 -> ../../devices/virtual/misc/tun
/sys/devices/virtual/misc/tun/dev = 10:200
/sys/devices/virtual/misc/tun/uevent = "MAJOR=10\nMINOR=200\nDEVNAME=net/tun\n"
/sys/dev/char/10:196/uevent = "MAJOR=10\nMINOR=196\nDEVNAME=vfio/vfio\nDEVMODE=0666\n"
/sys/dev/block/259:0 -> ../../devices/pci0000:00/nvme/nvme0/nvme0n1
/sys/devices/pci0000:00/nvme/nvme0/nvme0n1/dev = 259:0
/sys/devices/pci0000:00/nvme/nvme0/nvme0n1/uevent = "MAJOR=259\nMINOR=0\nDEVNAME=nvme0n1\nDEVTYPE=disk\n"
/sys/devices/pci0000:00/nvme/nvme0/nvme0n1/subsystem -> ../../../../../class/block
"""
OF_CONTAINERS = """
/dev/null : c 1 3 0666
/dev/full : c 1 7 0666
/dev/tty : c 5 0 0666 0 5
/dev/pts/ptmx : c 5 2 0666
/dev/fd -> /proc/self/fd
/dev/shm/
"""
KMSG = "/dev/kmsg : c 1 11 0644\n"
WITHOUT_DEV = [TUN, TUN + OF_CONTAINERS, TUN + OF_CONTAINERS + "/dev/kvm : c 10 232 0660 0 108\n"]


def host(text: str) -> Host:
    return Host.from_tree(text).with_nodes()


@pytest.mark.parametrize(
    ("text", "own"),
    [
        ("", False),
        (OF_CONTAINERS, False),
        (OF_CONTAINERS + "/dev/kvm : c 10 232 0660 0 108\n", True),
        (TUN + OF_CONTAINERS + "/dev/kvm : c 10 232 0660 0 108\n", False),  # a container that was given kvm
        (TUN + OF_CONTAINERS + "/dev/kmsg : p 0600\n", False),  # as some make it
        (TUN + OF_CONTAINERS + KMSG, True),
        (TUN + OF_CONTAINERS + "/dev/kmsg : c 0 0 0000\n", True),  # as a service of systemd sees it
        (TUN + OF_CONTAINERS + "/run/systemd/system/\n", True),  # Podman in Incus, say
        (TUN + "/dev/\n/run/systemd/system/\n", False),  # the host's /run below --root, and not its /dev
        ("/dev/ ! EACCES\n", True),
    ],
    ids=[
        "none",
        "container's",
        "no kernel log known",
        "with a device",
        "with a FIFO",
        "kernel log",
        "closed log",
        "init",
        "mount point",
        "closed",
    ],
)
def test_dev_is_the_hosts_if_it_has_what_no_container_has(text: str, own: object) -> None:
    assert Host.from_tree(text).has_nodes is own


def test_what_the_user_names_as_the_root_of_devices_is_taken_for_it() -> None:
    given = Host.from_tree(TUN, dev_root="/host").with_nodes()
    assert given.has_nodes
    with pytest.raises(NodeFault, match=r"the kernel has it as 10:200, but there is no /host/dev/net/tun"):
        find_node(given, sysfs="/sys/class/misc/tun")


@pytest.mark.parametrize("text", WITHOUT_DEV, ids=["no dev", "container's dev", "with a device"])
def test_type_numbers_and_mode_are_those_of_sysfs(text: str) -> None:
    tun = find_node(host(text), sysfs="/sys/class/misc/tun")
    assert tun.edit() == DeviceNode(path="/dev/net/tun", type="c", major=10, minor=200)
    assert (tun.mode, tun.uid, tun.gid) == (None, None, None)
    by_path = find_node(host(text), path="/dev/vfio/vfio")
    assert (by_path.stat.numbers, by_path.mode, by_path.gid) == ("10:196", 0o666, None)
    disk = find_node(host(text), sysfs="/sys/devices/pci0000:00/nvme/nvme0/nvme0n1")
    assert disk.edit() == DeviceNode(path="/dev/nvme0n1", type="b", major=259, minor=0)
    assert edits_of([tun, by_path, disk], groups=True).additional_gids == ()


def test_a_sysfs_without_its_index_tells_of_kernel_objects_that_are_named() -> None:
    text = "".join(line for line in TUN.splitlines(keepends=True) if not line.startswith("/sys/dev/"))
    assert find_node(host(text), sysfs="/sys/class/misc/tun").stat == Stat(
        type="c", mode=0, major=10, minor=200, told=True
    )
    disk = find_node(host(text), sysfs="/sys/devices/pci0000:00/nvme/nvme0/nvme0n1")
    assert disk.stat.type == "b"
    with pytest.raises(NodeFault):
        find_node(host(text), path="/dev/vfio/vfio")


def test_what_a_container_was_given_is_as_it_is_there() -> None:
    given = host(TUN + OF_CONTAINERS + "/dev/net/tun : c 10 200 0660 0 101\n")
    assert find_node(given, sysfs="/sys/class/misc/tun").stat == Stat(
        type="c", mode=0o660, gid=101, major=10, minor=200
    )
    other = host(TUN + OF_CONTAINERS + "/dev/net/tun : c 1 3 0666\n")
    assert find_node(other, sysfs="/sys/class/misc/tun").stat.numbers == "10:200"


def test_directories_and_patterns_see_what_sysfs_tells() -> None:
    seen = host(TUN + OF_CONTAINERS)
    assert {"fd", "net", "null", "nvme0n1", "vfio"} <= set(seen.listdir("/dev"))
    assert list(seen.glob("/dev/*/[tv]*")) == ["/dev/net/tun", "/dev/vfio/vfio"]
    assert seen.is_dir("/dev/vfio")
    assert seen.resolve("/dev/net/tun") == "/dev/net/tun"


def test_a_device_without_class_and_bus_is_called_as_its_kernel_object() -> None:
    place = "/sys/devices/virtual/vduse/vdpa0/vdpa0/vhost!vdpa-0"
    text = f'/sys/dev/char/238:0 -> ../../..{place}\n{place}/dev = 238:0\n{place}/uevent = ""\n'
    assert host(text).stat("/dev/vhost/vdpa-0") == Stat(type="c", mode=0, major=238, minor=0, told=True)
    recorded = host("\n".join(text.splitlines()[1:]))
    assert find_node(recorded, sysfs=place, path="/dev/vhost/vdpa-0").stat.numbers == "238:0"


@pytest.mark.parametrize("name", ["../etc/passwd", "/etc/passwd", "a//b", "a/../b", ".", ""])
def test_a_name_that_leads_elsewhere_is_none(name: str) -> None:
    text = f'/sys/dev/char/10:1/uevent = "DEVNAME={name}\\n"\n/etc/passwd = root\n'
    assert host(text).source.listdir("/") == Host.from_tree(text).source.listdir("/")
    assert not Host.from_tree(text).with_nodes().exists("/dev")


@pytest.mark.parametrize(
    "line", ["10:x/uevent = DEVNAME=a", '10:1/uevent = "DEVNAME=a\\nDEVMODE=rw\\n"', "10:1/dev = 10:1"]
)
def test_an_entry_that_makes_no_sense_hides_no_other(line: str) -> None:
    assert host(f"{TUN}/sys/dev/char/{line}\n").listdir("/dev") == ("net", "nvme0n1", "vfio")


def test_a_node_that_is_missing_on_a_host_of_its_own_stays_a_fault() -> None:
    with pytest.raises(NodeFault, match="the kernel has it as 10:200, but there is no /dev/net/tun"):
        find_node(host(TUN + KMSG), sysfs="/sys/class/misc/tun")


def test_what_sysfs_does_not_name_is_said_not_to_be_seen() -> None:
    message = "there is no /dev/nvidiactl to be seen: /dev is not the host's, and sysfs does not name it"
    with pytest.raises(NodeFault, match=message):
        find_node(host(TUN), path="/dev/nvidiactl")


def test_it_is_said_once_that_groups_are_unknown() -> None:
    found = discover(Host.from_tree(TUN), ["host", "drm"])
    assert [device.name for device in found.found] == ["tun"]
    assert [problem.rule for problem in found.problems] == ["nodes-told"]
    assert discover(Host.from_tree(TUN), ["drm"]).problems == ()
    assert found.found[0].attributes.keys().isdisjoint({"mode", "uid", "gid"})


def test_a_snapshot_without_dev_finds_the_same() -> None:
    one = Host.from_tree(TUN + OF_CONTAINERS)
    again = Host.from_tree(snapshot(one))
    assert not again.has_nodes
    assert discover(again) == discover(one)


def test_nvidias_nodes_are_those_of_the_drivers_numbers() -> None:
    text = bared((HOSTS / "t4-no-nvml" / "host.tree").read_text())
    found = discover(Host.from_tree(text), ["nvidia-gpu"])
    (gpu,), (shared,) = found.found, found.shared
    assert gpu.edits.device_nodes[0] == DeviceNode(path="/dev/nvidia0", type="c", major=195, minor=0)
    assert [(node.path, node.major, node.minor) for node in shared.edits.device_nodes] == [
        ("/dev/nvidiactl", 195, 255),
        ("/dev/nvidia-uvm", 241, 0),
        ("/dev/nvidia-uvm-tools", 241, 1),
    ]
    said = [problem.message for problem in found.problems]
    assert "nodes are those of the driver's numbers in /proc/devices: whether the host has them cannot be seen" in said
    unloaded = text.replace("nvidia-uvm", "other")
    (shared,) = discover(Host.from_tree(unloaded), ["nvidia-gpu"]).shared
    assert [node.path for node in shared.edits.device_nodes] == ["/dev/nvidiactl"]


def bared(text: str) -> str:
    """Return a host tree without its `/dev`, whose drivers left making nodes to the kernel, but for NVIDIA's."""
    lines = [line for line in text.splitlines() if not line.startswith("/dev/") or line.endswith("/")]
    lines += ["/sys/class/mem/kmsg/"]
    nodes = re.findall(r"^/dev/(?!nvidia)(\S+) : ([cb]) (\d+) (\d+)", text, re.MULTILINE)
    for name, kind, major, minor in nodes:
        place = f"/sys/dev/{'char' if kind == 'c' else 'block'}/{major}:{minor}"
        if name not in {"random", "urandom"} and f"{place} ->" not in text:
            lines += [f"{place}/dev = {major}:{minor}", f'{place}/uevent = "DEVNAME={name}\\n"']
    return "\n".join(lines) + "\n"


def nodes_of(found: Discovery) -> dict[tuple[str, str], tuple[DeviceNode, ...]]:
    nodes = {(part.family, part.name): part.edits.device_nodes for part in found.found}
    nodes |= {(part.family, ""): part.edits.device_nodes for part in found.shared}
    return {
        key: seen
        for key, those in nodes.items()
        if key[0] not in UNSEEN and (seen := tuple(node for node in those if node.path != MODESET))
    }


@pytest.mark.parametrize("name", sorted({path.name for path in HOSTS.iterdir()} - UNLIKE))
def test_every_family_finds_the_same_without_dev(name: str, tmp_path: Path) -> None:
    text = (HOSTS / name / "host.tree").read_text()
    whole, bare = discover(Host.from_tree(text)), discover(Host.from_tree(bared(text)))
    assert nodes_of(bare) == nodes_of(whole)
    for spec in generate(whole):  # as if on the host; in the container without its /dev, all is as it should be
        if not spec.kind.startswith("nvidia.com"):
            cdi.write(spec, tmp_path)
            assert [p for p in check_host(spec, Host.from_tree(bared(text))) if p.severity == "error"] == []
    registry = cdi.Registry.load([tmp_path])
    assert [one.findings for one in compare(bare, registry, Host.from_tree(bared(text))) if one.path] == [()] * len(
        registry.specs
    )


SCRIPT = """
mount -t tmpfs -o mode=755 tmpfs /dev && mknod -m 666 /dev/null c 1 3 && exec "$@"
"""
PROGRAM = """
import json
from cdi.discovery import discover
from cdi.host import Host
found = discover(Host(), ["host"])
print(json.dumps({
    "own": Host().has_nodes,
    "nodes": [
        [node.path, node.type, node.major, node.minor] for one in found.found for node in one.edits.device_nodes
    ],
    "rules": [problem.rule for problem in found.problems],
}))
"""


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("unshare"), reason="needs root and unshare")
@pytest.mark.skipif(not Host().has_nodes, reason="this machine's /dev is not its own")
def test_on_this_machine_the_same_nodes_are_found_without_dev() -> None:
    def seen(*before: str) -> dict[str, object]:
        done = subprocess.run(
            [*before, sys.executable, "-c", PROGRAM], check=True, capture_output=True, text=True, timeout=120
        )
        answer: dict[str, object] = json.loads(done.stdout)
        return answer

    whole = seen()
    bare = seen("unshare", "--mount", "--propagation", "private", "sh", "-c", SCRIPT, "sh")
    assert whole["nodes"]
    assert (whole["own"], bare["own"]) == (True, False)
    assert bare["nodes"] == whole["nodes"]
    assert (whole["rules"], bare["rules"]) == ([], ["nodes-told"])
