"""Tegra boards: their lists of files, and what is said where files, lists or the GPU are missing."""

from __future__ import annotations

from pathlib import Path

from cdi.discovery import Discovery, discover
from cdi.discovery.nvidia.mount_lists import Row, parse_mount_list
from cdi.hooks import links_of
from cdi.host import Host

ORIN = Path(__file__).parent.parent / "spec-examples" / "hosts" / "jetson-orin"
LISTS = "/etc/nvidia-container-runtime/host-files-for-container.d"
RELEASE = "/etc/nv_tegra_release = # R36 (release), REVISION: 4.3, GCID: 1, BOARD: generic\n"


def look(text: str) -> Discovery:
    return discover(Host.from_tree(text), ["nvidia-tegra"])


def rows(*lines: str, name: str = "devices.csv") -> str:
    """Return the entry of a list in a tree."""
    return f'{LISTS}/{name} = "{"".join(f"{line}" + chr(92) + "n" for line in lines)}"\n'


def test_rows_are_a_kind_and_a_path() -> None:
    text = "# nodes\n\ndev, /dev/nvmap\n dev ,/dev/nvmap\nlib, //lib/firmware/a,b.bin\nsym, /lib/x.so\ndir,/dev/dri\n"
    assert parse_mount_list(text, source="l4t.csv").rows == (
        Row(kind="dev", path="/dev/nvmap"),
        Row(kind="lib", path="/lib/firmware/a,b.bin"),
        Row(kind="sym", path="/lib/x.so"),
        Row(kind="dir", path="/dev/dri"),
    )


def test_a_row_that_is_wrong_names_its_line() -> None:
    found = parse_mount_list("dev, /dev/nvmap\nfile, /etc/x\nlib\nlib, x.so\n", source="l4t.csv")
    assert [problem.message for problem in found.problems] == [
        "l4t.csv:2: 'file' is none of dev, dir, lib, sym",
        "l4t.csv:3: 'lib' has no comma",
        "l4t.csv:4: 'x.so' is no absolute path",
    ]
    assert found.rows == (Row(kind="dev", path="/dev/nvmap"),)


def test_board_is_named_and_what_it_lacks_is_counted() -> None:
    discovery = discover(Host.load(ORIN), ["nvidia-tegra"])
    (found,), (shared,) = discovery.found, discovery.shared
    assert (found.name, found.names) == ("0", {"index": "0"})
    assert found.attributes == {"model": "NVIDIA Jetson AGX Orin Developer Kit", "l4tRelease": "R36.4.3", "nodes": 19}
    assert found.edits.additional_gids == (44, 104)
    assert found.warnings == ("1 of 19 listed device nodes are not on this host: /dev/fb1",)
    assert shared.warnings == (
        (
            "2 of 24 listed files are not on this host:"
            " /etc/vulkansc/icd.d/nvidia_icd_vksc.json,"
            " /usr/lib/aarch64-linux-gnu/gstreamer-1.0/libgstnvarguscamerasrc.so"
        ),
    )


def test_the_discrete_gpu_beside_it_keeps_its_node() -> None:
    at = "/sys/devices/platform/14160000.pcie/pci0005:00/0005:00:00.0/0005:01:00.0"
    text = rows("dev, /dev/nvidia0", "dev, /dev/nvidia1") + (
        "/dev/nvidia0 : c 195 0 0666\n/dev/nvidia1 : c 195 1 0666\n/dev/nvidia2 : c 195 2 0666\n"
    )
    card = (
        "/sys/bus/pci/devices/0005:01:00.0 -> "
        f"../../../devices{at.removeprefix('/sys/devices')}\n{at}/vendor = 0x10de\n{at}/class = 0x030000\n"
    )
    alone, mixed = look(text).found[0], look(text + card).found[0]
    assert [node.path for node in alone.edits.device_nodes] == ["/dev/nvidia0", "/dev/nvidia1"]
    assert [node.path for node in mixed.edits.device_nodes] == ["/dev/nvidia0", "/dev/nvidia2"]
    assert mixed.how == (
        f"Tegra: 2 nodes that devices.csv in {LISTS} list; the discrete GPU 0005:01:00.0 is of the family nvidia-gpu"
    )
    thor = (text + card).replace("0005:01:00.0", "0000:01:00.0")
    assert look(thor).found == look(text).found


def test_links_are_made_with_the_targets_that_they_have() -> None:
    discovery = look(
        rows("dev, /dev/nvmap")
        + rows("sym, /usr/lib/a.so", "sym, /usr/lib/gone.so", "sym, /usr/lib/tegra", name="l4t.csv")
        + """
/dev/nvmap : c 10 120 0666
/usr/lib/a.so -> a.so.1
/usr/lib/a.so.1 -> /opt/a.so.1.0
/opt/a.so.1.0 = library
/usr/lib/gone.so -> nowhere
/usr/lib/tegra -> nvidia
/usr/lib/nvidia/
"""
    )
    edits = discovery.shared[0].edits
    assert [links_of(hook) for hook in edits.hooks] == [
        (("a.so.1", "/usr/lib/a.so"), ("/opt/a.so.1.0", "/usr/lib/a.so.1"), ("nvidia", "/usr/lib/tegra"))
    ]
    assert [mount.container_path for mount in edits.mounts] == ["/opt/a.so.1.0"]
    assert discovery.shared[0].warnings == ("1 of 3 listed files are not on this host: /usr/lib/gone.so",)


def test_lists_of_older_releases_are_left_alone() -> None:
    text = rows("lib, /usr/local/cuda/lib64/libcublas.so", name="cuda.csv")
    assert look(text) == look("")


def test_a_board_without_lists_says_what_brings_them() -> None:
    for sign in (RELEASE, "/sys/devices/soc0/family = Tegra\n"):
        (skipped,) = look(sign).skipped
        assert (
            skipped.why == f"{LISTS} has none of devices.csv, drivers.csv, l4t.csv, which say what belongs to the GPU"
        )
        assert skipped.hint is not None
        assert "nvidia-l4t-init" in skipped.hint


def test_lists_without_a_gpu_say_so() -> None:
    (skipped,) = look(rows("dev, /dev/nvmap", "dev, /dev/nvhost-gpu")).skipped
    assert skipped.why == f"none of the 2 device nodes in devices.csv of {LISTS} is there"


def test_what_is_no_node_is_said_and_hides_no_other() -> None:
    (found,) = look(
        rows("dev, /dev/nvmap", "dev, /dev/nvhost") + "/dev/nvmap : c 10 120 0666\n/dev/nvhost/gpu : c 1 2 0666\n"
    ).found
    assert [node.path for node in found.edits.device_nodes] == ["/dev/nvmap"]
    assert found.warnings == ("/dev/nvhost is no device node",)


def test_other_machines_have_no_tegra() -> None:
    discovery = look("/sys/devices/soc0/family = Snapdragon\n")
    assert (discovery.found, discovery.skipped, discovery.problems) == ((), (), ())
