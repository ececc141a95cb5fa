"""NVML, asked for real: a library of our own, made from a table, stands for the driver's."""

from __future__ import annotations

import ctypes
import importlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from cdi.discovery import Discovery, discover
from cdi.discovery.nvidia.answers import Answers, Failure, parse_recorded, to_files
from cdi.discovery.nvidia.gpu import Gpu, Instance
from cdi.discovery.nvidia.nvml import ask
from cdi.host import Host
from cdi.host.tree import Tree, parse_tree
from cdi.recording import snapshot
from tests.nvml import fake_nvml as fake

ROOT = Path(__file__).parent.parent.parent
A100_UUID = "GPU-5d5ba0d6-d33d-2b2c-524d-9e3d8d2b8a77"
MIG_UUIDS = ("MIG-c6d4f1ef-42e4-5de3-91c7-45d71c87eb3f", "MIG-cba663e8-9bed-5b25-b243-5985ef7c9beb")
A100 = fake.Gpu(
    minor=2,
    uuid=A100_UUID,
    name="NVIDIA A100-SXM4-40GB",
    bus_id="00000000:3B:00.0",
    mig=1,
    mig_pending=1,
    instances=(
        fake.Instance(0, 9, 0, MIG_UUIDS[0], "NVIDIA A100-SXM4-40GB MIG 1g.5gb"),
        fake.Instance(2, 1, 3, MIG_UUIDS[1], "NVIDIA A100-SXM4-40GB MIG 1c.3g.20gb", memory=19968),
    ),
)
GB200 = fake.Gpu(
    minor=1,
    uuid="GPU-b64bb0a2-1d4c-6a2b-b5b1-7a3f1c9d0e11",
    name="NVIDIA GB200",
    bus_id="00000008:01:00.0",
    memory_node=2,
    addressing=2,
    mig=0,
)
T4 = fake.Gpu(minor=0, uuid="GPU-0f6bd7c1-9d3a-11e2-8d3c-5f9a0b6c7d8e", name="Tesla T4", bus_id="00000000:00:1E.0")


def answers(tmp_path: Path, *gpus: fake.Gpu, **library: Any) -> Answers:
    path = fake.build(tmp_path / "libnvidia-ml.so.1", gpus, **library)
    found = ask(Host(tmp_path), f"/{path.name}")
    assert ctypes.CDLL(str(path)).fake_users() == 0, "not shut down"
    return found


def test_a_gpu_with_mig_devices(tmp_path: Path) -> None:
    assert answers(tmp_path, A100) == Answers(
        version="570.86.15",
        gpus=(
            Gpu(
                index=0,
                minor=2,
                uuid=A100_UUID,
                model="NVIDIA A100-SXM4-40GB",
                bdf="0000:3b:00.0",
                coherent=False,
                mig=True,
                mig_pending=True,
                instances=(
                    Instance(
                        index=0,
                        gpu_instance=9,
                        compute_instance=0,
                        uuid=MIG_UUIDS[0],
                        profile="1g.5gb",
                        memory=4864,
                    ),
                    Instance(
                        index=2,
                        gpu_instance=1,
                        compute_instance=3,
                        uuid=MIG_UUIDS[1],
                        profile="1c.3g.20gb",
                        memory=19968,
                    ),
                ),
            ),
        ),
    )


def test_a_coherent_gpu_in_a_domain_of_its_own(tmp_path: Path) -> None:
    gpu = answers(tmp_path, GB200).gpus[0]
    assert (gpu.minor, gpu.bdf, gpu.coherent, gpu.memory_node, gpu.mig) == (1, "0008:01:00.0", True, 2, False)


@pytest.mark.parametrize(
    ("bus_id", "bdf"),
    [("00000000:FF:1F.0", "0000:ff:1f.0"), ("0000ABCD:01:00.0", "abcd:01:00.0"), ("00010000:01:00.0", "10000:01:00.0")],
)
def test_addresses_are_as_sysfs_has_them(tmp_path: Path, bus_id: str, bdf: str) -> None:
    assert answers(tmp_path, T4._replace(bus_id=bus_id)).gpus[0].bdf == bdf


