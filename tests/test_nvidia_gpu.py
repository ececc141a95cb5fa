"""NVIDIA GPUs without NVML: what the kernel module and the nodes tell, and what is said of what they do not."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from cdi.discovery import Discovery, discover
from cdi.discovery.nvidia.caps import parse_minors
from cdi.discovery.nvidia.gpu import parse_address
from cdi.discovery.nvidia.procfs import parse_information, parse_version
from cdi.generation import generate
from cdi.hooks import links_of
from cdi.host import Host

HOSTS = Path(__file__).parent.parent / "spec-examples" / "hosts"
FUNCTION = """
/sys/bus/pci/devices/{bdf} -> ../../../devices/pci0000:00/{bdf}
/sys/devices/pci0000:00/{bdf}/class = 0x030200
/sys/devices/pci0000:00/{bdf}/vendor = 0x10de
/sys/devices/pci0000:00/{bdf}/numa_node = 1
/sys/devices/pci0000:00/{bdf}/driver -> ../../../bus/pci/drivers/{driver}
"""


def information(bdf: str, minor: int, uuid: str = "GPU-0f6bd7c1-9d3a-11e2-8d3c-5f9a0b6c7d8e", more: str = "") -> str:
    text = f"Model: \t\t NVIDIA A30\nGPU UUID: \t {uuid}\nBus Location: \t {bdf}\nDevice Minor: \t {minor}\n{more}"
    return f"/proc/driver/nvidia/gpus/{bdf}/information = {json.dumps(text)}\n"


def node(minor: int) -> str:
    return f"/dev/nvidia{minor} : c 195 {minor} 0666\n"


def found(*parts: str, families: tuple[str, ...] = ("nvidia-gpu",)) -> Discovery:
    return discover(Host.from_tree("".join(parts)), families)


def nodes(discovery: Discovery) -> dict[str, list[str]]:
    return {found.name: [node.path for node in found.edits.device_nodes] for found in discovery.found}


def reasons(discovery: Discovery) -> dict[str, str]:
    return {thing.what: thing.why for thing in discovery.skipped}


def messages(discovery: Discovery) -> list[str]:
    return [problem.message for problem in discovery.problems if not problem.message.startswith("there is no ")]


NOT_ASKED = "NVML was not asked: a library of another root is loaded only if --driver-root says where"
FROM_KERNEL = (
    f"{NOT_ASKED}; /proc/driver/nvidia tells of GPUs, but not of the mode of MIG, the UUIDs of MIG devices and "
    "coherent memory"
)
FROM_NODES = f"{NOT_ASKED}; /dev tells of GPUs, but not of their UUIDs, addresses, DRM nodes and MIG"


def test_the_kernel_counts_gpus_by_address_as_numbers() -> None:
    discovery = found(
        information("10000:01:00.0", 0),
        information("0000:0a:00.0", 2),
        information("0000:09:00.0", 1),
        *map(node, range(3)),
    )
    assert nodes(discovery) == {"0": ["/dev/nvidia1"], "1": ["/dev/nvidia2"], "2": ["/dev/nvidia0"]}
    assert discovery.found[2].names["bdf"] == "10000:01:00.0"
    assert messages(discovery) == [FROM_KERNEL]


def test_what_the_kernel_says_becomes_names_and_attributes() -> None:
    discovery = found(information("0000:09:00.0", 1), FUNCTION.format(bdf="0000:09:00.0", driver="nvidia"), node(1))
    device = discovery.found[0]
    assert (device.name, device.names, device.also) == (
        "0",
        {
            "index": "0",
            "type-index": "gpu0",
            "uuid": "GPU-0f6bd7c1-9d3a-11e2-8d3c-5f9a0b6c7d8e",
            "bdf": "0000:09:00.0",
        },
        ("uuid",),
    )
    assert device.attributes == {
        "model": "NVIDIA A30",
        "minor": 1,
        "node": "/dev/nvidia1",
        "pciAddress": "0000:09:00.0",
        "numaNode": 1,
        "uuid": "GPU-0f6bd7c1-9d3a-11e2-8d3c-5f9a0b6c7d8e",
    }
    assert device.annotations == {"gpu.nvidia.com/numa-node": "1"}
    assert device.how == "NVIDIA A30, /dev/nvidia1, PCI function 0000:09:00.0; told by /proc/driver/nvidia"


def test_a_uuid_that_the_kernel_does_not_know_yet_is_no_name() -> None:
    unknown = "GPU-????????-????-????-????-????????????"
    discovery = found(information("0000:09:00.0", 0, uuid=unknown), node(0))
    assert "uuid" not in discovery.found[0].names


def test_an_excluded_gpu_is_not_counted() -> None:
    discovery = found(
        information("0000:09:00.0", 0, more="GPU Excluded:\t Yes\n"), information("0000:0a:00.0", 1), node(0), node(1)
    )
    assert nodes(discovery) == {"0": ["/dev/nvidia1"]}
    assert reasons(discovery) == {"0000:09:00.0": "the driver was told to leave it alone (NVreg_ExcludedGpus)"}


def test_a_gpu_without_a_node_is_skipped() -> None:
    discovery = found(information("0000:09:00.0", 0), "/dev/kmsg : c 1 11 0644\n")
    assert reasons(discovery) == {"0000:09:00.0": "there is no /dev/nvidia0"}


def test_a_node_of_the_drivers_root_that_is_none_is_named() -> None:
    tree = information("0000:09:00.0", 0) + information("0000:0a:00.0", 1)
    tree += "/drv/dev/nvidia0 -> real0\n/drv/dev/real0 : c 195 0 0666\n"
    discovery = discover(Host.from_tree(tree, driver_root="/drv"), ["nvidia-gpu"])
    assert [(thing.what, thing.why, thing.broken) for thing in discovery.skipped] == [
        ("0000:09:00.0", "/drv/dev/nvidia0 is a symbolic link, which runtimes do not follow to a device", True),
        ("0000:0a:00.0", "there is no /drv/dev/nvidia1, nor /dev/nvidia1", True),
    ]


MIG = """
/proc/driver/nvidia/capabilities/gpu0/mig/gi2/access = "DeviceFileMinor: 21\\nDeviceFileMode: 292\\n"
/proc/driver/nvidia/capabilities/gpu0/mig/gi2/ci0/access = "DeviceFileMinor: 22\\nDeviceFileMode: 292\\n"
/proc/driver/nvidia/capabilities/gpu0/mig/gi10/access = "DeviceFileMinor: 93\\nDeviceFileMode: 292\\n"
/proc/driver/nvidia/capabilities/gpu0/mig/gi10/ci0/access = "DeviceFileMinor: 94\\nDeviceFileMode: 292\\n"
/dev/nvidia-caps/nvidia-cap21 : c 236 21 0444
/dev/nvidia-caps/nvidia-cap22 : c 236 22 0444
/dev/nvidia-caps/nvidia-cap93 : c 236 93 0444
"""


def test_mig_devices_are_found_without_nvml() -> None:
    discovery = found(information("0000:09:00.0", 0), node(0), MIG)
    assert nodes(discovery) == {
        "0:0": ["/dev/nvidia0", "/dev/nvidia-caps/nvidia-cap21", "/dev/nvidia-caps/nvidia-cap22"]
    }
    assert reasons(discovery) == {
        "0000:09:00.0": "MIG is enabled: its 2 MIG devices are offered, 0:0 to 0:1",
        "0:1": "there is no /dev/nvidia-caps/nvidia-cap94",
    }
    assert messages(discovery) == [
        FROM_KERNEL,
        "0000:09:00.0: MIG devices are numbered by their instances: NVML may number them otherwise",
    ]


def test_nodes_alone_are_gpus_called_by_their_minors() -> None:
    discovery = found(*map(node, (0, 2, 10)), "/dev/nvidiactl : c 195 255 0666\n")
    assert [device.name for device in discovery.found] == ["0", "2", "10"]
    assert messages(discovery)[:1] == [FROM_NODES]


def test_the_only_node_is_the_only_functions() -> None:
    discovery = found(node(3), FUNCTION.format(bdf="0000:09:00.0", driver="nvidia"))
    assert (discovery.found[0].name, discovery.found[0].names["bdf"]) == ("3", "0000:09:00.0")


def test_nodes_that_a_driver_left_are_not_offered() -> None:
    discovery = found(node(0), FUNCTION.format(bdf="0000:09:00.0", driver="vfio-pci"))
    assert (discovery.found, messages(discovery)) == ((), [NOT_ASKED])
    assert reasons(discovery) == {"0000:09:00.0": "vfio-pci drives it, not nvidia"}


def test_a_broken_host_says_what_is_wrong_with_each_gpu() -> None:
    discovery = discover(Host.load(HOSTS / "nvidia-broken"), ["nvidia-gpu"])
    assert (discovery.found, discovery.problems) == ((), ())
    assert {thing.what: (thing.why, thing.hint) for thing in discovery.skipped} == {
        "0000:01:00.0": (
            "nouveau drives it, which knows no CUDA",
            "install NVIDIA's driver, which keeps nouveau away, and reboot",
        ),
        "0000:02:00.0": (
            "vfio-pci drives it, not nvidia",
            "it is kept for virtual machines: unbind it, and bind it to nvidia",
        ),
        "0000:03:00.0": (
            "no driver has it",
            "`modprobe nvidia` loads the driver, if it is installed, and dmesg says why it does not",
        ),
    }


def test_a_mig_parent_says_which_devices_it_became() -> None:
    discovery = discover(Host.load(HOSTS / "a100-mig"), ["nvidia-gpu"])
    assert [(thing.what, thing.why, thing.hint) for thing in discovery.skipped] == [
        (
            "0000:0f:00.0",
            "MIG is enabled: its 4 MIG devices are offered, 1:0 to 1:3",
            "`nvidia-smi -i 1 -mig 0` gives the whole GPU",
        ),
        (
            "0000:47:00.0",
            "MIG is enabled, and it has no MIG devices yet",
            "`nvidia-smi mig -i 2 -cgi PROFILE -C` makes them, `nvidia-smi -i 2 -mig 0` disables MIG",
        ),
    ]


def test_coherent_memory_and_numa_nodes_are_annotations() -> None:
    discovery = discover(Host.load(HOSTS / "gb200"), ["nvidia-gpu"])
    spec = generate(discovery, annotations=True, names=["type-index"], all_device=False).specs[0]
    assert {device.name: device.annotations for device in spec.devices}["gpu1"] == {
        "gpu.nvidia.com/coherent": "true",
        "gpu.nvidia.com/numa-node": "0",
        "gpu.nvidia.com/memory-numa-node": "10",
    }


@pytest.mark.parametrize(
    ("pending", "message"),
    [
        ('"mig":false,"migPending":true', "MIG is off, and will be on once the GPU is reset: generate again then"),
        ('"mig":true,"migPending":false', "MIG is on, and will be off once the GPU is reset: generate again then"),
    ],
)
def test_a_pending_mode_of_mig_is_a_warning(pending: str, message: str) -> None:
    discovery = found(f'/.cdi/nvml/gpu0 = {{"index":0,"minor":0,{pending}}}\n', node(0))
    assert messages(discovery) == [f"GPU 0: {message}"]


def test_numbers_of_an_earlier_load_are_a_warning() -> None:
    discovery = found(
        '/.cdi/nvml/gpu0 = {"index":0,"minor":1}\n',
        "/dev/nvidia1 : c 195 2 0666\n/dev/nvidia-uvm : c 510 0 0666\n",
        '/proc/devices = "Character devices:\\n195 nvidia-frontend\\n509 nvidia-uvm\\n\\nBlock devices:\\n510 sd\\n"\n',
    )
    assert messages(discovery)[:2] == [
        "GPU 0: /dev/nvidia1 is 195:2, not minor 1",
        "/dev/nvidia-uvm is 510:0, but the kernel has the driver as 509",
    ]


def test_each_missing_control_node_is_a_warning() -> None:
    discovery = found('/.cdi/nvml/gpu0 = {"index":0,"minor":0}\n', node(0))
    assert [p.message for p in discovery.problems if p.message.startswith("there is no /dev")] == [
        "there is no /dev/nvidiactl",
        "there is no /dev/nvidia-modeset",
        "there is no /dev/nvidia-uvm",
        "there is no /dev/nvidia-uvm-tools",
    ]


def test_an_answer_that_makes_no_sense_is_a_step_down() -> None:
    discovery = found("/.cdi/nvml/gpu0 = [1]\n", node(0))
    assert messages(discovery)[0].startswith("NVML was not asked: /.cdi/nvml/gpu0: not an answer of NVML: ")
    assert nodes(discovery) == {"0": ["/dev/nvidia0"]}


@pytest.mark.parametrize("where", ["/etc/nv_tegra_release = R36\n", "/sys/devices/soc0/family = Tegra\n"])
def test_the_gpu_of_a_tegra_is_another_familys(where: str) -> None:
    discovery = found(where, node(0))
    assert [(thing.why, thing.hint) for thing in discovery.skipped] == [
        ("the GPU of a Tegra is on no bus", "the family nvidia-tegra has it")
    ]


def test_the_gpus_of_wsl_are_another_familys() -> None:
    discovery = found("/dev/dxg : c 10 125 0666\n")
    assert reasons(discovery) == {"nvidia-gpu": "in WSL, GPUs are behind /dev/dxg"}


def test_a_host_without_gpus_has_none_and_no_problem() -> None:
    discovery = found("/usr/lib64/libnvidia-ml.so.1 =\n")
    assert (discovery.problems, reasons(discovery)) == ((), {"nvidia-gpu": "no NVIDIA GPU"})


def test_a_mig_device_without_capabilities_is_skipped() -> None:
    instance = '{"index":0,"gpuInstance":1,"computeInstance":2}'
    discovery = found(f'/.cdi/nvml/gpu0 = {{"index":0,"minor":3,"mig":true,"instances":[{instance}]}}\n', node(3))
    assert reasons(discovery)["0:0"] == "/proc/driver/nvidia-caps/mig-minors has no gpu3/gi1/ci2"


def test_a_mig_device_with_graphics_brings_the_drm_nodes_of_its_gpu() -> None:
    instance = '{"index":0,"gpuInstance":2,"computeInstance":0,"profile":"1g.24gb+gfx","graphics":true}'
    plain = '{"index":1,"gpuInstance":10,"computeInstance":0,"profile":"1g.24gb"}'
    bdf = "0000:09:00.0"
    discovery = found(
        f'/.cdi/nvml/gpu0 = {{"index":0,"minor":0,"bdf":"{bdf}","mig":true,"instances":[{instance},{plain}]}}\n',
        node(0),
        MIG,
        FUNCTION.format(bdf=bdf, driver="nvidia"),
        "/dev/nvidia-caps/nvidia-cap94 : c 236 94 0444\n",
        f'/sys/devices/pci0000:00/{bdf}/drm/card1/uevent = "MAJOR=226\\nMINOR=1\\nDEVNAME=dri/card1\\n"\n',
        f"/sys/devices/pci0000:00/{bdf}/drm/card1/dev = 226:1\n",
        f"/dev/dri/card1 : c 226 1 0660 0 44\n/dev/dri/by-path/pci-{bdf}-card -> ../card1\n",
    )
    with_graphics, without = (device.edits for device in discovery.found)
    assert [node.path for node in with_graphics.device_nodes] == [
        "/dev/nvidia0",
        "/dev/nvidia-caps/nvidia-cap21",
        "/dev/nvidia-caps/nvidia-cap22",
        "/dev/dri/card1",
    ]
    assert [links_of(hook) for hook in with_graphics.hooks] == [(("../card1", f"/dev/dri/by-path/pci-{bdf}-card"),)]
    assert (with_graphics.additional_gids, without.additional_gids, without.hooks) == ((44,), (), ())
    assert discovery.found[0].how == (
        "MIG device (1g.24gb+gfx, GPU instance 2, compute instance 0) of GPU, /dev/nvidia0, "
        "PCI function 0000:09:00.0; told by NVML"
    )


UNASKED = """
import sys
from cdi.discovery import discover
from cdi.host import Host
discover(Host(sys.argv[1], driver_root="/drv"), ["nvidia-gpu"])
sys.exit("pynvml" in sys.modules)
"""


def test_where_nothing_is_nvidias_nothing_is_loaded(tmp_path: Path) -> None:
    (tmp_path / "drv").mkdir()
    subprocess.run([sys.executable, "-c", UNASKED, str(tmp_path)], check=True)


def test_nodes_of_the_drivers_root_come_first() -> None:
    text = node(0) + node(1) + "/drv/dev/nvidia0 : c 195 0 0666\n"
    paths = {
        root: {
            found.name: found.edits.device_nodes[0].host_path
            for found in discover(Host.from_tree(text, driver_root="/drv", dev_root=root), ["nvidia-gpu"]).found
        }
        for root in (None, "/", "/drv")
    }
    assert paths == {
        None: {"0": "/drv/dev/nvidia0", "1": None},
        "/": {"0": None, "1": None},
        "/drv": {"0": "/drv/dev/nvidia0"},
    }


def test_management_has_every_node_of_the_driver_but_those_of_others() -> None:
    discovery = found(
        *map(node, (0, 10, 2)),
        "/dev/nvidiactl : c 195 255 0666\n/dev/nvidia-fs0 : c 500 0 0666\n/dev/nvidia-nvswitch0 : c 234 0 0666\n",
        "/dev/nvidia-caps/nvidia-cap1 : c 236 1 0400\n/dev/nvidia-caps-imex-channels/channel0 : c 237 0 0666\n",
        families=("nvidia-management",),
    )
    spec = generate(discovery).specs[0]
    assert (spec.kind, [device.name for device in spec.devices]) == (
        "management.nvidia.com/gpu",
        ["channel0", "nvidia0", "nvidia2", "nvidia10", "nvidia-cap1", "nvidiactl", "all"],
    )
    assert [node.path for node in spec.devices[-1].container_edits.device_nodes] == [
        "/dev/nvidia0",
        "/dev/nvidia2",
        "/dev/nvidia10",
        "/dev/nvidia-caps-imex-channels/channel0",
        "/dev/nvidia-caps/nvidia-cap1",
        "/dev/nvidiactl",
    ]


def test_management_of_nothing_says_so() -> None:
    assert reasons(found(families=("nvidia-management",))) == {"nvidia-management": "the driver has no nodes in /dev"}


def test_addresses_in_every_spelling() -> None:
    texts = ("00000000:3B:00.0", "0000:3b:00", "00010000:01:00.0", "3b:00.0", "")
    assert [parse_address(text) for text in texts] == ["0000:3b:00.0", "0000:3b:00.0", "10000:01:00.0", None, None]


def test_versions_of_the_module() -> None:
    old = (
        "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.104.05  Sat Aug 19 01:15:15 UTC 2023\nGCC version: 12.3.0"
    )
    assert [parse_version(text) for text in (old, "570.86.15\n", "560.35\n", "GCC 12.3.0", "")] == [
        "535.104.05",
        "570.86.15",
        "560.35",
        None,
        None,
    ]


def test_lines_that_make_no_sense_are_passed_over() -> None:
    assert parse_information("Model: \t\t Tesla T4\nno colon\n\nIRQ:\n") == {"Model": "Tesla T4", "IRQ": ""}
    assert parse_minors("config 1\ngpu0/gi1/access x\n\ngpu0/gi1/access 12") == {"config": 1, "gpu0/gi1/access": 12}
