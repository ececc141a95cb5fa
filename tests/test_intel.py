"""Intel's families: GPUs, Gaudi, NPUs and QAT, beside what the example hosts show."""

from __future__ import annotations

from pathlib import Path

from cdi.discovery import Discovery, Found, Skipped, discover
from cdi.generation import generate
from cdi.host import Host

HOSTS = Path(__file__).parent.parent / "spec-examples" / "hosts"
KMSG = "/dev/kmsg : c 1 11 0644\n"  # no container has it: what is not in /dev is not there


def function(bdf: str, ids: str, class_code: str, driver: str | None = None, **attributes: object) -> str:
    """Return a PCI function as a text tree; its attributes may be any."""
    at = f"/sys/devices/pci0000:00/{bdf}"
    vendor, device = ids.split(":")
    lines = [
        f"/sys/bus/pci/devices/{bdf} -> ../../..{at[4:]}",
        f"{at}/vendor = 0x{vendor}",
        f"{at}/device = 0x{device}",
        f"{at}/class = {class_code}",
    ]
    lines += [f"{at}/driver -> ../../../bus/pci/drivers/{driver}"] if driver else []
    lines += [f"{at}/{name} = {value}" for name, value in attributes.items()]
    return "\n".join(lines) + "\n"


def node(at: str, path: str, numbers: str, mode: str = "0666") -> str:
    """Return a node and its kernel object as a text tree."""
    major, minor = numbers.split(":")
    return f'{at}/dev = {numbers}\n{at}/uevent = "DEVNAME={path}\\n"\n/dev/{path} : c {major} {minor} {mode}\n'


def gpu(bdf: str = "0000:00:02.0", driver: str | None = "i915", **attributes: object) -> str:
    return function(bdf, "8086:56c0", "0x038000", driver, **attributes)


def seen(family: str, text: str) -> Discovery:
    return discover(Host.from_tree(text), [family])


def found(family: str, text: str) -> Found:
    (one,) = seen(family, text).found
    return one


def skipped(family: str, text: str) -> Skipped:
    discovery = seen(family, text)
    assert discovery.found == ()
    (one,) = discovery.skipped
    return one


def paths(one: Found) -> list[str]:
    return [node.path for node in one.edits.device_nodes]


# GPUs


def test_a_virtual_function_knows_its_parent_and_its_number() -> None:
    discovery = discover(Host.load(HOSTS / "flex-sriov"), ["intel-gpu"])
    attributes = {one.name: one.attributes for one in discovery.found}
    assert attributes["card1"] == {
        "model": "DG2",
        "deviceId": "0x56c0",
        "driver": "i915",
        "pciAddress": "0000:4d:00.0",
        "virtualFunctions": 4,
        "totalVfs": 31,
        "numaNode": 0,
        "card": "/dev/dri/card1",
        "render": "/dev/dri/renderD128",
        "renderMinor": 128,
        "memoryBytes": 17179869184,
    }
    assert attributes["0000-4d-00-3-0x56c0"] == {
        "model": "DG2",
        "deviceId": "0x56c0",
        "driver": "vfio-pci",
        "pciAddress": "0000:4d:00.3",
        "parentPciAddress": "0000:4d:00.0",
        "vfIndex": 2,
        "numaNode": 0,
        "iommuGroup": "122",
    }


def test_a_physical_function_says_that_it_shares() -> None:
    discovery = discover(Host.load(HOSTS / "flex-sriov"), ["intel-gpu"])
    assert {one.name: one.warnings for one in discovery.found if one.warnings} == {
        "card1": ("its 4 virtual functions have a part of its memory and engines",)
    }


def test_what_is_for_virtual_machines_is_not_in_all() -> None:
    result = generate(discover(Host.load(HOSTS / "flex-sriov"), ["intel-gpu"]))
    (spec,) = result
    assert not [node for node in spec.devices[-1].container_edits.device_nodes if "vfio" in node.path]
    assert "without 0000-9a-00-0-0x56c0, which must be asked for by name" in {note.text for note in result.explanations}


def test_a_gpu_is_known_by_card_and_by_place() -> None:
    host = Host.load(HOSTS / "arc-igpu")
    cards = {one.name: one for one in discover(host, ["intel-gpu"]).found}
    assert dict(cards["card0"].names) == {"bdf": "0000:03:00.0", "card": "card0", "id": "0000-03-00-0-0xe20b"}
    assert [
        [device.name for device in spec.devices]
        for names in ([], ["id"], ["bdf"])
        for spec in generate(discover(host, ["intel-gpu"]), names=names, all_device=False)
    ] == [
        ["0000-00-02-0-0xa780", "0000-03-00-0-0xe20b", "card0", "card1"],
        ["0000-00-02-0-0xa780", "0000-03-00-0-0xe20b"],
        ["0000:00:02.0", "0000:03:00.0"],
    ]


