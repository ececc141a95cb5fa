"""AMD GPUs: partitions and their order, names, GPUs that do not compute, and what is said about what is wrong."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from cdi.discovery import Discovery, discover
from cdi.discovery.kfd import parse_properties, parse_target
from cdi.generation import generate
from cdi.host import Host
from cdi.model import ContainerEdits, DeviceNode
from cdi.recording import snapshot

HOSTS = Path(__file__).parent.parent / "spec-examples" / "hosts"
TOPOLOGY = "/sys/class/kfd/kfd/topology/nodes"
KFD = "/dev/kfd : c 236 0 0660 0 109\n"
SLOT = 0x0C << 8  # the location of 0000:0c:00.0
PATH = "/sys/devices/pci0000:00/0000:0c:00.0"


def function(bdf: str, *, driver: str | None = "amdgpu", class_: str = "0x120000", vendor: str = "0x1002") -> str:
    path = f"/sys/devices/pci0000:00/{bdf}"
    lines = [
        f"/sys/bus/pci/devices/{bdf} -> ../../../devices/pci0000:00/{bdf}",
        f"{path}/vendor = {vendor}",
        f"{path}/class = {class_}",
    ]
    if driver is not None:
        lines.append(f"{path}/driver -> ../../../bus/pci/drivers/{driver}")
    return "\n".join(lines) + "\n"


def drm(path: str, card: int, render: int) -> str:
    return "".join(
        f"{path}/drm/{name}/dev = 226:{minor}\n"
        f'{path}/drm/{name}/uevent = "DEVNAME=dri/{name}\\n"\n'
        f"/dev/dri/{name} : c 226 {minor} 0660 0 {group}\n"
        for name, minor, group in ((f"card{card}", card, 44), (f"renderD{render}", render, 109))
    )


def node(number: int, location: int, render: int, *, domain: int = 0, unique: int = 0) -> str:
    return (
        f"{TOPOLOGY}/{number}/gpu_id = {1000 + number}\n"
        f'{TOPOLOGY}/{number}/properties = "simd_count 152\\nsimd_per_cu 4\\nvendor_id 4098\\n'
        f'location_id {location}\\ndomain {domain}\\ndrm_render_minor {render}\\nunique_id {unique}\\n"\n'
    )


def xcp(number: int, *, sign: str = "_") -> str:
    return f"/sys/devices/platform/amdgpu_xcp{sign}{number}"


def look(text: str, *include: str) -> Discovery:
    return discover(Host.from_tree(text), ["amd-gpu"], include=include)


def called(discovery: Discovery, sort: str) -> dict[str, str | None]:
    """Return the names of a sort by the names of render nodes."""
    return {one.names["render"]: one.names.get(sort) for one in discovery.found}


def skipped(discovery: Discovery) -> list[tuple[str, str]]:
    return [(thing.what, thing.why) for thing in discovery.skipped]


WHOLE = KFD + function("0000:0c:00.0") + drm(PATH, 0, 128) + node(1, SLOT, 128)


# Partitions and order.


def test_64_partitions_are_numbered_by_address_and_partition() -> None:
    found = discover(Host.load(HOSTS / "mi300x-cpx"), ["amd-gpu"]).found
    assert [one.name for one in found] == [str(number) for number in range(64)]
    assert [one.names["partition"] for one in found] == [f"{gpu}:{part}" for gpu in range(8) for part in range(8)]
    assert [one.names["render"] for one in found] == [f"renderD{128 + number}" for number in range(64)]
    assert [one.names["bdf"] for one in found[7:9]] == ["0000:0c:00.0:7", "0000:22:00.0:0"]


def test_order_is_that_of_addresses_whatever_the_kernel_found_first() -> None:
    found = discover(Host.load(HOSTS / "mi210"), ["amd-gpu"]).found
    assert [(one.name, one.names["bdf"], one.names["render"], one.attributes["kfdNode"]) for one in found] == [
        ("0", "0000:03:00.0", "renderD130", 4),
        ("1", "0000:26:00.0", "renderD131", 5),
        ("2", "0000:43:00.0", "renderD129", 3),
        ("3", "0000:63:00.0", "renderD128", 2),
    ]


@pytest.mark.parametrize("seed", range(3))
def test_no_numbering_of_the_kernel_matters(seed: int) -> None:
    """Numbers of KFD nodes, render nodes and platform devices are dealt out at random."""
    deal = random.Random(seed)
    nodes, renders, platform = (deal.sample(range(start, start + 16), 16) for start in (1, 128, 0))
    text, expected = KFD, {}
    for gpu, bus in enumerate((0x0C, 0xA0)):
        bdf = f"0000:{bus:02x}:00.0"
        text += function(bdf)
        for part in range(8):
            at = gpu * 8 + part
            path = xcp(platform[at]) if part else f"/sys/devices/pci0000:00/{bdf}"
            text += drm(path, at, renders[at]) + node(nodes[at], bus << 8 | part, renders[at])
            expected[f"renderD{renders[at]}"] = f"{gpu}:{part}"
    assert called(look(text), "partition") == expected
    assert [one.names["partition"] for one in look(text).found] == list(expected.values())


@pytest.mark.parametrize("sign", ["_", "."])
def test_partitions_are_platform_devices_of_either_name(sign: str) -> None:
    path = xcp(0, sign=sign)
    text = WHOLE + drm(path, 1, 129) + node(2, SLOT | 1, 129)
    link = f"/dev/dri/by-path/platform-amdgpu_xcp{sign}0-render"
    found = look(f"{text}{link} -> ../renderD129\n").found
    assert [one.names["partition"] for one in found] == ["0:0", "0:1"]
    assert found[1].edits == ContainerEdits(
        device_nodes=(
            DeviceNode(path="/dev/dri/card1", type="c", major=226, minor=1, permissions="rw"),
            DeviceNode(path="/dev/dri/renderD129", type="c", major=226, minor=129, permissions="rw"),
            DeviceNode(path=link, host_path="/dev/dri/renderD129", type="c", major=226, minor=129, permissions="rw"),
        ),
        additional_gids=(44, 109),
    )


@pytest.mark.parametrize(
    ("locations", "expected"),
    [
        ((SLOT, SLOT | 1, SLOT | 2), ["0:0", "0:1", "0:2"]),
        ((SLOT | 2, SLOT | 1, SLOT), ["0:2", "0:1", "0:0"]),
        ((SLOT, SLOT | 1 << 28, SLOT | 2 << 28), ["0:0", "0:1", "0:2"]),
        ((SLOT, SLOT, SLOT), ["0:0", "0:1", "0:2"]),
    ],
    ids=["function bits", "other order", "highest bits", "counted by render node"],
)
def test_partitions_are_numbered_as_the_location_says(locations: tuple[int, int, int], expected: list[str]) -> None:
    text = KFD + function("0000:0c:00.0") + drm(PATH, 0, 128) + node(1, locations[0], 128)
    for number, location in enumerate(locations[1:], 1):
        text += drm(xcp(number - 1), number, 128 + number) + node(1 + number, location, 128 + number)
    assert list(dict(sorted(called(look(text), "partition").items())).values()) == expected


def test_a_partition_without_the_rest_of_its_gpu_keeps_its_number() -> None:
    text = KFD + function("0000:0c:00.0") + drm(xcp(2), 3, 131) + node(4, SLOT | 3, 131)
    assert [one.names["partition"] for one in look(text).found] == ["0:3"]


def test_virtual_functions_of_a_slot_are_gpus_of_their_own() -> None:
    text = KFD
    for number in (0, 1):
        bdf = f"0000:0c:02.{number}"
        text += function(bdf) + drm(f"/sys/devices/pci0000:00/{bdf}", number, 128 + number)
        text += node(number + 1, SLOT | 2 << 3 | number, 128 + number)
    assert [(one.names["partition"], one.names["bdf"]) for one in look(text).found] == [
        ("0", "0000:0c:02.0"),
        ("1", "0000:0c:02.1"),
    ]


def test_domains_are_told_apart_and_have_up_to_32_bits() -> None:
    text = KFD
    for number, domain in enumerate((0x10000, 1, 0)):
        bdf = f"{domain:04x}:0c:00.0"
        text += function(bdf) + drm(f"/sys/devices/pci0000:00/{bdf}", number, 128 + number)
        text += node(number + 1, SLOT, 128 + number, domain=domain)
    assert [one.names["bdf"] for one in look(text).found] == ["0000:0c:00.0", "0001:0c:00.0", "10000:0c:00.0"]


# Names and attributes.


def test_a_unique_id_that_partitions_share_is_the_first_ones_and_only_if_asked_for() -> None:
    text = WHOLE.replace("unique_id 0", "unique_id 171") + drm(xcp(0), 1, 129) + node(2, SLOT | 1, 129, unique=171)
    assert called(look(text), "unique-id") == {"renderD128": "0xab", "renderD129": None}
    assert [one.also for one in look(text).found] == [("partition",), ("partition",)]


def test_a_partition_with_an_id_of_its_own_is_called_by_it() -> None:
    text = WHOLE.replace("unique_id 0", "unique_id 171") + drm(xcp(0), 1, 129) + node(2, SLOT | 1, 129, unique=172)
    assert called(look(text), "unique-id") == {"renderD128": "0xab", "renderD129": "0xac"}
    assert [one.also for one in look(text).found] == [("partition", "unique-id")] * 2


def test_a_gpu_is_also_called_by_its_unique_id_or_if_it_has_none_by_its_address() -> None:
    for tree, names in (
        (WHOLE.replace("unique_id 0", "unique_id 171"), ["0", "0xab", "all"]),
        (WHOLE + f"{PATH}/unique_id = 00000000000000ab\n", ["0", "0xab", "all"]),
        (WHOLE + f"{PATH}/unique_id = 0000000000000000\n", ["0", "0000:0c:00.0", "all"]),
        (WHOLE, ["0", "0000:0c:00.0", "all"]),
    ):
        (spec,) = generate(look(tree))
        assert [device.name for device in spec.devices] == names


def test_attributes_are_those_of_kfd_and_of_the_pci_function() -> None:
    (found,) = look(
        WHOLE.replace('"simd_count', '"gfx_target_version 90402\\nsimd_count').replace("unique_id 0", "unique_id 171")
        + f'{TOPOLOGY}/1/mem_banks/0/properties = "heap_type 1\\nsize_in_bytes 206141652992\\n"\n'
        + f"{PATH}/product_name = AMD Instinct MI300X OAM\n{PATH}/numa_node = 1\n"
        + f"{PATH}/current_compute_partition = SPX\n{PATH}/current_memory_partition = NPS1\n"
        + "/sys/module/amdgpu/version = 6.12.12\n"
    ).found
    assert found.attributes == {
        "productName": "AMD Instinct MI300X OAM",
        "target": "gfx942",
        "computeUnits": 38,
        "memory": 206141652992,
        "computePartition": "SPX",
        "memoryPartition": "NPS1",
        "pciAddress": "0000:0c:00.0",
        "numaNode": 1,
        "uniqueId": "0xab",
        "kfdNode": 1,
        "cardMinor": 0,
        "renderMinor": 128,
        "driverVersion": "6.12.12",
    }
    assert found.annotations == {"gpu.amd.com/numa-node": "1"}
    assert found.warnings == ()


def test_memory_of_the_host_is_not_that_of_the_gpu() -> None:
    text = WHOLE + f'{TOPOLOGY}/1/mem_banks/0/properties = "heap_type 0\\nsize_in_bytes 8589934592\\n"\n'
    assert "memory" not in look(text).found[0].attributes


def test_an_unreadable_attribute_is_a_warning() -> None:
    (found,) = look(WHOLE + f"{PATH}/current_memory_partition ! EIO\n").found
    assert found.warnings == (f"cannot read '{PATH}/current_memory_partition': input/output error",)


def test_instruction_sets_have_hexadecimal_steps() -> None:
    targets = {90402: "gfx942", 90010: "gfx90a", 90012: "gfx90c", 110000: "gfx1100", 100300: "gfx1030", 0: None}
    assert {version: parse_target(version) for version in targets} == targets


def test_lines_that_are_no_property_are_left_out() -> None:
    assert parse_properties("domain 1\n\nname ip discovery\nhive_id\nx y\n") == {"domain": 1}


# What the kind shares.


def test_kfd_is_in_the_edits_of_the_spec_and_groups_are_where_their_nodes_are() -> None:
    (spec,) = generate(look(WHOLE))
    assert spec.cdi_version == "0.7.0"
    assert spec.container_edits == ContainerEdits(
        device_nodes=(DeviceNode(path="/dev/kfd", type="c", permissions="rw"),), additional_gids=(109,)
    )
    assert {device.container_edits.additional_gids for device in spec.devices} == {(44, 109)}


def test_an_older_runtime_gets_no_groups_and_the_reason() -> None:
    made = generate(look(WHOLE), max_version="0.6.0")
    assert [spec.cdi_version for spec in made] == ["0.5.0"]
    (loss,) = (loss.text for loss in made.losses)
    assert loss.startswith("additionalGids left out for CDI 0.6.0, 4 times: a process that is not root may lack")


def test_nodes_that_only_root_may_open_are_told() -> None:
    text = WHOLE.replace("/dev/kfd : c 236 0 0660 0 109", "/dev/kfd : c 236 0 0600")
    discovery = look(text.replace("/dev/dri/renderD128 : c 226 128 0660 0 109", "/dev/dri/renderD128 : c 226 128 0660"))
    assert [(problem.rule, problem.message) for problem in discovery.problems] == [
        ("node-closed", "amd-gpu: only root may use /dev/kfd (mode 0600, group 0)")
    ]
    assert discovery.found[0].warnings == ("only root may use /dev/dri/renderD128 (mode 0660, group 0)",)


# GPUs that do not compute.


ALONE = KFD + function("0000:0c:00.0") + drm(PATH, 0, 128)


def test_a_gpu_without_a_node_in_kfd_is_left_out() -> None:
    discovery = discover(Host.load(HOSTS / "amd-igpu-dgpu"), ["amd-gpu"])
    assert skipped(discovery) == [("0000:0e:00.0", "render-only: KFD has no node for it")]
    hint = "--include 0000:0e:00.0 or card0 or renderD129 or render-only offers it without compute"
    assert discovery.skipped[0].hint == hint


@pytest.mark.parametrize("word", ["0000:0e:00.0", "card0", "renderD129", "render-only"])
def test_a_gpu_without_a_node_in_kfd_can_be_asked_for(word: str) -> None:
    discovery = discover(Host.load(HOSTS / "amd-igpu-dgpu"), ["amd-gpu"], include=[word])
    assert (discovery.problems, discovery.skipped) == ((), ())
    (spec,) = generate(discovery)
    assert [device.name for device in spec.devices] == ["0", "0000:03:00.0", "0000:0e:00.0", "card0", "all"]
    paths = {edit.path for edit in spec.devices[-1].container_edits.device_nodes}
    assert paths >= {"/dev/dri/renderD128", "/dev/dri/renderD129"}


def test_asking_for_what_is_not_there_is_a_problem() -> None:
    assert [one.message for one in look(WHOLE, "render-only").problems] == [
        "nothing on this host is called 'render-only'"
    ]


def test_a_kernel_without_kfd_leaves_all_gpus_to_render() -> None:
    assert skipped(look(ALONE)) == [("0000:0c:00.0", "render-only: the kernel has no /sys/class/kfd/kfd")]


def test_without_dev_kfd_nothing_computes() -> None:
    discovery = look(WHOLE.replace(KFD, "") + drm(xcp(0), 1, 129) + node(2, SLOT | 1, 129))
    assert discovery.found == ()
    assert [(one.rule, one.message) for one in discovery.problems] == [
        ("node-missing", "amd-gpu: there is no /dev/kfd")
    ]
    assert skipped(discovery) == [
        ("0000:0c:00.0", "render-only: there is no /dev/kfd"),
        ("amdgpu_xcp_0", "a partition, not in use: there is no /dev/kfd"),
    ]


def test_dev_kfd_of_another_number_is_not_used() -> None:
    discovery = look(WHOLE + "/sys/class/kfd/kfd/dev = 511:0\n")
    assert [one.message for one in discovery.problems] == [
        "amd-gpu: /dev/kfd is 236:0, but the kernel has the device as 511:0"
    ]


def test_partitions_that_no_mode_uses_are_one_report() -> None:
    text = WHOLE + "".join(drm(xcp(number), 1 + number, 129 + number) for number in range(11))
    assert skipped(look(text)) == [
        ("amdgpu_xcp_0", "11 partitions, amdgpu_xcp_0 to amdgpu_xcp_10, not in use: KFD has no node for it")
    ]


# What is wrong.


def test_cpus_are_no_gpus() -> None:
    text = (
        f'{WHOLE}{TOPOLOGY}/0/gpu_id = 0\n{TOPOLOGY}/0/properties ! EPERM\n{TOPOLOGY}/9/properties = "simd_count 0"\n'
    )
    discovery = look(text)
    assert ([one.name for one in discovery.found], discovery.skipped) == (["0"], ())


def test_gpus_that_a_cgroup_hides_are_told() -> None:
    text = ALONE + f"{TOPOLOGY}/1/gpu_id ! EPERM\n{TOPOLOGY}/2/gpu_id = 7\n{TOPOLOGY}/2/properties ! EPERM\n"
    assert skipped(look(text)) == [
        ("0000:0c:00.0", "render-only: KFD has no node for it that can be read"),
        ("kfd-node-1", f"cannot read '{TOPOLOGY}/1/gpu_id': operation not permitted"),
        ("kfd-node-2", f"cannot read '{TOPOLOGY}/2/properties': operation not permitted"),
    ]


def test_an_unreadable_topology_leaves_all_gpus_to_render() -> None:
    assert skipped(look(f"{ALONE}{TOPOLOGY}/ ! EACCES\n")) == [
        ("0000:0c:00.0", f"render-only: cannot list '{TOPOLOGY}': permission denied")
    ]


def test_a_gpu_without_a_driver_says_who_has_it() -> None:
    text = (
        function("0000:0a:00.0", driver=None)
        + function("0000:0b:00.0", driver="vfio-pci", class_="0x030000")
        + function("0000:0c:00.0")
        + function("0000:0d:00.0", driver="snd_hda_intel", class_="0x040300")
    )
    discovery = look(text)
    assert [(one.what, one.why, one.hint) for one in discovery.skipped] == [
        (
            "0000:0a:00.0",
            "no driver has it",
            "`modprobe amdgpu` loads its driver; if it is loaded, dmesg says what is wrong",
        ),
        ("0000:0b:00.0", "vfio-pci has it, for virtual machines", "bind it to amdgpu to use it in containers"),
        ("0000:0c:00.0", "amdgpu has it, but made no DRM nodes for it", "dmesg says what is wrong"),
    ]


def test_a_missing_render_node_skips_its_device_and_moves_no_other() -> None:
    text = WHOLE + drm(xcp(0), 1, 129) + node(2, SLOT | 1, 129)
    discovery = look(text.replace("/dev/dri/renderD128 : c 226 128 0660 0 109\n", ""))
    assert [(one.name, one.names["render"]) for one in discovery.found] == [("1", "renderD129")]
    assert skipped(discovery) == [
        ("0000:0c:00.0:0", "the kernel has it as 226:128, but there is no /dev/dri/renderD128")
    ]


def test_a_missing_card_node_is_a_warning() -> None:
    (found,) = look(WHOLE.replace("/dev/dri/card0 : c 226 0 0660 0 44\n", "")).found
    assert [edit.path for edit in found.edits.device_nodes] == ["/dev/dri/renderD128"]
    assert found.warnings == ("the kernel has it as 226:0, but there is no /dev/dri/card0",)


def test_a_render_node_that_sysfs_lacks_or_has_elsewhere_is_not_used() -> None:
    assert skipped(look(KFD + node(1, SLOT, 128))) == [
        ("renderD128", "KFD node 1 at 0000:0c:00 has it, but no device in sysfs")
    ]
    assert skipped(look(ALONE + node(1, 0x0D << 8, 128)))[1] == (
        "renderD128",
        "KFD node 1 has it at 0000:0d:00, but it is of 0000:0c:00.0",
    )


def test_a_recording_without_numbers_in_sysfs_is_read_all_the_same() -> None:
    text = "\n".join(line for line in WHOLE.splitlines() if not line.startswith(f"{PATH}/drm/"))
    (found,) = look(f"{text}\n{PATH}/drm/card0/\n{PATH}/drm/renderD128/\n").found
    assert [edit.path for edit in found.edits.device_nodes] == ["/dev/dri/card0", "/dev/dri/renderD128"]


def test_a_host_without_amd_gpus_says_so() -> None:
    assert skipped(look(function("0000:0c:00.0", vendor="0x10de"))) == [
        ("amd-gpu", "no PCI function of vendor 0x1002 is a GPU")
    ]


def test_unique_ids_are_replaced_alike_in_sysfs_and_kfd() -> None:
    text = snapshot(
        Host.from_tree(WHOLE.replace("unique_id 0", "unique_id 171") + f"{PATH}/unique_id = 00000000000000ab\n")
    )
    assert f"{PATH}/unique_id = 0000000000000001\n" in text
    assert "unique_id 1\\n" in text


def test_functions_are_found_by_their_driver_alone() -> None:
    place = "/sys/module/amdgpu/drivers/pci:amdgpu/0000:c1:00.0"
    tree = f"{place}/drm/card1/\n{place}/drm/renderD128/\n"
    tree += "/dev/kfd : c 511 0 0666\n/dev/dri/card1 : c 226 1 0666\n/dev/dri/renderD128 : c 226 128 0666\n"
    properties = "simd_count 440\\nvendor_id 4098\\nlocation_id 49408\\ndomain 0\\ndrm_render_minor 128\\n"
    tree += f'/sys/class/kfd/kfd/topology/nodes/1/properties = "{properties}"\n'
    (found,) = discover(Host.from_tree(tree), ["amd-gpu"]).found
    assert [node.path for node in found.edits.device_nodes] == ["/dev/dri/card1", "/dev/dri/renderD128"]
