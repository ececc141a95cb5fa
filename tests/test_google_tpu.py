"""Google TPUs: which functions are chips, in which order, and why others are none."""

from __future__ import annotations

from cdi.discovery import Discovery, discover
from cdi.host import Host


def tpus(tree: str, *include: str) -> Discovery:
    return discover(Host.from_tree(tree), ["google-tpu"], include=include)


def function(bdf: str, device: str, *, group: int | None = None, driver: str | None = "vfio-pci", sub: str = "") -> str:
    place = f"/sys/devices/pci0000:00/{bdf}"
    lines = [
        f"/sys/bus/pci/devices/{bdf} -> ../../../devices/pci0000:00/{bdf}",
        f"{place}/vendor = 0x1ae0",
        f"{place}/device = {device}",
    ]
    if sub:
        lines += [f"{place}/subsystem_vendor = 0x1ae0", f"{place}/subsystem_device = {sub}"]
    if driver is not None:
        lines.append(f"{place}/driver -> ../../../bus/pci/drivers/{driver}")
    if group is not None:
        lines.append(f"{place}/iommu_group -> ../../../kernel/iommu_groups/{group}")
        lines.append(f"/sys/kernel/iommu_groups/{group}/devices/{bdf} -> ../../../../devices/pci0000:00/{bdf}")
    return "\n".join([*lines, ""])


VFIO = "/dev/vfio/vfio : c 10 196 0666\n"


def test_chips_are_numbered_in_the_order_of_their_groups() -> None:
    tree = VFIO + "".join(
        function(f"0000:00:0{slot}.0", "0x0063", group=group) + f"/dev/vfio/{group} : c 243 {group} 0600\n"
        for slot, group in ((4, 12), (5, 9), (6, 10))
    )
    found = tpus(tree).found
    assert [(f.name, f.names, [n.path for n in f.edits.device_nodes]) for f in found] == [
        (
            "0",
            {"index": "0", "node": "vfio-9", "bdf": "0000:00:05.0", "id": "0000-00-05-0-0x0063"},
            ["/dev/vfio/9"],
        ),
        (
            "1",
            {"index": "1", "node": "vfio-10", "bdf": "0000:00:06.0", "id": "0000-00-06-0-0x0063"},
            ["/dev/vfio/10"],
        ),
        (
            "2",
            {"index": "2", "node": "vfio-12", "bdf": "0000:00:04.0", "id": "0000-00-04-0-0x0063"},
            ["/dev/vfio/12"],
        ),
    ]


def test_the_subsystem_tells_v2_from_v3() -> None:
    tree = VFIO
    for slot, sub in ((4, "0x004e"), (5, "0x004f"), (6, "")):
        tree += (
            function(f"0000:00:0{slot}.0", "0x0027", group=slot, sub=sub) + f"/dev/vfio/{slot} : c 243 {slot} 0600\n"
        )
    assert [f.attributes["generation"] for f in tpus(tree).found] == ["v2", "v3", "v2 or v3"]


def test_an_unknown_function_of_google_is_offered_only_when_it_is_asked_for() -> None:
    tree = VFIO + function("0000:00:04.0", "0x0099", group=4) + "/dev/vfio/4 : c 243 4 0600\n"
    assert [(s.what, s.why, s.hint) for s in tpus(tree).skipped] == [
        ("0000:00:04.0", "1ae0:0099 is no TPU that is known", "--include 0000:00:04.0 offers it as one")
    ]
    assert [f.how for f in tpus(tree, "0000:00:04.0").found] == [
        "/dev/vfio/4: TPU of unknown generation, PCI function 0000:00:04.0 (1ae0:0099)"
    ]


def test_a_chip_without_a_driver_says_what_to_do() -> None:
    tree = VFIO + function("0000:00:04.0", "0x006f", driver=None)
    assert [(s.what, s.why, s.hint) for s in tpus(tree).skipped] == [
        (
            "0000:00:04.0",
            "TPU v6e, bound to no driver: 0000:00:04.0 is in no IOMMU group",
            "load the TPU driver (up to v4), or bind the chip to vfio-pci",
        )
    ]


def test_nodes_alone_are_enough() -> None:
    tree = (
        function("0000:00:04.0", "0x005e", driver=None) + "/dev/accel0 : c 246 0 0666\n/dev/accel10 : c 246 10 0666\n"
    )
    discovery = tpus(tree)
    assert [(f.name, f.attributes, f.warnings) for f in discovery.found] == [
        (
            "0",
            {"generation": "v4", "node": "/dev/accel0"},
            ("known by the name of its node alone: no PCI function of this host has it",),
        ),
        (
            "1",
            {"generation": "v4", "node": "/dev/accel10"},
            ("known by the name of its node alone: no PCI function of this host has it",),
        ),
    ]
    assert discovery.skipped == ()


def test_the_class_of_a_node_may_lead_to_its_function() -> None:
    tree = function("0000:00:05.0", "0x0027", driver=None, sub="0x004f") + "/dev/accel0 : c 246 0 0666\n"
    tree += "/sys/class/accel/accel0/device -> ../../../devices/pci0000:00/0000:00:05.0\n"
    assert [(f.names["bdf"], f.attributes["generation"], f.warnings) for f in tpus(tree).found] == [
        ("0000:00:05.0", "v3", ())
    ]


def test_a_group_that_brings_more_says_so() -> None:
    tree = VFIO + function("0000:00:04.0", "0x0062", group=7) + function("0000:00:05.0", "0x001f", group=7)
    assert [f.warnings for f in tpus(tree + "/dev/vfio/7 : c 243 0 0600\n").found] == [
        ("IOMMU group 7 gives access to 0000:00:05.0 too",)
    ]


def test_a_host_without_says_so() -> None:
    assert [(s.what, s.why, s.absent) for s in tpus("/dev/null : c 1 3 0666\n").skipped] == [
        ("google-tpu", "there is no PCI function of a TPU, nor /dev/accel0", True)
    ]
