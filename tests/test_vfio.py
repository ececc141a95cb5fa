"""VFIO: the nodes of a function, the forms of the kernel, and what else is in its group."""

from __future__ import annotations

import pytest

from cdi.discovery.node import NodeFault
from cdi.discovery.pci import Function, read_function
from cdi.discovery.vfio import UNPROTECTED, Vfio, is_vfio, read_vfio
from cdi.host import Host

AT = "/sys/devices/pci0000:00/0000:00:05.0"
GROUP = f"""
{AT}/iommu_group -> ../../../kernel/iommu_groups/7
/sys/kernel/iommu_groups/7/devices/0000:00:05.0 -> ../../../../devices/pci0000:00/0000:00:05.0
"""
BY_GROUP = """
/dev/vfio/7 : c 241 0 0600
/dev/vfio/vfio : c 10 196 0666
"""
BY_FILE = f"""
{AT}/vfio-dev/vfio3/dev = 510:3
/dev/vfio/devices/vfio3 : c 510 3 0600
/dev/iommu : c 10 126 0600
"""


def read(text: str) -> Vfio:
    host = Host.from_tree(text)
    function = read_function(host, AT)
    assert isinstance(function, Function)
    return read_vfio(host, function)


def paths(vfio: Vfio) -> tuple[list[str], list[str]]:
    return [node.path for node in vfio.own], [node.path for node in vfio.shared]


@pytest.mark.parametrize(
    ("forms", "own", "shared"),
    [
        (BY_GROUP, ["/dev/vfio/7"], ["/dev/vfio/vfio"]),
        (BY_FILE, ["/dev/vfio/devices/vfio3"], ["/dev/iommu"]),
        (BY_GROUP + BY_FILE, ["/dev/vfio/7", "/dev/vfio/devices/vfio3"], ["/dev/vfio/vfio", "/dev/iommu"]),
    ],
    ids=["group", "file", "both"],
)
def test_a_function_has_its_group_its_file_or_both(forms: str, own: list[str], shared: list[str]) -> None:
    assert paths(read(GROUP + forms)) == (own, shared)


def test_a_file_is_of_no_use_without_iommufd() -> None:
    without = (GROUP + BY_GROUP + BY_FILE).replace("/dev/iommu : c 10 126 0600\n", "")
    assert paths(read(without)) == (["/dev/vfio/7"], ["/dev/vfio/vfio"])


def test_without_an_iommu_programs_know_the_group_under_another_name() -> None:
    text = GROUP + BY_GROUP.replace("/dev/vfio/7", "/dev/vfio/noiommu-7")
    vfio = read(text + "/sys/kernel/iommu_groups/7/name = vfio-noiommu\n")
    assert [(node.path, node.host_path) for node in vfio.own] == [("/dev/vfio/7", "/dev/vfio/noiommu-7")]
    assert vfio.warnings == (UNPROTECTED,)


def test_without_an_iommu_there_is_no_device_file() -> None:
    """The kernel object is there, without a number (drivers/vfio/vfio_main.c)."""
    text = GROUP + BY_GROUP.replace("/dev/vfio/7", "/dev/vfio/noiommu-7") + f"{AT}/vfio-dev/vfio3/uevent =\n"
    text += "/sys/kernel/iommu_groups/7/name = vfio-noiommu\n/dev/iommu : c 10 126 0600\n"
    assert paths(read(text)) == (["/dev/vfio/7"], ["/dev/vfio/vfio"])


def test_without_the_container_of_groups_a_device_file_is_enough() -> None:
    """A kernel may have iommufd alone, and then no /dev/vfio/vfio (CONFIG_VFIO_CONTAINER)."""
    without = (GROUP + BY_GROUP + BY_FILE).replace("/dev/vfio/vfio : c 10 196 0666\n", "")
    assert paths(read(without)) == (["/dev/vfio/devices/vfio3"], ["/dev/iommu"])


def test_a_bridge_in_the_group_is_no_function_that_is_in_the_way() -> None:
    """Without ACS, the port above a card is in the group of the card; its driver leaves DMA alone."""
    port = "/sys/devices/pci0000:00/0000:00:01.0"
    text = f"{port}/class = 0x060400\n{port}/driver -> ../../../bus/pci/drivers/pcieport\n"
    text += f"/sys/kernel/iommu_groups/7/devices/0000:00:01.0 -> ../../../..{port[4:]}\n"
    assert read(GROUP + BY_GROUP + text).blockers == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (BY_GROUP + f"{AT}/vendor = 0x8086\n", "0000:00:05.0 is in no IOMMU group"),
        (GROUP + "/dev/kmsg : c 1 11 0644\n", "there is no /dev/vfio/7"),
        (GROUP + "/dev/vfio/7 : c 241 0 0600\n", "there is no /dev/vfio/vfio"),
    ],
    ids=["no group", "no node", "no container"],
)
def test_a_function_that_cannot_be_used_says_why(text: str, message: str) -> None:
    with pytest.raises(NodeFault, match=message):
        read(text)


@pytest.mark.parametrize(
    ("driver", "blockers", "warning"),
    [
        (
            "snd_hda_intel",
            ("0000:00:05.1 (snd_hda_intel)",),
            "cannot be used while it holds 0000:00:05.1 (snd_hda_intel)",
        ),
        ("vfio-pci", (), "gives access to 0000:00:05.1 too"),
        ("pcieport", (), "gives access to 0000:00:05.1 too"),
        (None, (), "gives access to 0000:00:05.1 too"),
    ],
)
def test_partners_come_along_and_their_drivers_may_be_in_the_way(
    driver: str | None, blockers: tuple[str, ...], warning: str
) -> None:
    partner = "/sys/devices/pci0000:00/0000:00:05.1"
    text = f"{partner}/vendor = 0x8086\n"
    text += f"/sys/kernel/iommu_groups/7/devices/0000:00:05.1 -> ../../../..{partner[4:]}\n"
    text += f"{partner}/driver -> ../../../bus/pci/drivers/{driver}\n" if driver else ""
    vfio = read(GROUP + BY_GROUP + text)
    assert (vfio.group, vfio.partners, vfio.blockers) == ("7", ("0000:00:05.1",), blockers)
    assert vfio.warnings == (f"IOMMU group 7 {warning}",)


def test_a_function_alone_in_its_group_has_nothing_to_warn_of() -> None:
    assert read(GROUP + BY_GROUP).warnings == ()


def test_variants_of_the_driver_are_vfio_too() -> None:
    assert all(map(is_vfio, ["vfio-pci", "xe-vfio-pci", "mlx5_vfio_pci", "qat_vfio_pci"]))
    assert not any(map(is_vfio, [None, "pci-stub", "xe", "vfio_iommu_type1"]))
