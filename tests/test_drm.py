"""DRM: the nodes of a device and the links that lead to them."""

from __future__ import annotations

from cdi.discovery.drm import Drm, read_drm
from cdi.host import Host

AT = "/sys/devices/pci0000:00/0000:03:00.0"
DEVICE = f"""
{AT}/drm/card10/dev = 226:10
{AT}/drm/card10/uevent = "DEVNAME=dri/card10\\n"
{AT}/drm/renderD138/dev = 226:138
{AT}/drm/renderD138/uevent = "DEVNAME=dri/renderD138\\n"
"""
NODES = """
/dev/dri/card10 : c 226 10 0660 0 44
/dev/dri/renderD138 : c 226 138 0660 0 109
"""
LINKS = """
/dev/dri/by-path/pci-0000:03:00.0-card -> ../card10
/dev/dri/by-path/pci-0000:03:00.0-render -> ../renderD138
"""


def read(text: str, **places: str) -> Drm:
    return read_drm(Host.from_tree(text, **places), AT)


def test_nodes_and_links_of_a_device() -> None:
    drm = read(DEVICE + NODES + LINKS)
    assert [node.path for node in drm.nodes] == ["/dev/dri/card10", "/dev/dri/renderD138"]
    assert [(node.path, node.host_path) for node in drm.twins] == [
        ("/dev/dri/by-path/pci-0000:03:00.0-card", "/dev/dri/card10"),
        ("/dev/dri/by-path/pci-0000:03:00.0-render", "/dev/dri/renderD138"),
    ]
    assert drm.faults == ()


def test_nodes_below_another_root_keep_their_names() -> None:
    moved = (NODES + LINKS).replace("/dev/", "/host/dev/")
    drm = read(DEVICE + moved, dev_root="/host")
    assert [(node.path, node.host_path) for node in (*drm.nodes, *drm.twins)] == [
        ("/dev/dri/card10", "/host/dev/dri/card10"),
        ("/dev/dri/renderD138", "/host/dev/dri/renderD138"),
        ("/dev/dri/by-path/pci-0000:03:00.0-card", "/host/dev/dri/card10"),
        ("/dev/dri/by-path/pci-0000:03:00.0-render", "/host/dev/dri/renderD138"),
    ]


def test_a_link_that_leads_elsewhere_is_not_the_devices() -> None:
    assert read(DEVICE + NODES + LINKS.replace("../card10", "../card1")).links[0][0].endswith("-render")


def test_a_missing_node_is_a_fault_and_hides_no_other() -> None:
    drm = read(DEVICE + NODES.replace("/dev/dri/card10 : c 226 10 0660 0 44", "") + LINKS)
    assert drm.card is None
    assert drm.render is not None
    assert drm.faults == ("the kernel has it as 226:10, but there is no /dev/dri/card10",)
    assert [path for path, _ in drm.links] == ["/dev/dri/by-path/pci-0000:03:00.0-render"]


def test_a_device_without_drm_has_nothing() -> None:
    assert read(f"{AT}/vendor = 0x8086") == Drm()


def test_a_directory_that_cannot_be_listed_is_a_fault() -> None:
    assert read(f"{AT}/drm/ ! EACCES").faults == (f"cannot list '{AT}/drm': permission denied",)
