"""The profiles that come with the package: what they find on hosts that no example shows."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from cdi.discovery import Discovery, discover, families
from cdi.host import Host

HOSTS = Path(__file__).parent.parent / "spec-examples" / "hosts"


def found(discovery: Discovery) -> list[tuple[str, list[str]]]:
    return [(one.name, [node.path for node in one.edits.device_nodes]) for one in discovery.found]


def test_each_family_has_a_kind_of_its_own() -> None:
    assert [kind for kind, count in Counter(family.kind for family in families().values()).items() if count > 1] == []


def test_what_is_known_from_users_only_is_looked_for_when_it_is_named() -> None:
    host = Host.load(HOSTS / "experimental")
    uncertain = {"enflame-gcu", "metax-gpu", "mthreads-gpu"}
    assert uncertain <= {name for name, family in families().items() if family.on_request}
    assert not uncertain & {one.family for one in discover(host).found}
    assert {one.family for one in discover(host, uncertain).found} == uncertain


def test_an_npu_of_rockchips_own_kernel_is_a_drm_device() -> None:
    npu = "/sys/devices/platform/fdab0000.npu"
    lines = [f"{npu}/driver -> ../../../bus/platform/drivers/RKNPU", f"{npu}/subsystem -> ../../../bus/platform"]
    for name, minor in (("card1", 1), ("renderD129", 129)):
        lines += [
            f"/sys/class/drm/{name} -> ../../devices/platform/fdab0000.npu/drm/{name}",
            f"{npu}/drm/{name}/dev = 226:{minor}",
            f'{npu}/drm/{name}/uevent = "DEVNAME=dri/{name}\\n"',
            f"{npu}/drm/{name}/device -> ../../../fdab0000.npu",
            f"/dev/dri/{name} : c 226 {minor} 0660 0 44",
        ]
    lines += ["/dev/dri/by-path/platform-fdab0000.npu-render -> ../renderD129"]
    host = Host.from_tree("\n".join(lines))
    assert found(discover(host, ["rockchip-npu"])) == [
        (
            "npu-renderD129",
            ["/dev/dri/renderD129", "/dev/dri/card1", "/dev/dri/by-path/platform-fdab0000.npu-render"],
        )
    ]
    assert discover(host, ["drm"]).found == ()


def test_an_npu_of_an_older_kernel_of_rockchips_has_a_node_of_its_own() -> None:
    host = Host.from_tree("/dev/rknpu : c 10 120 0666\n")
    assert found(discover(host, ["rockchip-npu"])) == [("npu-rknpu", ["/dev/rknpu"])]


def test_cameras_are_no_codecs() -> None:
    host = Host.load(HOSTS / "rockchip")
    names = [one.name for one in discover(host, ["rockchip-vpu", "rockchip-rga"]).found]
    assert names == ["video0", "video1", "video2", "video3"]


def test_a_spyre_without_vfio_says_what_to_do() -> None:
    skipped = discover(Host.load(HOSTS / "spyre"), ["ibm-spyre"]).skipped
    assert [(one.what, one.why, one.hint) for one in skipped] == [
        ("0000:1e:00.0", "there is no /dev/vfio/43", "bind it to vfio-pci")
    ]


def test_files_of_gpudirect_storage_come_from_the_drivers_root() -> None:
    tree = "/dev/nvidia-fs0 : c 507 0 0666\n/run/nvidia/driver/etc/cufile.json = {}\n/etc/cufile.json = {}\n"
    discovery = discover(Host.from_tree(tree, driver_root="/run/nvidia/driver"), ["nvidia-gds"])
    assert [(m.host_path, m.container_path) for part in discovery.shared for m in part.edits.mounts] == [
        ("/run/nvidia/driver/etc/cufile.json", "/etc/cufile.json")
    ]


def test_nodes_may_be_below_a_root_of_their_own() -> None:
    tree = "/run/nvidia/driver/dev/nvidia-caps-imex-channels/channel3 : c 506 3 0666\n"
    discovery = discover(Host.from_tree(tree, dev_root="/run/nvidia/driver"), ["nvidia-imex"])
    assert [(n.path, n.host_path) for one in discovery.found for n in one.edits.device_nodes] == [
        (
            "/dev/nvidia-caps-imex-channels/channel3",
            "/run/nvidia/driver/dev/nvidia-caps-imex-channels/channel3",
        )
    ]