def test_graphics_of_a_mig_device_are_told_by_name_or_by_profile(tmp_path: Path) -> None:
    parts = (
        fake.Instance(0, 1, 0, "MIG-0", "RTX PRO 6000 MIG 1g.24gb+gfx"),
        fake.Instance(1, 2, 0, "MIG-1", "RTX PRO 6000 MIG 1g.24gb", profile_id=47),
        fake.Instance(2, 3, 0, "MIG-2", "RTX PRO 6000 MIG 1g.24gb"),
    )
    gpu = answers(tmp_path, A100._replace(instances=parts)).gpus[0]
    assert [instance.graphics for instance in gpu.instances] == [True, True, False]


def test_a_lost_gpu_hides_no_other(tmp_path: Path) -> None:
    lost = T4._replace(handle_error=fake.GPU_IS_LOST)
    late = T4._replace(minor=-fake.GPU_IS_LOST)
    found = answers(tmp_path, lost, GB200, late).gpus
    assert found[0] == Gpu(index=0, failure="NVML says: GPU is lost")
    assert found[1].model == "NVIDIA GB200"
    assert found[2] == Gpu(index=2, failure="NVML says: GPU is lost")


def test_a_failing_mig_device_hides_no_other(tmp_path: Path) -> None:
    first = A100.instances[0]._replace(error=fake.GPU_IS_LOST)
    gpu = answers(tmp_path, A100._replace(instances=(first, A100.instances[1]))).gpus[0]
    assert gpu.instances[0] == Instance(index=0, failure="NVML says: GPU is lost")
    assert gpu.instances[1].uuid == MIG_UUIDS[1]


LACKING = (
    "nvmlDeviceGetMigMode",
    "nvmlDeviceGetAddressingMode",
    "nvmlDeviceGetNumaNodeId",
    "nvmlDeviceGetUUID",
    "nvmlDeviceGetMinorNumber",
    "nvmlDeviceGetPciInfo_v3",
    "nvmlDeviceGetName",
    "nvmlSystemGetDriverVersion",
)


def test_what_an_old_library_lacks_is_unknown(tmp_path: Path) -> None:
    assert answers(tmp_path, A100, missing=LACKING) == Answers(gpus=(Gpu(index=0),))


def test_a_library_from_before_flags_starts_too(tmp_path: Path) -> None:
    assert answers(tmp_path, T4, missing=("nvmlInitWithFlags",)).gpus[0].model == "Tesla T4"


def test_a_library_without_any_start_is_a_failure(tmp_path: Path) -> None:
    found = answers(tmp_path, T4, missing=("nvmlInitWithFlags", "nvmlInit_v2"))
    assert found == Answers(failure=Failure(message="NVML says: Function Not Found", refused=True))


def test_a_mig_device_whose_parts_are_unknown_keeps_the_others(tmp_path: Path) -> None:
    missing = ("nvmlDeviceGetGpuInstanceById", "nvmlDeviceGetAttributes_v2", "nvmlDeviceGetGpuInstanceProfileInfo")
    gpu = answers(tmp_path, A100, missing=missing).gpus[0]
    assert [(part.profile, part.memory) for part in gpu.instances] == [("1g.5gb", None), ("1c.3g.20gb", None)]


def test_a_name_that_is_not_utf8_is_unknown(tmp_path: Path) -> None:
    gpu = answers(tmp_path, T4._replace(name="Tesla \xff4")).gpus[0]
    assert (gpu.model, gpu.uuid) == (None, T4.uuid)