def test_a_gpu_without_driver_says_how_to_get_it_one() -> None:
    one = skipped("intel-gpu", gpu(driver=None))
    assert (one.what, one.why) == ("0000:00:02.0", "no driver is bound to it")
    assert one.hint is not None
    assert "force_probe=56c0" in one.hint


def test_a_gpu_of_another_driver_is_skipped() -> None:
    assert skipped("intel-gpu", gpu(driver="gma500")).why.startswith("driven by gma500, neither")


def test_a_gpu_whose_driver_failed_is_skipped() -> None:
    assert skipped("intel-gpu", gpu()).why == "i915 has registered no DRM device for it"


def test_a_gpu_whose_node_is_missing_is_skipped() -> None:
    at = "/sys/devices/pci0000:00/0000:00:02.0/drm/card0"
    text = gpu() + node(at, "dri/card0", "226:0").replace("/dev/dri/card0 : c 226 0 0666\n", KMSG)
    assert skipped("intel-gpu", text).why == "the kernel has it as 226:0, but there is no /dev/dri/card0"


def test_a_gpu_without_render_node_is_a_gpu() -> None:
    at = "/sys/devices/pci0000:00/0000:00:02.0/drm/card0"
    one = found("intel-gpu", gpu(driver="xe") + node(at, "dri/card0", "226:0"))
    assert (one.name, paths(one)) == ("card0", ["/dev/dri/card0"])


def test_an_attribute_that_cannot_be_read_is_a_warning() -> None:
    at = "/sys/devices/pci0000:00/0000:00:02.0"
    names = ("numa_node", "sriov_totalvfs", "drm/card0/lmem_total_bytes")
    text = gpu() + node(f"{at}/drm/card0", "dri/card0", "226:0") + "".join(f"{at}/{name} ! EIO\n" for name in names)
    one = found("intel-gpu", text)
    assert not one.attributes.keys() & {"numaNode", "totalVfs", "memoryBytes"}
    assert one.warnings == tuple(f"cannot read '{at}/{name}': input/output error" for name in names)


def test_a_function_for_virtual_machines_without_its_node_is_skipped() -> None:
    at = "/sys/devices/pci0000:00/0000:00:02.0"
    text = gpu(driver="xe-vfio-pci") + f"{at}/iommu_group -> ../../../kernel/iommu_groups/5\n"
    text += "/sys/kernel/iommu_groups/5/devices/\n" + KMSG
    assert skipped("intel-gpu", text).why == "there is no /dev/vfio/5"
    text += "/dev/vfio/5 : c 241 0 0600\n/dev/vfio/vfio : c 10 196 0666\n"
    one = found("intel-gpu", text)
    assert (one.name, paths(one), one.in_all) == ("0000-00-02-0-0x56c0", ["/dev/vfio/5", "/dev/vfio/vfio"], False)


def test_other_functions_of_the_vendor_are_no_gpus() -> None:
    discovery = seen("intel-gpu", function("0000:00:1f.3", "8086:51c8", "0x040380", "snd_hda_intel"))
    assert (discovery.found, discovery.skipped) == ((), ())


# Gaudi

GAUDI = function("0000:00:05.0", "1da3:1020", "0x120000", "habanalabs")
GAUDI_AT = "/sys/devices/pci0000:00/0000:00:05.0"


def test_only_all_lists_the_gaudis() -> None:
    (spec,) = generate(discover(Host.load(HOSTS / "gaudi3"), ["intel-gaudi"]), devices=["accel2", "module3"])
    assert {device.name: device.container_edits.env for device in spec.devices} == {
        "0000-4d-00-0-0x1060": (),
        "0000-9c-00-0-0x1060": (),
        "accel2": (),
        "accel5": (),
        "all": (
            "HABANA_VISIBLE_DEVICES=2,5",
            "HABANA_VISIBLE_MODULES=3,7",
            "HL_VISIBLE_DEVICES=/dev/accel/accel2,/dev/accel/accel5",
        ),
    }


def test_a_gaudi_is_known_by_number_module_and_place() -> None:
    one = discover(Host.load(HOSTS / "gaudi3"), ["intel-gaudi"]).found[0]
    assert (one.name, dict(one.names)) == (
        "accel0",
        {"bdf": "0000:33:00.0", "id": "0000-33-00-0-0x1060", "index": "0", "module": "module5"},
    )
    assert one.attributes == {
        "model": "Gaudi3",
        "deviceId": "0x1060",
        "driver": "habanalabs",
        "pciAddress": "0000:33:00.0",
        "numaNode": 0,
        "accel": 0,
        "moduleId": 5,
        "verbs": "/dev/infiniband/uverbs0",
    }


