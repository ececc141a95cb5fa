"""Huawei Ascend: which nodes each sort of chip brings, virtual NPUs, and the host's list of mounts."""

from __future__ import annotations

import pytest

from cdi.discovery import Discovery, discover
from cdi.host import Host

USUAL = ["/dev/davinci_manager", "/dev/devmm_svm", "/dev/hisi_hdc", "/dev/dvpp_cmdlist"]
SOC = ["/dev/svm0", "/dev/ts_aisle", "/dev/log_drv", "/dev/upgrade", "/dev/sys", "/dev/vdec", "/dev/vpc"]
MEDIA = ["/dev/pngd", "/dev/venc", "/dev/acodec", "/dev/ai", "/dev/ao", "/dev/vo", "/dev/hdmi"]
BOARD = ["/dev/spi_smbus", "/dev/user_config", "/dev/memory_bandwidth", "/dev/event_sched", "/dev/xsmem_dev"]


def npus(tree: str, **places: str) -> Discovery:
    return discover(Host.from_tree(tree, **places), ["huawei-ascend"])


def nodes(*paths: str, top: str = "") -> str:
    return "".join(f"{top}{path} : c 236 {minor} 0660 1000 1000\n" for minor, path in enumerate(paths))


def function(bdf: str, device: str, **attributes: str) -> str:
    place = f"/sys/devices/pci0000:00/{bdf}"
    attributes = {"vendor": "0x19e5", "device": device, "class": "0x120000"} | attributes
    lines = [f"{place}/{name} = {value}" for name, value in attributes.items()]
    return "\n".join([f"/sys/bus/pci/devices/{bdf} -> ../../../devices/pci0000:00/{bdf}", *lines, ""])


def shared_nodes(discovery: Discovery) -> list[str]:
    return [node.path for part in discovery.shared for node in part.edits.device_nodes]


@pytest.mark.parametrize(
    ("device", "expected"),
    [
        ("0xd100", USUAL),
        ("0xd500", USUAL),
        ("0xd801", USUAL),
        ("0xd802", USUAL),
        ("0xd803", USUAL),
        ("0xd806", ["/dev/davinci_manager", "/dev/hisi_hdc", "/dev/uburma/ub0", "/dev/ummu/tid"]),
    ],
)
def test_a_card_brings_the_nodes_of_its_chip(device: str, expected: list[str]) -> None:
    every = ["/dev/davinci0", *USUAL, *SOC]
    every += expected[2:] if device == "0xd806" else []
    assert shared_nodes(npus(function("0000:00:04.0", device) + nodes(*every))) == expected


def test_a_310b_is_told_by_its_nodes_and_has_a_control_node_for_containers() -> None:
    every = ["/dev/davinci0", "/dev/davinci_manager", "/dev/davinci_manager_docker", "/dev/dvpp_cmdlist", *SOC, *MEDIA]
    discovery = npus(nodes(*every))
    assert shared_nodes(discovery) == ["/dev/davinci_manager", "/dev/dvpp_cmdlist", *SOC, *MEDIA]
    manager = discovery.shared[0].edits.device_nodes[0]
    assert (manager.path, manager.host_path) == ("/dev/davinci_manager", "/dev/davinci_manager_docker")
    assert [f.attributes["chip"] for f in discovery.found] == ["Ascend 310B"]


def test_a_board_with_a_310p_is_told_by_its_nodes() -> None:
    discovery = npus(nodes("/dev/davinci0", "/dev/davinci_manager", "/dev/dvpp_cmdlist", *SOC, *BOARD))
    assert shared_nodes(discovery) == ["/dev/davinci_manager", "/dev/dvpp_cmdlist", *SOC, *BOARD]
    assert [f.attributes["chip"] for f in discovery.found] == ["Atlas 200I SoC A1"]


def test_a_chip_that_nothing_tells_brings_the_usual_nodes() -> None:
    discovery = npus(nodes("/dev/davinci0", "/dev/davinci_manager", "/dev/hisi_hdc"))
    assert shared_nodes(discovery) == ["/dev/davinci_manager", "/dev/hisi_hdc"]
    assert discovery.shared[0].warnings == ("there is no /dev/devmm_svm", "there is no /dev/dvpp_cmdlist")


def test_a_virtual_npu_has_the_name_of_a_whole_one_in_the_container_and_is_not_part_of_all() -> None:
    tree = function("0000:00:04.0", "0xd802") + nodes("/dev/davinci0", "/dev/vdavinci100", "/dev/davinci_manager")
    found = npus(tree).found
    assert [(f.name, f.names["node"], f.in_all) for f in found] == [
        ("0", "davinci0", True),
        ("100", "vdavinci100", False),
    ]
    node = found[1].edits.device_nodes[0]
    assert (node.path, node.host_path) == ("/dev/davinci100", "/dev/vdavinci100")


@pytest.mark.parametrize("row", ["0000:00:05.0 ---> 1", "00000000:00:05.0 ---> 1", "00:05.0 ---> 1"])
def test_the_driver_tells_which_function_a_node_is_of(row: str) -> None:
    tree = function("0000:00:04.0", "0xd802", devdrv_sysfs_bdf_to_devid=f'"{row}\\n"')
    tree += function("0000:00:05.0", "0xd802", numa_node="1") + nodes("/dev/davinci1", "/dev/davinci_manager")
    assert [(f.names["bdf"], f.attributes["numaNode"]) for f in npus(tree).found] == [("0000:00:05.0", 1)]