@pytest.mark.parametrize(
    ("code", "failure"),
    [
        (
            9,
            Failure(
                message="NVML says: Driver Not Loaded",
                hint="`modprobe nvidia` loads it, and dmesg says why it does not",
                idle=True,
            ),
        ),
        (
            4,
            Failure(
                message="NVML says: Insufficient Permissions",
                hint="run as root, or as a member of the group that owns /dev/nvidiactl",
                refused=True,
            ),
        ),
        (
            18,
            Failure(
                message="NVML's library and the kernel module do not match",
                hint="reboot, or unload and load the kernel modules, so that both are of one version",
                refused=True,
                unusable=True,
            ),
        ),
        (77, Failure(message="NVML says: error 77 of the fake", refused=True)),
    ],
)
def test_each_refusal_says_what_to_do(tmp_path: Path, code: int, failure: Failure) -> None:
    assert answers(tmp_path, T4, init_error=code) == Answers(failure=failure)


def test_a_mismatch_names_both_versions(tmp_path: Path) -> None:
    fake.build(tmp_path / "libnvidia-ml.so.570.86.15", (T4,), init_error=18)
    (tmp_path / "libnvidia-ml.so.1").symlink_to("libnvidia-ml.so.570.86.15")
    (tmp_path / "sys/module/nvidia").mkdir(parents=True)
    (tmp_path / "sys/module/nvidia/version").write_text("550.54.15\n")
    failure = ask(Host(tmp_path), "/libnvidia-ml.so.1").failure
    assert failure is not None
    assert failure.message == "NVML's library is of driver 570.86.15 and the kernel module of 550.54.15 do not match"


def test_a_library_that_does_not_load_says_which_symbol_it_wants(tmp_path: Path) -> None:
    fake.build(tmp_path / "libnvidia-ml.so.1", (T4,), undefined="nobody_has_this")
    failure = ask(Host(tmp_path), "/libnvidia-ml.so.1").failure
    assert failure is not None
    assert "/libnvidia-ml.so.1: undefined symbol: nobody_has_this" in failure.message


def test_a_function_that_nobody_calls_may_be_missing(tmp_path: Path) -> None:
    assert answers(tmp_path, T4, unresolved="nobody_has_this").gpus[0].model == "Tesla T4"


def test_a_file_that_is_no_library_is_a_failure(tmp_path: Path) -> None:
    (tmp_path / "libnvidia-ml.so.1").write_text("not a library")
    failure = ask(Host(tmp_path), "/libnvidia-ml.so.1").failure
    assert failure is not None
    assert failure.message.startswith("NVML was not asked: the library cannot be loaded: /libnvidia-ml.so.1: ")


def test_a_library_that_others_may_change_is_not_loaded(tmp_path: Path) -> None:
    library = tmp_path / "home/somebody/libnvidia-ml.so.1"
    library.parent.mkdir(parents=True)
    fake.build(library, (T4,))
    library.parent.chmod(0o777)
    failure = ask(Host(tmp_path), "/home/somebody/libnvidia-ml.so.1").failure
    assert failure is not None
    assert failure.message.endswith("is not loaded: others than root may change /home/somebody")
    assert ask(Host(tmp_path, driver_root="/"), "/home/somebody/libnvidia-ml.so.1").gpus[0].model == "Tesla T4"
    library.parent.chmod(0o1777)
    assert ask(Host(tmp_path), "/home/somebody/libnvidia-ml.so.1").gpus[0].model == "Tesla T4"


def test_two_libraries_in_one_process_are_two(tmp_path: Path) -> None:
    for name, gpu in (("a", T4), ("b", GB200), ("a", A100)):
        (tmp_path / name).mkdir(exist_ok=True)
        (tmp_path / name / "libnvidia-ml.so.1").unlink(missing_ok=True)
        assert answers(tmp_path / name, gpu).gpus[0].uuid == gpu.uuid


def test_pynvml_is_left_as_it_was(tmp_path: Path) -> None:
    pynvml: Any = importlib.import_module("pynvml")
    mine = fake.build(tmp_path / "mine.so", (T4,))
    pynvml.nvmlLib = ctypes.CDLL(str(mine))
    try:
        pynvml.nvmlInit()
        assert answers(tmp_path, GB200).gpus[0].model == "NVIDIA GB200"
        assert pynvml.nvmlDeviceGetName(pynvml.nvmlDeviceGetHandleByIndex(0)) == "Tesla T4"
        pynvml.nvmlShutdown()
    finally:
        pynvml.nvmlLib = None
        pynvml._nvmlGetFunctionPointer_cache.clear()


