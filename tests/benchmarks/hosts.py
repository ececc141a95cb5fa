"""Hosts as directories, as large as those of real servers, to measure discovery on."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

VERSION = "550.54.15"
LIBRARIES = 60
FUNCTIONS = 128  # virtual functions of a card
RDMA = 231  # major number


def write_functions(root: Path, number: int) -> None:
    """Add virtual functions of ConnectX-6 Dx cards to a host, half with interfaces, half for VFIO; needs root."""
    (root / "proc/net").mkdir(parents=True, exist_ok=True)
    (root / "proc/net/route").write_text("Iface\tDestination\tGateway\tFlags\n")
    _misc(root, "rdma_cm", "infiniband/rdma_cm", 122)
    _misc(root, "vfio", "vfio/vfio", 196)
    _misc(root, "iommu", "iommu", 125)
    for card in range(-(-number // FUNCTIONS)):
        count = min(FUNCTIONS, number - card * FUNCTIONS)
        bus = 0x3B + card
        facts = {"device": "0x101d", "sriov_totalvfs": str(FUNCTIONS), "sriov_numvfs": str(count)}
        physical = _card(root, f"0000:{bus:02x}:00.0", "mlx5_core", facts)
        _interface(root, physical, f"ens{card}np0", card + 2, port=f"p{card}")
        _rdma(root, physical, card, f"ens{card}np0")
        for index in range(count):
            place = index + 1  # with ARI, the functions of a bus go on over its devices
            bdf = f"0000:{bus:02x}:{place // 8:02x}.{place % 8}"
            serial = card * FUNCTIONS + index
            driver = "mlx5_core" if index % 2 == 0 else "vfio-pci"
            device = _card(root, bdf, driver, {"device": "0x101e"})
            (device / "physfn").symlink_to(f"../{physical.name}")
            (physical / f"virtfn{index}").symlink_to(f"../{bdf}")
            _group(root, device, 100 + serial)
            if driver == "vfio-pci":
                _vfio(root, device, 100 + serial, serial)
            else:
                _interface(root, device, f"ens{card}v{index}", 100 + serial)
                _rdma(root, device, 100 + serial, f"ens{card}v{index}")


def _card(root: Path, bdf: str, driver: str, facts: dict[str, str]) -> Path:
    common = {"class": "0x020000", "vendor": "0x15b3", "subsystem_vendor": "0x15b3", "subsystem_device": "0x0016"}
    return _function(root, bdf, driver, common | {"numa_node": "0"} | facts)


def _interface(root: Path, device: Path, name: str, index: int, port: str = "") -> None:
    net = device / f"net/{name}"
    facts = {
        "type": "1",
        "flags": "0x1003",
        "mtu": "1500",
        "operstate": "up",
        "speed": "100000",
        "phys_port_name": port,
    }
    facts |= {"ifindex": str(index), "iflink": str(index), "address": f"02:00:00:00:{index >> 8:02x}:{index & 255:02x}"}
    _write(net, facts | {"uevent": f"INTERFACE={name}\nIFINDEX={index}"})
    _link(net / "device", device)
    _link(root / f"sys/class/net/{name}", net)


def _rdma(root: Path, device: Path, number: int, interface: str) -> None:
    name = f"mlx5_{number}"
    facts = {"node_guid": f"0200:0000:0000:{number:04x}", "fw_ver": "22.39.1002", "hca_type": "MT4125"}
    _write(device / f"infiniband/{name}", facts)
    port = {"state": "4: ACTIVE", "rate": "100 Gb/sec (2X HDR)", "link_layer": "Ethernet"}
    _write(device / f"infiniband/{name}/ports/1", port)
    _write(device / f"infiniband/{name}/ports/1/gid_attrs/ndevs", {"0": interface})
    _link(root / f"sys/class/infiniband/{name}", device / f"infiniband/{name}")
    for class_, leaf, minor in (("verbs", f"uverbs{number}", 192 + number), ("mad", f"umad{number}", number)):
        place = device / f"infiniband_{class_}/{leaf}"
        _write(place, {"ibdev": name, "port": "1"} | _numbers(f"infiniband/{leaf}", RDMA, minor))
        _link(root / f"sys/class/infiniband_{class_}/{leaf}", place)
        _node(root / f"dev/infiniband/{leaf}", RDMA, minor)


def _group(root: Path, device: Path, group: int) -> None:
    place = root / f"sys/kernel/iommu_groups/{group}"
    _write(place, {"type": "DMA-FQ"})
    _link(place / f"devices/{device.name}", device)
    _link(device / "iommu_group", place)


def _vfio(root: Path, device: Path, group: int, number: int) -> None:
    for class_, node, place, major in (
        ("vfio", f"vfio/{group}", root / f"sys/devices/virtual/vfio/{group}", 511),
        ("vfio-dev", f"vfio/devices/vfio{number}", device / f"vfio-dev/vfio{number}", 510),
    ):
        _write(place, _numbers(node, major, number))
        _link(root / f"sys/class/{class_}/{place.name}", place)
        _node(root / f"dev/{node}", major, number)


def _misc(root: Path, name: str, node: str, minor: int) -> None:
    place = root / f"sys/devices/virtual/misc/{name}"
    _write(place, _numbers(node, 10, minor))
    _link(root / f"sys/class/misc/{name}", place)
    _node(root / f"dev/{node}", 10, minor)


def _numbers(node: str, major: int, minor: int) -> dict[str, str]:
    return {"dev": f"{major}:{minor}", "uevent": f"MAJOR={major}\nMINOR={minor}\nDEVNAME={node}"}


def write_gpus(root: Path, number: int) -> None:
    """Add NVIDIA GPUs to a host, with the nodes and libraries of a driver; needs root."""
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
    (root / f"sys/bus/pci/drivers/{driver}").mkdir(parents=True, exist_ok=True)
    class_ = f"{int(facts['class'], 16):X}"
    identity = f"{facts['vendor'][2:]}:{facts['device'][2:]}".upper()
    uevent = f"DRIVER={driver}\nPCI_CLASS={class_}\nPCI_ID={identity}\nPCI_SLOT_NAME={bdf}"
    parts = [facts.get(f"subsystem_{part}", "")[2:].upper() for part in ("vendor", "device")]
    uevent += f"\nPCI_SUBSYS_ID={':'.join(parts)}" if all(parts) else ""
    _write(device, facts | {"uevent": uevent})
    _link(device / "driver", root / f"sys/bus/pci/drivers/{driver}")
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
