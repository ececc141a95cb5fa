"""Hygon accelerators: found as AMD's are, with nodes and files of their own and nothing that is the whole machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from cdi.discovery import discover
from cdi.generation import generate
from cdi.host import Host
from cdi.model import ContainerEdits, DeviceNode, Mount

PLACE = Path(__file__).parent.parent / "spec-examples" / "hosts" / "hygon"
TREE = (PLACE / "host.tree").read_text()
PARTITION = """
/sys/devices/platform/hyhcu_xcp_0/drm/renderD160/dev = 226:160
/sys/devices/platform/hyhcu_xcp_0/drm/renderD160/uevent = "DEVNAME=dri/renderD160\\n"
/dev/dri/renderD160 : c 226 160 0660 0 39
/sys/devices/virtual/kfd/kfd/topology/nodes/3/gpu_id = 77
/sys/devices/virtual/kfd/kfd/topology/nodes/3/properties = "location_id 1281\\ndomain 0\\ndrm_render_minor 160\\n"
"""
RADEON = """
/sys/bus/pci/devices/0000:81:00.0/vendor = 0x1002
/sys/bus/pci/devices/0000:81:00.0/class = 0x030000
/sys/bus/pci/devices/0000:81:00.0/drm/renderD161/dev = 226:161
/sys/bus/pci/devices/0000:81:00.0/drm/renderD161/uevent = "DEVNAME=dri/renderD161\\n"
/dev/dri/renderD161 : c 226 161 0660 0 39
/sys/devices/virtual/kfd/kfd/topology/nodes/4/gpu_id = 78
/sys/devices/virtual/kfd/kfd/topology/nodes/4/properties = "vendor_id 4098\\nlocation_id 33024\\ndrm_render_minor 161"
"""


def names(text: str) -> list[str]:
    return [one.names["partition"] for one in discover(Host.from_tree(text), ["hygon-hcu"]).found]


def test_all_share_control_nodes_and_the_vendors_files() -> None:
    (spec,) = generate(discover(Host.load(PLACE)))
    assert spec.kind == "hygon.cn/hcu"
    assert spec.container_edits == ContainerEdits(
        device_nodes=(
            DeviceNode(path="/dev/kfd", type="c", permissions="rw"),
            DeviceNode(path="/dev/mkfd", type="c", permissions="rw"),
        ),
        mounts=(
            Mount(
                host_path="/opt/hyhal",
                container_path="/opt/hyhal",
                options=("ro", "nosuid", "nodev", "rbind", "rprivate"),
            ),
        ),
        additional_gids=(39,),
    )


def test_nothing_gives_the_whole_machine() -> None:
    text = (PLACE / "hygon.cn-hcu.yaml").read_text()
    assert "/dev/mem" not in text
    assert "debug" not in text


def test_files_of_another_driver_root_keep_their_place_in_the_container() -> None:
    host = Host.from_tree(TREE.replace("/opt/hyhal/", "/run/hygon/opt/hyhal/"), driver_root="/run/hygon")
    (shared,) = discover(host, ["hygon-hcu"]).shared
    assert [(mount.host_path, mount.container_path) for mount in shared.edits.mounts] == [
        ("/run/hygon/opt/hyhal", "/opt/hyhal")
    ]


def test_what_all_share_may_be_missing_but_for_kfd() -> None:
    lines = [line for line in TREE.splitlines() if not line.startswith(("/dev/mkfd", "/opt/"))]
    (shared,) = discover(Host.from_tree("\n".join(lines)), ["hygon-hcu"]).shared
    assert [edit.path for edit in shared.edits.device_nodes] == ["/dev/kfd"]
    assert shared.warnings == ("there is no /opt/hyhal",)


@pytest.mark.parametrize("module", ["hycu", "hydcu", "hyhcu"])
def test_the_driver_has_had_several_names(module: str) -> None:
    discovery = discover(Host.from_tree(TREE.replace("/hycu", f"/{module}")), ["hygon-hcu"])
    assert [one.attributes["driverVersion"] for one in discovery.found] == ["6.3.30", "6.3.30"]


def test_partitions_are_platform_devices_as_amds_are() -> None:
    assert names(TREE) == ["0", "1"]
    assert names(TREE + PARTITION) == ["0:0", "0:1", "1"]


def test_a_gpu_of_amd_beside_them_is_not_one_of_them() -> None:
    discovery = discover(Host.from_tree(TREE + RADEON), ["amd-gpu", "hygon-hcu"])
    assert [(one.kind, one.names["bdf"]) for one in discovery.found] == [
        ("amd.com/gpu", "0000:81:00.0"),
        ("hygon.cn/hcu", "0000:05:00.0"),
        ("hygon.cn/hcu", "0000:4a:00.0"),
    ]
    assert discovery.skipped == ()