def test_an_unreadable_attribute_is_a_warning() -> None:
    tree = function("0000:00:04.0", "0xd802", devdrv_sysfs_bdf_to_devid="0000:00:04.0 ---> 0", numa_node="near")
    found = npus(tree + nodes("/dev/davinci0", "/dev/davinci_manager")).found
    place = "/sys/devices/pci0000:00/0000:00:04.0"
    assert [(f.attributes, f.warnings) for f in found] == [
        (
            {"chip": "Ascend 910B", "virtual": False, "node": "/dev/davinci0", "pciAddress": "0000:00:04.0"},
            (f"{place}/numa_node is 'near', not a number",),
        )
    ]


def test_without_the_control_node_nothing_is_offered() -> None:
    discovery = npus(function("0000:00:04.0", "0xd802") + nodes("/dev/davinci0", "/dev/davinci1"))
    assert discovery.found == ()
    assert [(s.what, s.why) for s in discovery.skipped] == [
        ("davinci0", "cannot be used: there is no /dev/davinci_manager"),
        ("davinci1", "cannot be used: there is no /dev/davinci_manager"),
    ]


def test_cards_without_a_driver_say_what_to_do_and_other_accelerators_of_huawei_nothing() -> None:
    discovery = npus(function("0000:00:04.0", "0xd500") + function("0000:00:05.0", "0xa250"))
    assert [(s.what, s.why, s.hint) for s in discovery.skipped] == [
        (
            "0000:00:04.0",
            "Ascend 310P, bound to no driver: there is no /dev/davinci0",
            "install and load the Ascend driver",
        )
    ]


def test_a_function_without_a_readable_id_is_no_card() -> None:
    tree = function("0000:00:04.0", "?") + nodes("/dev/davinci0", "/dev/davinci_manager")
    assert [f.attributes["chip"] for f in npus(tree).found] == ["Ascend"]


def test_a_card_of_a_virtual_machine_is_skipped() -> None:
    tree = function("0000:00:04.0", "0xd802") + function("0000:00:05.0", "0xd802")
    tree += "/sys/devices/pci0000:00/0000:00:05.0/driver -> ../../../bus/pci/drivers/vfio-pci\n"
    discovery = npus(tree + nodes("/dev/davinci0", "/dev/davinci_manager"))
    assert [f.name for f in discovery.found] == ["0"]
    assert [(s.what, s.why) for s in discovery.skipped] == [
        ("0000:00:05.0", "Ascend 910B, bound to vfio-pci for a virtual machine")
    ]


def test_mounts_are_those_of_the_hosts_list_that_exist_and_the_topology() -> None:
    listed = "# ours\\n/usr/local/dcmi/\\n\\n/nowhere\\nrelative\\n/\\n/opt/../etc/own.cfg\\n"
    tree = nodes("/dev/davinci0", "/dev/davinci_manager") + (
        f'/etc/ascend-docker-runtime.d/base.list = "{listed}"\n'
        "/etc/own.cfg =\n/etc/hccl_rootinfo.json = {}\n/usr/local/dcmi/libdcmi.so =\n/usr/local/Ascend/driver/lib64/\n"
    )
    part = npus(tree).shared[0]
    assert [mount.container_path for mount in part.edits.mounts] == [
        "/usr/local/dcmi",
        "/etc/own.cfg",
        "/etc/hccl_rootinfo.json",
    ]
    assert part.warnings[-2:] == (
        "/etc/ascend-docker-runtime.d/base.list: 'relative' is no path to mount",
        "/etc/ascend-docker-runtime.d/base.list: '/' is no path to mount",
    )


def test_the_driver_may_have_a_root_of_its_own() -> None:
    tree = nodes("/dev/davinci0", "/dev/davinci_manager", top="/run/npu")
    tree += "/run/npu/usr/local/Ascend/driver/lib64/\n"
    tree += "/run/npu/opt/dcmi/libdcmi.so =\n/run/npu/usr/local/dcmi -> /opt/dcmi\n"
    discovery = npus(tree, driver_root="/run/npu", dev_root="/run/npu")
    assert [(m.host_path, m.container_path) for m in discovery.shared[0].edits.mounts] == [
        ("/run/npu/usr/local/Ascend/driver/lib64", "/usr/local/Ascend/driver/lib64"),
        ("/run/npu/opt/dcmi", "/usr/local/dcmi"),
    ]
    assert [n.host_path for f in discovery.found for n in f.edits.device_nodes] == ["/run/npu/dev/davinci0"]


def test_a_list_that_cannot_be_read_is_a_warning() -> None:
    tree = nodes("/dev/davinci0", "/dev/davinci_manager", "/dev/devmm_svm", "/dev/hisi_hdc", "/dev/dvpp_cmdlist")
    tree += "/etc/ascend-docker-runtime.d/base.list ! EACCES\n/usr/local/dcmi/libdcmi.so =\n"
    part = npus(tree).shared[0]
    assert [mount.container_path for mount in part.edits.mounts] == ["/usr/local/dcmi"]
    assert part.warnings == ("cannot read '/etc/ascend-docker-runtime.d/base.list': permission denied",)
