"""What udev says of interfaces, as a host tree holds it: further names, and which one is not settled."""

from __future__ import annotations

from cdi.discovery import Discovery, discover
from cdi.generation import generate
from cdi.host import Host
from cdi.host.udev import UdevNames, read_udev_names, udev_files

TREE = r"""
/sys/bus/pci/devices/0000:3b:00.0 -> ../../../devices/pci0000:3a/0000:3b:00.0
/sys/class/net/eth0 -> ../../devices/pci0000:3a/0000:3b:00.0/net/eth0
/sys/class/net/eth1 -> ../../devices/platform/fe300000.ethernet/net/eth1
/sys/devices/pci0000:3a/0000:3b:00.0/class = 0x020000
/sys/devices/pci0000:3a/0000:3b:00.0/vendor = 0x8086
/sys/devices/pci0000:3a/0000:3b:00.0/device = 0x1592
/sys/devices/pci0000:3a/0000:3b:00.0/driver -> ../../../bus/pci/drivers/ice
/sys/devices/pci0000:3a/0000:3b:00.0/net/eth0/device -> ../../../0000:3b:00.0
/sys/devices/pci0000:3a/0000:3b:00.0/net/eth0/ifindex = 2
/sys/devices/pci0000:3a/0000:3b:00.0/net/eth0/type = 1
/sys/devices/platform/fe300000.ethernet/net/eth1/ifindex = 3
/sys/devices/platform/fe300000.ethernet/net/eth1/type = 1
/proc/net/route = "Iface\tDestination\n"
"""
SAID = """
/.cdi/udev/net/eth0 = {"path":"enp59s0","slot":"ens1","onboard":"eno1"}
/.cdi/udev/net/eth1 = {"path":"enp254s0","pending":true}
"""


def found(text: str, *families: str) -> Discovery:
    return discover(Host.from_tree(text), families)


def test_names_of_the_place_are_further_names() -> None:
    netdev, nic = (found(TREE + SAID, family).found for family in ("netdev", "nic"))
    of_place = {"path": "enp59s0", "slot": "ens1", "onboard": "eno1"}
    assert [(one.name, dict(one.names)) for one in netdev] == [
        ("eth0", {"bdf": "0000:3b:00.0", **of_place}),
        ("eth1", {"path": "enp254s0"}),
    ]
    assert [(one.name, dict(one.names)) for one in nic] == [
        ("0000:3b:00.0", {"bdf": "0000:3b:00.0", "interface": "eth0", **of_place})
    ]


def test_devices_can_be_called_by_their_places() -> None:
    (spec,) = generate(found(TREE + SAID, "netdev"), names=["path"], all_device=False)
    assert [(device.name, device.container_edits.net_devices[0].host_interface_name) for device in spec.devices] == [
        ("enp59s0", "eth0"),
        ("enp254s0", "eth1"),
    ]


def test_an_interface_that_udev_may_rename_has_a_warning() -> None:
    assert [(one.name, one.warnings) for one in found(TREE + SAID, "netdev").found] == [
        ("eth0", ()),
        ("eth1", ("udev has not finished with it: it may get another name",)),
    ]


def test_without_udev_there_are_the_names_of_sysfs() -> None:
    assert [dict(one.names) for one in found(TREE, "netdev").found] == [{"bdf": "0000:3b:00.0"}, {}]


def test_an_answer_that_is_none_names_its_file() -> None:
    discovery = found(TREE + "/.cdi/udev/net/eth1 = enp254s0\n", "netdev")
    assert {thing.why.partition(":")[0] for thing in discovery.skipped} == {"cannot read '/.cdi/udev/net/eth1'"}


def test_another_root_is_not_asked_about_this_machine() -> None:
    host = Host.from_tree(TREE + SAID)
    assert read_udev_names(host)["eth0"] == UdevNames(path="enp59s0", slot="ens1", onboard="eno1")
    assert udev_files(host) == {}
