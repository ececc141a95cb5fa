"""Snapshots: what identifies a machine is replaced, consistently."""

from __future__ import annotations

from cdi.host import Host
from cdi.recording import snapshot

PRIVATE = r"""
/proc/net/route = "Iface\tDestination\tGateway\tFlags\tRefCnt\neth0\t00000000\tFE01A8C0\t0003\t0\t0\t0\t00000000\n"
/sys/class/net/enx3c22fb010203 -> ../../devices/virtual/net/enx3c22fb010203
/sys/devices/virtual/net/enx3c22fb010203/address = 3c:22:fb:01:02:03
/sys/devices/virtual/net/enx3c22fb010203/uevent = "INTERFACE=enx3c22fb010203\nDEVTYPE=vlan\n"
/sys/class/net/lo/address = 00:00:00:00:00:00
/sys/class/net/lo/type = 772
/etc/hostname = private.example
"""


def test_addresses_are_replaced_and_stay_consistent() -> None:
    text = snapshot(Host.from_tree(PRIVATE))
    for secret in ("3c:22:fb", "3c22fb", "FE01A8C0", "private.example"):
        assert secret not in text
    assert "/sys/devices/virtual/net/enx020000000001/address = 02:00:00:00:00:01\n" in text
    assert "/sys/class/net/enx020000000001 -> ../../devices/virtual/net/enx020000000001\n" in text
    assert "/sys/class/net/lo/address = 00:00:00:00:00:00\n" in text
    assert "eth0\\t00000000\\t0100008A\\t0003" in text


def test_a_host_with_nothing_gives_a_snapshot_too() -> None:
    assert snapshot(Host.from_tree("")).startswith("# A host as recorded")


GPU = """
/proc/driver/nvidia/gpus/0000:3b:00.0/information = "Model: \\t NVIDIA L4\\nGPU UUID: \\t GPU-5d5ba0d6-d33d-2b2c-524d-9e3d8d2b8a77\\nDevice Minor: \\t 0\\n"
/.cdi/nvml/gpu0 = {"index":0,"minor":0,"uuid":"GPU-5d5ba0d6-d33d-2b2c-524d-9e3d8d2b8a77","instances":[{"index":0,"uuid":"MIG-c6d4f1ef-42e4-5de3-91c7-45d71c87eb3f"}]}
"""  # noqa: E501 - one entry a line


def test_uuids_of_gpus_are_replaced_in_whatever_names_them() -> None:
    text = snapshot(Host.from_tree(GPU))
    assert "5d5ba0d6" not in text
    assert "c6d4f1ef" not in text
    assert text.count("GPU-02000000-0000-0000-0000-000000000001") == 2
    assert text.count("MIG-02000000-0000-0000-0000-000000000002") == 1


LIBRARIES = """
/dev/nvidia0 : c 195 0 0666
/usr/lib64/libcuda.so.550.54.15 = library
/usr/lib64/libprivate.so.1 = not asked about
/usr/bin/nvidia-smi : f 0750 0 44
"""


def test_names_of_files_that_nobody_asked_about_are_left_out() -> None:
    text = snapshot(Host.from_tree(LIBRARIES))
    assert "libcuda.so.550.54.15" in text
    assert "libprivate" not in text


def test_programs_stay_programs() -> None:
    assert "/usr/bin/nvidia-smi : f 0755\n" in snapshot(Host.from_tree(LIBRARIES))


def test_release_of_the_kernel_stays() -> None:
    text = "/proc/sys/kernel/osrelease = 5.15.167.4-microsoft-standard-WSL2\n"
    assert text in snapshot(Host.from_tree(text))


def test_of_a_long_table_of_connections_the_needed_ones_are_there() -> None:
    other = "   1: 0501A8C0:01BB 0901A8C0:D2F4 01 0:0 0:0 0 0 0 7 1 0000000000000000 20 4 1 10 -1 \\n"
    table = "head\\n" + other * 20000 + "   2: 0501A8C0:0016 0901A8C0:D2F4 01 0:0 0:0 0 0 0 8 1\\n"
    text = snapshot(Host.from_tree(f'/sys/class/net/eth0/\n/proc/net/tcp = "{table}"\n'))
    assert ":0016 " in text
    assert len(text) < 2000