def test_answers_survive_being_written_down(tmp_path: Path) -> None:
    found = answers(tmp_path, A100, GB200, T4._replace(handle_error=fake.GPU_IS_LOST))
    assert parse_recorded(to_files(found)) == found
    refused = replace(found, gpus=(), version=None, failure=Failure(message="no", unusable=True))
    assert parse_recorded(to_files(refused)) == refused


MACHINE = """
/dev/nvidia0 : c 195 0 0666
/dev/nvidia1 : c 195 1 0666
/dev/nvidia2 : c 195 2 0666
/dev/nvidia-caps/nvidia-cap12 : c 236 12 0444
/dev/nvidia-caps/nvidia-cap13 : c 236 13 0444
/dev/nvidia-caps/nvidia-cap84 : c 236 84 0444
/dev/nvidia-caps/nvidia-cap85 : c 236 85 0444
/dev/nvidiactl : c 195 255 0666
/proc/driver/nvidia-caps/mig-minors = "gpu2/gi1/access 12\\ngpu2/gi1/ci3/access 13\\ngpu2/gi9/access 84\\ngpu2/gi9/ci0/access 85\\n"
/drv/usr/lib64/libnvidia-ml.so.1 = here
"""  # noqa: E501 - one entry a line


class Machine(Tree):
    """A tree in which a library can be opened."""

    library: Path

    def open(self, path: str) -> int:
        assert path == "/drv/usr/lib64/libnvidia-ml.so.1"
        return os.open(self.library, os.O_RDONLY)


def machine(tmp_path: Path, *gpus: fake.Gpu, tree: str = MACHINE, **library: Any) -> Host:
    """Return a host whose driver root may be trusted."""
    source = Machine(parse_tree(tree))
    source.library = fake.build(tmp_path / "libnvidia-ml.so.1", gpus, **library)
    return Host(tmp_path, driver_root="/drv").over(source)


def offered(discovery: Discovery) -> dict[str, list[str]]:
    return {found.name: [node.path for node in found.edits.device_nodes] for found in discovery.found}


def test_nodes_go_by_minor_and_names_by_index(tmp_path: Path) -> None:
    discovery = discover(machine(tmp_path, T4, A100, GB200), ["nvidia-gpu"])
    assert offered(discovery) == {
        "0": ["/dev/nvidia0"],
        "1:0": ["/dev/nvidia2", "/dev/nvidia-caps/nvidia-cap84", "/dev/nvidia-caps/nvidia-cap85"],
        "1:2": ["/dev/nvidia2", "/dev/nvidia-caps/nvidia-cap12", "/dev/nvidia-caps/nvidia-cap13"],
        "2": ["/dev/nvidia1"],
    }
    assert [found.names for found in discovery.found][1:3] == [
        {"index": "1:0", "type-index": "mig1:0", "uuid": MIG_UUIDS[0]},
        {"index": "1:2", "type-index": "mig1:2", "uuid": MIG_UUIDS[1]},
    ]
    assert {"0000:3b:00.0": "MIG is enabled: its 2 MIG devices are offered, 1:0 to 1:2"}.items() <= {
        thing.what: thing.why for thing in discovery.skipped
    }.items()


def test_lost_and_display_gpus_are_skipped_and_say_why(tmp_path: Path) -> None:
    display = GB200._replace(name="NVIDIA DGX Display")
    discovery = discover(machine(tmp_path, T4._replace(handle_error=15), display, T4), ["nvidia-gpu"])
    assert offered(discovery) == {"2": ["/dev/nvidia0"]}
    assert [(thing.what, thing.why) for thing in discovery.skipped] == [
        ("0", "NVML says: GPU is lost"),
        ("0008:01:00.0", "NVIDIA DGX Display shows pictures, and computes nothing"),
    ]