def test_a_gaudi_that_is_registered_apart_is_found_by_its_address() -> None:
    at = "/sys/devices/virtual/accel/accel3"
    text = (
        GAUDI
        + node(at, "accel/accel3", "237:6")
        + node("/sys/class/accel/accel_controlD3", "accel/accel_controlD3", "237:7")
    )
    text += (
        f"/sys/class/accel/accel3 -> ../..{at[4:]}\n{at}/device/pci_addr = 0000:00:05.0\n{at}/device/module_id = 2\n"
    )
    one = found("intel-gaudi", text)
    assert (one.name, one.attributes["moduleId"], one.warnings) == ("accel3", 2, ())
    assert paths(one) == ["/dev/accel/accel3", "/dev/accel/accel_controlD3"]


def test_old_drivers_have_a_class_of_their_own() -> None:
    text = GAUDI + node("/sys/class/habanalabs/hl1", "hl1", "235:2")
    text += node("/sys/class/habanalabs/hl_controlD1", "hl_controlD1", "235:3")
    text += "/sys/class/habanalabs/hl1/pci_addr = 0000:00:05.0\n"
    one = found("intel-gaudi", text)
    assert (one.name, paths(one)) == ("hl1", ["/dev/hl1", "/dev/hl_controlD1"])
    assert one.env_lists == {"HABANA_VISIBLE_DEVICES": "1", "HL_VISIBLE_DEVICES": "/dev/hl1"}
    assert one.warnings == ("it does not say which module it is, so that HABANA_VISIBLE_MODULES goes without it",)


def test_what_a_gaudi_lacks_is_a_warning() -> None:
    text = GAUDI + node(f"{GAUDI_AT}/accel/accel0", "accel/accel0", "261:0") + f"{GAUDI_AT}/module_id = 0\n"
    text += f"{GAUDI_AT}/infiniband_verbs/uverbs0/dev = 231:192\n"
    one = found("intel-gaudi", text)
    assert paths(one) == ["/dev/accel/accel0"]
    assert one.warnings == (
        "there is no /dev/accel/accel_controlD0",
        "the kernel has it as 231:192, but there is no /dev/infiniband/uverbs0",
    )


def test_verbs_that_cannot_be_listed_hide_no_gaudi() -> None:
    text = GAUDI + node(f"{GAUDI_AT}/accel/accel0", "accel/accel0", "261:0") + f"{GAUDI_AT}/module_id = 0\n"
    text += node("/sys/class/accel/accel_controlD0", "accel/accel_controlD0", "237:0")
    one = found("intel-gaudi", text + f"{GAUDI_AT}/infiniband_verbs/ ! EACCES\n")
    assert one.warnings == (f"cannot list '{GAUDI_AT}/infiniband_verbs': permission denied",)


def test_gaudis_that_are_not_offered_say_why() -> None:
    node_missing = GAUDI + f"{GAUDI_AT}/accel/accel0/dev = 261:0\n" + KMSG
    assert [
        skipped("intel-gaudi", text).why
        for text in (
            GAUDI,
            GAUDI.replace("drivers/habanalabs", "drivers/vfio-pci"),
            function("0000:00:05.0", "1da3:1020", "0x120000"),
            function("0000:00:05.0", "1da3:0001", "0x120000", "habanalabs"),
            node_missing,
        )
    ] == [
        "habanalabs has registered no accelerator for it",
        "driven by vfio-pci, not by habanalabs",
        "no driver is bound to it",
        "a Goya, not a Gaudi",
        "the kernel has it as 261:0, but there is no /dev/accel/accel0",
    ]


# NPUs


def test_an_npu_brings_what_level_zero_needs() -> None:
    text = function("0000:00:0b.0", "8086:ffff", "0x120000", "intel_vpu")
    text += node("/sys/devices/pci0000:00/0000:00:0b.0/accel/accel1", "accel/accel1", "261:1")
    (spec,) = generate(seen("intel-npu", text), names=["index"])
    assert spec.container_edits.env == ("ZE_ENABLE_ALT_DRIVERS=libze_intel_npu.so",)
    assert [device.name for device in spec.devices] == ["1", "all"]


