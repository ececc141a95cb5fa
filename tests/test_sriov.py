"""SR-IOV: virtual functions, their numbers and names, and what a physical function is to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cdi.discovery import Discovery, discover
from cdi.host import Host

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = "/sys/devices/pci0000:3a/0000:3a:00.0"
PF, VF = f"{ROOT}/0000:3b:00.0", f"{ROOT}/0000:3b:01.0"
NODES = """
/dev/kmsg : c 1 11 0644
/dev/vfio/vfio : c 10 196 0666
/dev/vfio/140 : c 511 0 0600
/dev/vfio/29 : c 511 1 0600
/proc/net/route =
/sys/class/net/lo -> ../../devices/virtual/net/lo
/sys/devices/virtual/net/lo/type = 772
"""


def function(path: str, device: str, driver: str | None, *more: str) -> Iterator[str]:
    bdf = path.rpartition("/")[2]
    yield f"/sys/bus/pci/devices/{bdf} -> ../../..{path[4:]}"
    yield f"{path}/vendor = 0x8086"
    yield f"{path}/device = 0x{device}"
    yield f"{path}/class = 0x020000"
    if driver is not None:
        yield f"{path}/driver -> ../../../../bus/pci/drivers/{driver}"
    yield from (f"{path}/{line}" for line in more)


def interface(path: str, name: str) -> Iterator[str]:
    yield f"/sys/class/net/{name} -> ../..{path[4:]}/net/{name}"
    yield f"{path}/net/{name}/device -> ../../../{path.rpartition('/')[2]}"
    yield f"{path}/net/{name}/type = 1"


def group(path: str, number: int) -> Iterator[str]:
    yield f"{path}/iommu_group -> ../../../../kernel/iommu_groups/{number}"
    yield f"/sys/kernel/iommu_groups/{number}/devices/{path.rpartition('/')[2]} -> ../../../..{path[4:]}"


def physical(driver: str | None = "ice", *more: str) -> list[str]:
    with_functions = ("sriov_totalvfs = 256", "sriov_numvfs = 1")
    return [*function(PF, "1592", driver, *with_functions, *more)]


def virtual(driver: str | None, *more: str) -> list[str]:
    return [*function(VF, "1889", driver, "physfn -> ../0000:3b:00.0", *more), *group(VF, 140)]


LINK = "virtfn0 -> ../0000:3b:01.0"


def look(*lines: str, families: tuple[str, ...] = ("nic",), include: tuple[str, ...] = ()) -> Discovery:
    return discover(Host.from_tree(NODES + "\n".join(lines) + "\n"), families, include=include)


def names(discovery: Discovery, bdf: str = "0000:3b:01.0") -> dict[str, str]:
    return dict(next(device.names for device in discovery.found if device.name == bdf))


def why(discovery: Discovery) -> dict[str, str]:
    return {thing.what: thing.why for thing in discovery.skipped}


def test_a_virtual_function_is_called_by_its_number_and_the_interface_of_the_physical_one() -> None:
    found = look(*physical("ice", LINK), *interface(PF, "ens1"), *virtual("iavf"), *interface(VF, "ens1v0"))
    assert names(found) == {"bdf": "0000:3b:01.0", "interface": "ens1v0", "vf": "ens1-vf0"}


def test_without_its_link_a_virtual_function_has_no_number_and_no_such_name() -> None:
    found = look(*physical(), *interface(PF, "ens1"), *virtual("iavf"), *interface(VF, "ens1v0"))
    assert names(found) == {"bdf": "0000:3b:01.0", "interface": "ens1v0"}
    assert "vfIndex" not in found.found[0].attributes


def test_a_virtual_function_whose_physical_one_is_not_to_be_seen_is_offered() -> None:
    """As in a recording, or while the physical function is being unplugged."""
    found = look(*virtual("iavf"), *interface(VF, "ens1v0"))
    assert [device.name for device in found.found] == ["0000:3b:01.0"]
    assert found.found[0].attributes["parentPciAddress"] == "0000:3b:00.0"
    assert not found.problems


def test_a_physical_function_that_cannot_be_listed_costs_the_number_and_nothing_else() -> None:
    found = look(
        f"/sys/bus/pci/devices/0000:3b:00.0 -> ../../..{PF[4:]}", f"{PF}/ ! EACCES", *virtual("vfio-pci"),
        families=("nic", "vfio"),
    )  # fmt: skip
    assert [(device.family, device.name) for device in found.found] == [
        ("nic", "0000:3b:01.0"),
        ("vfio", "0000:3b:01.0"),
    ]


def test_a_virtual_function_without_driver_says_how_it_gets_one() -> None:
    (thing,) = look(*virtual(None)).skipped
    assert (thing.what, thing.why) == ("0000:3b:01.0", "no driver is bound to it")
    assert thing.hint == "echo 0000:3b:01.0 > /sys/bus/pci/drivers_probe"


@pytest.mark.parametrize("driver", ["vfio-pci", "igb_uio"])
def test_a_physical_function_stays_while_others_depend_on_it_whatever_it_is_bound_to(driver: str) -> None:
    lines = [*physical(driver, LINK), *group(PF, 29), f"{PF}/uio/uio0/dev = 243:0", "/dev/uio0 : c 243 0 0600"]
    lines = lines[:-2] if driver == "vfio-pci" else lines
    assert why(look(*lines, *virtual("vfio-pci")))["0000:3b:00.0"] == "its virtual function depends on it"
    asked = look(*lines, *virtual("vfio-pci"), include=("0000:3b:00.0",))
    device = next(device for device in asked.found if device.name == "0000:3b:00.0")
    assert "its virtual function depends on it" in device.warnings
    assert not device.in_all


def test_the_family_of_vfio_keeps_such_a_physical_function_too() -> None:
    lines = [*physical("vfio-pci", LINK), *group(PF, 29), *virtual("vfio-pci")]
    discovery = look(*lines, families=("vfio",))
    assert [device.name for device in discovery.found] == ["0000:3b:01.0"]
    assert why(discovery) == {"0000:3b:00.0": "its virtual function depends on it"}
    asked = look(*lines, families=("vfio",), include=("0000:3b:00.0",))
    assert [(device.name, device.in_all) for device in asked.found] == [("0000:3b:00.0", False), ("0000:3b:01.0", True)]


def test_a_virtual_function_of_one_bound_to_vfio_is_called_after_its_address() -> None:
    lines = [*physical("vfio-pci", LINK), *group(PF, 29), *virtual("vfio-pci")]
    assert names(look(*lines, families=("vfio",)))["vf"] == "0000:3b:00.0-vf0"


@pytest.mark.parametrize(("numvfs", "kept"), [("0", []), ("1", ["0000:3b:00.0"]), ("2", ["0000:3b:00.0"])])
def test_only_virtual_functions_that_exist_keep_a_physical_one(numvfs: str, kept: list[str]) -> None:
    lines = [*function(PF, "1592", "vfio-pci", "sriov_totalvfs = 256", f"sriov_numvfs = {numvfs}"), *group(PF, 29)]
    assert list(why(look(*lines))) == kept


def test_hundreds_of_virtual_functions_have_numbers_and_names_of_their_own() -> None:
    lines: list[str] = []
    for bus in (0x3B, 0x3C):
        card = f"{ROOT}/0000:{bus:02x}:00.0"
        places = [f"0000:{bus:02x}:{8 + index >> 3:02x}.{index & 7}" for index in range(248)]
        links = (f"virtfn{index} -> ../{place}" for index, place in enumerate(places))
        lines += [*function(card, "1592", "ice", "sriov_numvfs = 248", *links), *interface(card, f"ens{bus}")]
        for place in places:
            lines += function(f"{ROOT}/{place}", "1889", "iavf", f"physfn -> ../0000:{bus:02x}:00.0")
            lines += interface(f"{ROOT}/{place}", f"vf{place.replace(':', '-')}"[:15])
    found = look(*lines).found
    assert [device.names["vf"] for device in found] == [f"ens{bus}-vf{n}" for bus in (0x3B, 0x3C) for n in range(248)]