def test_a_snapshot_has_what_nvml_said_under_other_uuids(tmp_path: Path) -> None:
    host = machine(tmp_path, T4, A100)
    text = snapshot(host)
    for secret in (T4.uuid, A100_UUID, *MIG_UUIDS):
        assert secret not in text
    again = discover(Host.from_tree(text, driver_root="/drv"), ["nvidia-gpu"])
    assert offered(again) == offered(discover(host, ["nvidia-gpu"]))
    assert [found.names.get("uuid", "")[:8] for found in again.found] == ["GPU-0200", "MIG-0200", "MIG-0200"]
    lines = [line for line in text.splitlines() if line.startswith("/.cdi/nvml/")]
    assert [line.partition(" = ")[0] for line in lines] == [f"/.cdi/nvml/{name}" for name in ("driver", "gpu0", "gpu1")]
    assert json.loads(lines[1].partition(" = ")[2])["model"] == "Tesla T4"
    assert [line for line in snapshot(Host.from_tree(text)).splitlines() if line in lines] == lines


def test_another_roots_library_is_not_loaded(tmp_path: Path) -> None:
    host = machine(tmp_path, T4)
    discovery = discover(Host(tmp_path).over(host.source), ["nvidia-gpu"])
    assert offered(discovery) == {"0": ["/dev/nvidia0"], "1": ["/dev/nvidia1"], "2": ["/dev/nvidia2"]}
    assert discovery.problems[0].message == (
        "NVML was not asked: a library of another root is loaded only if --driver-root says where; "
        "/dev tells of GPUs, but not of their UUIDs, addresses, DRM nodes and MIG"
    )


def test_a_mismatch_offers_nothing_and_says_why(tmp_path: Path) -> None:
    discovery = discover(machine(tmp_path, T4, init_error=18), ["nvidia-gpu"])
    assert discovery.found == ()
    assert {thing.why for thing in discovery.skipped} == {"NVML's library and the kernel module do not match"}


def test_a_driver_that_is_not_loaded_and_no_gpu_is_nothing_found(tmp_path: Path) -> None:
    tree = "/drv/usr/lib64/libnvidia-ml.so.1 = here\n"
    discovery = discover(machine(tmp_path, tree=tree, init_error=9), ["nvidia-gpu"])
    assert (discovery.found, discovery.problems) == ((), ())
    assert [(thing.what, thing.why) for thing in discovery.skipped] == [("nvidia-gpu", "no NVIDIA GPU")]


def test_the_command_asks_the_library_below_the_drivers_root(tmp_path: Path) -> None:
    (tmp_path / "drv/usr/lib64").mkdir(parents=True)
    fake.build(tmp_path / "drv/usr/lib64/libnvidia-ml.so.1", (GB200, T4._replace(handle_error=fake.GPU_IS_LOST)))
    (tmp_path / "dev").mkdir()
    for name in ("nvidia1", "nvidiactl"):  # a FIFO is a node, too, and needs no root to be made
        os.mkfifo(tmp_path / "dev" / name)
    command = [sys.executable, "-m", "cdi_cli", "--root", str(tmp_path), "generate", "nvidia-gpu"]
    done = subprocess.run(
        [*command, "--driver-root", "/drv", "--name", "type-index", "--annotations", "--no-all", "--explain"],
        env={"PYTHONPATH": f"{ROOT}:{ROOT}/cli"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0
    assert done.stdout.startswith(
        """\
cdiVersion: 0.6.0
kind: nvidia.com/gpu
devices:
- name: gpu0
  annotations:
    gpu.nvidia.com/coherent: 'true'
    gpu.nvidia.com/memory-numa-node: '2'
  containerEdits:
    deviceNodes:
    - path: /dev/nvidia1
      type: p
containerEdits:
"""
    )
    assert "cdi: skipped nvidia-gpu 1: NVML says: GPU is lost (dmesg may say why (Xid); " in done.stderr
