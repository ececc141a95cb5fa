"""Specs against hosts: what makes a container fail to start is an error."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cdi.host import Host
from cdi.hostcheck import check_host
from cdi.model import ContainerEdits, Device, DeviceNode, Hook, Mount, NetDevice, Spec

if TYPE_CHECKING:
    from pathlib import Path

HOST = Host.from_tree("""
/dev/kvm : c 10 232 0660
/dev/link -> kvm
/dev/file =
/sys/class/net/eth1/
/usr/bin/hook : f 0755
/usr/bin/data : f 0644
/opt/lib/
""")


def found(**edits: object) -> list[tuple[str, str, str]]:
    device = Device(name="x", container_edits=ContainerEdits(**edits))  # type: ignore[arg-type]
    spec = Spec(cdi_version="1.1.0", kind="vendor.com/class", devices=(device,))
    prefix = "devices[0].containerEdits."
    return [(p.severity, p.rule, p.where.removeprefix(prefix)) for p in check_host(spec, HOST)]


@pytest.mark.parametrize(
    ("node", "problems"),
    [
        (DeviceNode(path="/dev/kvm"), []),
        (DeviceNode(path="/dev/x", host_path="/dev/kvm", type="c", major=10, minor=232), []),
        (DeviceNode(path="/dev/kvm", type="u"), []),
        (DeviceNode(path="/dev/none"), [("error", "host-node-missing", "deviceNodes[0].path")]),
        (DeviceNode(path="/dev/none", major=1), [("error", "host-node-missing", "deviceNodes[0].path")]),
        (DeviceNode(path="/dev/none", type="c", major=1), [("warning", "host-node-missing", "deviceNodes[0].path")]),
        (
            DeviceNode(path="/dev/kvm", host_path="/dev/link"),
            [("error", "host-node-type", "deviceNodes[0].hostPath")],
        ),
        (DeviceNode(path="/dev/file"), [("error", "host-node-type", "deviceNodes[0].path")]),
        (DeviceNode(path="/dev/kvm", type="b"), [("error", "host-node-type", "deviceNodes[0].type")]),
        (DeviceNode(path="/dev/kvm", type="c", major=10), [("error", "host-node-numbers", "deviceNodes[0].major")]),
    ],
)
def test_device_nodes(node: DeviceNode, problems: list[tuple[str, str, str]]) -> None:
    assert found(device_nodes=(node,)) == problems


def test_interfaces() -> None:
    nets = (NetDevice(host_interface_name="eth1", name="a"), NetDevice(host_interface_name="eth9", name="b"))
    assert found(net_devices=nets) == [("error", "host-net-missing", "netDevices[1].hostInterfaceName")]


def test_hooks() -> None:
    hooks = (
        Hook(hook_name="createContainer", path="/usr/bin/hook"),
        Hook(hook_name="createContainer", path="/usr/bin/data"),
        Hook(hook_name="createContainer", path="/usr/bin"),
        Hook(hook_name="createContainer", path="/none"),
        Hook(hook_name="poststop", path="/none"),
    )
    assert found(hooks=hooks) == [
        ("error", "host-hook-mode", "hooks[1].path"),
        ("error", "host-hook-type", "hooks[2].path"),
        ("error", "host-hook-missing", "hooks[3].path"),
        ("warning", "host-hook-missing", "hooks[4].path"),
    ]


def test_mounts() -> None:
    mounts = (
        Mount(host_path="/opt/lib", container_path="/a"),
        Mount(host_path="tmpfs", container_path="/b", type="tmpfs"),
        Mount(host_path="/none", container_path="/c", options=("ro", "bind")),
    )
    assert found(mounts=mounts) == [("error", "host-mount-missing", "mounts[2].hostPath")]


def test_a_file_that_runtimes_do_not_see(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    file = tmp_path / "a.yaml"
    file.touch(mode=0o600)
    spec = Spec(cdi_version="1.1.0", kind="vendor.com/class", devices=())
    rules = [p.rule for p in check_host(spec, HOST, path=str(file)) if "directory" not in p.message[:9]]
    assert rules == ["host-file-mode", "host-file-place"]
    file.chmod(0o644)
    rules = [p.rule for p in check_host(spec, HOST, path=str(file), spec_dirs=[str(tmp_path)])]
    assert "host-file-place" not in rules
