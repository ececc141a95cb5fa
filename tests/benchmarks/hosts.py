"""Hosts as directories, as large as those of real servers, to measure discovery on."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

VERSION = "550.54.15"
LIBRARIES = 60


def write_functions(root: Path, number: int) -> None:
    """Add network interfaces to a host, each a virtual function of one card."""
    (root / "sys/bus/pci/drivers/iavf").mkdir(parents=True, exist_ok=True)
    (root / "proc/net").mkdir(parents=True, exist_ok=True)
    (root / "proc/net/route").write_text("Iface\tDestination\tGateway\tFlags\n")
    for index in range(number):
        bdf = f"0000:3b:{index // 8:02x}.{index % 8}"
        facts = {"class": "0x020000", "vendor": "0x8086", "device": "0x1889", "numa_node": "0"}
        device = _function(root, bdf, "iavf", facts)
        net = device / f"net/eth{index}"
        link = str(index + 2)
        facts = {"type": "1", "flags": "0x1003", "mtu": "1500", "operstate": "up", "ifindex": link, "iflink": link}
        _write(net, facts)
        (net / "device").symlink_to(f"../../../{bdf}")
        _link(root / f"sys/class/net/eth{index}", net)


def write_gpus(root: Path, number: int) -> None:
    """Add NVIDIA GPUs to a host, with the nodes and libraries of a driver; needs root."""
    (root / "sys/bus/pci/drivers/nvidia").mkdir(parents=True, exist_ok=True)
    _write(root / "sys/module/nvidia", {"version": VERSION})
    _write(root / "proc/driver/nvidia", {"version": f"NVRM version: NVIDIA UNIX x86_64 Kernel Module  {VERSION}"})
    for name, minor in {"ctl": 255, "-modeset": 254}.items():
        _node(root / f"dev/nvidia{name}", 195, minor)
    for name, minor in {"uvm": 0, "uvm-tools": 1}.items():
        _node(root / f"dev/nvidia-{name}", 510, minor)
    for index in range(number):
        bdf = f"0000:{index + 0x40:02x}:00.0"
        facts = {"class": "0x030200", "vendor": "0x10de", "device": "0x2330", "numa_node": str(index % 2)}
        device = _function(root, bdf, "nvidia", facts)
        uuid = f"GPU-00000000-0000-0000-0000-{index:012}"
        lines = {"Model": "NVIDIA H100 80GB HBM3", "GPU UUID": uuid, "Bus Location": bdf, "Device Minor": str(index)}
        information = "".join(f"{key + ':':17}{value}\n" for key, value in lines.items())
        place = root / f"proc/driver/nvidia/gpus/{bdf}"
        place.mkdir(parents=True)
        (place / "information").write_text(information)
        _node(root / f"dev/nvidia{index}", 195, index)
        for name, minor in {f"card{index}": index, f"renderD{128 + index}": 128 + index}.items():
            uevent = f"MAJOR=226\nMINOR={minor}\nDEVNAME=dri/{name}\nDEVTYPE=drm_minor"
            _write(device / f"drm/{name}", {"dev": f"226:{minor}", "uevent": uevent})
            _node(root / f"dev/dri/{name}", 226, minor)
    _write_driver(root)


def _write_driver(root: Path) -> None:
    libraries = root / "usr/lib/x86_64-linux-gnu"
    libraries.mkdir(parents=True)
    for name in ("libcuda", "libnvidia-ml", *(f"libnvidia-part{index:02}" for index in range(LIBRARIES))):
        (libraries / f"{name}.so.{VERSION}").write_bytes(b"")
        (libraries / f"{name}.so.1").symlink_to(f"{name}.so.{VERSION}")
    programs = root / "usr/bin"
    programs.mkdir(parents=True)
    for name in ("nvidia-cdi-hook", "nvidia-smi", "nvidia-persistenced"):
        (programs / name).touch(mode=0o755)


def _function(root: Path, bdf: str, driver: str, facts: dict[str, str]) -> Path:
    device = root / "sys/devices/pci0000:3a" / bdf
    identity = f"{facts['vendor'][2:]}:{facts['device'][2:]}".upper()
    _write(device, facts | {"uevent": f"DRIVER={driver}\nPCI_ID={identity}\nPCI_SLOT_NAME={bdf}"})
    (device / "driver").symlink_to(f"../../../bus/pci/drivers/{driver}")
    _link(root / f"sys/bus/pci/devices/{bdf}", device)
    return device


def _write(directory: Path, facts: dict[str, str]) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    for name, value in facts.items():
        (directory / name).write_text(f"{value}\n")


def _link(link: Path, target: Path) -> None:
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(os.path.relpath(target, link.parent))


def _node(path: Path, major: int, minor: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    os.mknod(path, 0o020666, os.makedev(major, minor))