def test_npus_that_are_not_offered_say_why() -> None:
    npu = function("0000:00:0b.0", "8086:643e", "0x120000", "intel_vpu")
    assert [
        skipped("intel-npu", text).why
        for text in (
            npu,
            npu.replace("intel_vpu", "vfio-pci"),
            function("0000:00:0b.0", "8086:643e", "0x120000"),
            npu + "/sys/devices/pci0000:00/0000:00:0b.0/accel/accel0/dev = 261:0\n" + KMSG,
        )
    ] == [
        "its driver has registered no accelerator",
        "driven by vfio-pci, not by intel_vpu",
        "no driver is bound to it",
        "the kernel has it as 261:0, but there is no /dev/accel/accel0",
    ]


def test_another_accelerator_of_the_vendor_is_no_npu() -> None:
    fpga = function("0000:00:0b.0", "8086:bcce", "0x120000", "dfl-pci")
    assert seen("intel-npu", fpga).skipped == ()


# QAT


def test_qat_functions_say_what_they_serve() -> None:
    one = discover(Host.load(HOSTS / "qat"), ["intel-qat"]).found[0]
    assert one.attributes == {
        "model": "4xxx",
        "deviceId": "0x4941",
        "driver": "vfio-pci",
        "pciAddress": "0000:6b:00.1",
        "parentPciAddress": "0000:6b:00.0",
        "numaNode": 0,
        "state": "up",
        "services": "sym;asym",
        "iommuGroup": "300",
        "vfIndex": 0,
    }


def test_a_qat_function_whose_parent_is_down_warns() -> None:
    warnings = {one.name: one.warnings for one in discover(Host.load(HOSTS / "qat"), ["intel-qat"]).found}
    assert warnings["0000-e8-00-1-0x4941"] == ("0000:e8:00.0 is down: set qat/state to up",)


def test_a_qat_function_in_a_virtual_machine_has_no_parent() -> None:
    at = "/sys/devices/pci0000:00/0000:00:07.0"
    text = function("0000:00:07.0", "8086:4947", "0x0b4000", "vfio-pci")
    text += f"{at}/iommu_group -> ../../../kernel/iommu_groups/1\n/sys/kernel/iommu_groups/1/devices/\n"
    text += "/dev/vfio/1 : c 241 0 0600\n/dev/vfio/vfio : c 10 196 0666\n"
    one = found("intel-qat", text)
    assert (one.name, paths(one), one.how) == (
        "0000-00-07-0-0x4947",
        ["/dev/vfio/1"],
        "QAT 420xx virtual function 0000:00:07.0, IOMMU group 1",
    )


def test_physical_qat_functions_are_never_offered() -> None:
    assert [
        (one.why, one.hint)
        for one in (
            skipped("intel-qat", function("0000:6b:00.0", "8086:4940", "0x0b4000", driver, **attributes))
            for driver, attributes in (
                ("4xxx", {"sriov_totalvfs": 16, "sriov_numvfs": 0}),
                ("4xxx", {}),
                (None, {}),
                ("vfio-pci", {}),
            )
        )
    ] == [
        (
            "a physical function, the host's own; it has no virtual functions yet",
            "echo 16 > /sys/bus/pci/devices/0000:6b:00.0/sriov_numvfs",
        ),
        (
            "a physical function, the host's own; it can have no virtual functions",
            "SR-IOV and the IOMMU must be on, in the firmware and with intel_iommu=on",
        ),
        ("a physical function without driver", "modprobe qat_4xxx"),
        ("a physical function driven by vfio-pci", "unbind it, then modprobe qat_4xxx"),
    ]


def test_an_older_model_says_that_vfio_refuses_it() -> None:
    one = skipped("intel-qat", function("0000:b1:01.0", "8086:37c9", "0x0b4000", "c6xxvf"))
    assert one.why == "driven by c6xxvf, for the host's own use"
    assert one.hint is not None
    assert one.hint.endswith("vfio-pci takes this model with disable_denylist=1 only")


def test_what_a_parent_does_not_tell_is_a_warning() -> None:
    parent = "/sys/devices/pci0000:00/0000:00:06.0"
    at = "/sys/devices/pci0000:00/0000:00:07.0"
    text = function("0000:00:06.0", "8086:4940", "0x0b4000", "4xxx", sriov_numvfs=1)
    text += f"{parent}/virtfn0 -> ../0000:00:07.0\n{at}/physfn -> ../0000:00:06.0\n{parent}/qat/state ! EIO\n"
    text += function("0000:00:07.0", "8086:4941", "0x0b4000", "vfio-pci")
    text += f"{at}/iommu_group -> ../../../kernel/iommu_groups/1\n/sys/kernel/iommu_groups/1/devices/\n"
    text += "/dev/vfio/1 : c 241 0 0600\n/dev/vfio/vfio : c 10 196 0666\n"
    one = found("intel-qat", text)
    assert one.warnings == (f"cannot read '{parent}/qat/state': input/output error",)
    assert one.attributes["vfIndex"] == 0
