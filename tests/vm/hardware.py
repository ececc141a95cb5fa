"""What the guest has beside its emulated cards, and how to change it, by sysfs and iproute2."""

from __future__ import annotations

__all__ = [
    "PCI",
    "VIRTUAL_FUNCTIONS",
    "Cards",
    "ask",
    "bind",
    "divide",
    "empty_disk",
    "functions_of",
    "run",
    "set_up",
    "settle",
    "udev",
    "use_disk",
]

import fcntl
import json
import struct
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

PCI = Path("/sys/bus/pci")
VIRTUAL_FUNCTIONS = 3
MODULES = (
    ("vgem", "tun", "vhost_net"),
    ("rdma_rxe", "ib_umad", "ib_uverbs", "rdma_ucm"),
    ("vfio-pci", "igbvf", "uio_pci_generic", "vhost_vdpa", "vduse"),
)
MACS = {"out": "52:54:00:00:00:01", "lan": "52:54:00:00:00:02", "igb": "52:54:00:00:00:03"}  # see boot.sh
EDU = "1234:11e8"
DISK = "/dev/nvme0n1"
LINKS = (
    "add br0 type bridge",
    "add veth0 type veth peer name veth1",
    "set veth1 master br0",
    "add bond0 type bond",
    "add dummy0 type dummy",
    "add dummy1 type dummy",
    "set dummy1 master bond0",
    "add dummy2 type dummy",
    "add vlan0 link dummy0 type vlan id 5",
    "add macvlan0 link dummy0 type macvlan mode bridge",
    "add macvtap0 link dummy0 type macvtap",
    "add ipvlan0 link dummy2 type ipvlan",
    "add vrf0 type vrf table 9",
    "add vxlan0 type vxlan id 5 dev dummy0 dstport 4789",
)


class Cards(NamedTuple):
    """The emulated cards, by their interfaces or addresses."""

    out: str  # has the default route
    lan: str  # has the RDMA device
    igb: str  # the physical function
    igb_bdf: str
    virtual: tuple[str, ...]  # its virtual functions: the second is for VFIO
    nvme_bdf: str
    edu_bdf: str


def run(*command: str) -> str:
    """Return what a program says; `CalledProcessError` when it fails."""
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, timeout=120).stdout


def ask(*command: str) -> Any:
    """Return what a program says as JSON."""
    return json.loads(run(*command))


def udev(query: str) -> dict[str, str]:
    """Return what udev has of a device: `/sys/class/net/eth0`, or `--name=/dev/kvm`."""
    variables: dict[str, str] = {}
    for line in run("udevadm", "info", "--query=property", query).splitlines():
        name, _, value = line.partition("=")
        variables[name] = value
    return variables


def settle() -> None:
    run("udevadm", "settle")


def set_up() -> Cards:
    """Load drivers, divide the cards that can be, and make the devices that need no hardware."""
    for modules in MODULES:
        run("modprobe", "--all", *modules)
    by_mac = {link["address"]: link["ifname"] for link in ask("ip", "-j", "link")}
    out, lan, igb = (by_mac[MACS[card]] for card in ("out", "lan", "igb"))
    igb_bdf = function_of(igb)
    (nvme_bdf,) = (path.name for path in (PCI / "drivers/nvme").glob("*:*"))
    (edu_bdf,) = (path.name for path in (PCI / "devices").iterdir() if identity(path.name) == EDU)

    divide(igb_bdf, VIRTUAL_FUNCTIONS)
    virtual = functions_of(igb_bdf)
    bind(virtual[1], "vfio-pci")
    bind(edu_bdf, "uio_pci_generic")
    divide(nvme_bdf, 2)
    for number, bdf in enumerate(functions_of(nvme_bdf), start=1):
        switch_on(number)
        (PCI / "drivers/nvme/bind").write_text(bdf)

    for command in (*LINKS, f"set {out} up", f"set {lan} up"):
        run("ip", "link", *command.split())
    run("ip", "address", "add", "10.0.2.15/24", "dev", out)
    run("ip", "route", "add", "default", "via", "10.0.2.2")
    run("rdma", "link", "add", "rxe0", "type", "rxe", "netdev", lan)
    make_vdpa("vdpa0")
    use_disk()
    return Cards(out, lan, igb, igb_bdf, virtual, nvme_bdf, edu_bdf)


def use_disk() -> None:
    """Make a file system on the disk behind the NVMe card and its virtual functions, and mount it."""
    run("mkfs.ext4", "-q", DISK)
    run("mount", DISK, "/mnt")
    settle()


def empty_disk() -> None:
    run("umount", "/mnt")
    run("wipefs", "--quiet", "--all", DISK)
    settle()


def functions_of(bdf: str) -> tuple[str, ...]:
    """Return the virtual functions of a card, in their order."""
    links = sorted((PCI / "devices" / bdf).glob("virtfn*"), key=lambda link: int(link.name.removeprefix("virtfn")))
    return tuple(link.readlink().name for link in links)


def function_of(interface: str) -> str:
    return Path(f"/sys/class/net/{interface}/device").resolve().name


def identity(bdf: str) -> str:
    device = PCI / "devices" / bdf
    return ":".join((device / name).read_text().strip().removeprefix("0x") for name in ("vendor", "device"))


def divide(bdf: str, functions: int) -> None:
    """Give a card so many virtual functions."""
    (PCI / f"devices/{bdf}/sriov_numvfs").write_text(str(functions))
    settle()


def bind(bdf: str, driver: str) -> None:
    """Have another driver drive a function."""
    device = PCI / "devices" / bdf
    if (device / "driver").exists():
        (device / "driver/unbind").write_text(bdf)
    (device / "driver_override").write_text(driver)
    (PCI / "drivers_probe").write_text(bdf)
    settle()


def switch_on(controller: int) -> None:
    """Give a virtual function of the NVMe card a queue and an interrupt, and switch it on.

    As `nvme virt-mgmt` does: Virtualization Management (1Ch) of the NVM Express base specification.
    """
    admin_command = 0xC0484E41  # linux/nvme_ioctl.h: NVME_IOCTL_ADMIN_CMD
    interrupts, queues = 1, 0
    assign, online = 8, 9
    steps = ((interrupts, assign, 1), (queues, assign, 2), (0, online, 0))
    with Path("/dev/nvme0").open("rb") as nvme:
        for resource, action, count in steps:
            words = (controller << 16 | resource << 8 | action, count, 0, 0, 0, 0, 0, 0)
            command = bytearray(struct.pack("<BBHIIIQQII8I", 0x1C, *[0] * 9, *words))
            status = fcntl.ioctl(nvme, admin_command, command)
            assert status == 0, f"NVMe controller {controller}: status {status:#x} of action {action}"


def make_vdpa(name: str) -> None:
    """Make a vDPA device that a program would serve, a disk (Documentation/userspace-api/vduse.rst)."""
    block, features, configuration = 2, 1 << 32 | 1 << 33, bytes(64)
    set_version, create, set_queue = 0x40088101, 0x41508102, 0x40208114  # linux/vduse.h
    with Path("/dev/vduse/control").open("r+b", buffering=0) as control:
        fcntl.ioctl(control, set_version, struct.pack("<Q", 0))
        head = struct.pack("<256sIIQII52xI", name.encode(), 0x1AF4, block, features, 1, 4096, len(configuration))
        fcntl.ioctl(control, create, head + configuration)
    with Path(f"/dev/vduse/{name}").open("r+b", buffering=0) as device:
        fcntl.ioctl(device, set_queue, struct.pack("<IH26x", 0, 256))
    run("vdpa", "dev", "add", "name", name, "mgmtdev", "vduse")
