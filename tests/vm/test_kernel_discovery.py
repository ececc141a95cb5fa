"""What `cdi discover` finds on a real kernel, against what the kernel's and udev's own tools say of it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.machine import CDI
from tests.vm.hardware import PCI, ask, functions_of, udev

if TYPE_CHECKING:
    from tests.vm.conftest import Found
    from tests.vm.hardware import Cards

pytestmark = pytest.mark.vm


def nodes(device: dict[str, Any]) -> set[str]:
    return {node.get("hostPath", node["path"]) for node in device["containerEdits"].get("deviceNodes", ())}


def interfaces(device: dict[str, Any]) -> list[str]:
    return [net["hostInterfaceName"] for net in device["containerEdits"].get("netDevices", ())]


def test_the_installed_command_says_the_same(found: Found) -> None:
    done = subprocess.run([CDI, "discover", "nic", "-o", "json"], check=True, stdout=subprocess.PIPE)
    assert {device["name"]: device for device in json.loads(done.stdout)["found"]} == found.named("nic")


def test_every_interface_is_offered_or_kept(found: Found) -> None:
    assert sorted([*found.named("netdev"), *found.skipped("netdev")]) == sorted(
        link["ifname"] for link in ask("ip", "-j", "link")
    )


def test_interfaces_are_as_iproute2_has_them(found: Found) -> None:
    links = {link["ifname"]: link for link in ask("ip", "-j", "-d", "link")}
    offered = found.named("netdev")
    assert offered
    for name, device in offered.items():
        link, said = links[name], device["attributes"]
        ours = said["mac"], said["mtu"], said["state"], said["linkType"], interfaces(device)
        assert ours == (link["address"], link["mtu"], link["operstate"].lower(), link["link_type"], [name])


def test_interfaces_without_hardware_are_what_they_were_made_as(found: Found) -> None:
    kinds = {
        link["ifname"]: link["linkinfo"]["info_kind"] for link in ask("ip", "-j", "-d", "link") if "linkinfo" in link
    }
    types = {name: device["attributes"]["type"].lower() for name, device in found.named("netdev").items()}
    offered = {name: kind for name, kind in types.items() if name in kinds}
    assert offered == {name: kinds[name] for name in ("ipvlan0", "macvlan0", "veth0", "vlan0")}


def test_virtual_functions_are_where_udev_has_them(found: Found, cards: Cards) -> None:
    offered = {name: device for name, device in found.named("netdev").items() if "pciAddress" in device["attributes"]}
    assert sorted(device["attributes"]["pciAddress"] for device in offered.values()) == [
        cards.virtual[0],
        cards.virtual[2],
    ]
    for name, device in offered.items():
        known = udev(f"/sys/class/net/{name}")
        said = device["attributes"]
        assert known["ID_PATH"] == f"pci-{said['pciAddress']}"
        assert known["ID_NET_DRIVER"] == said["driver"]
        assert f"{known['ID_VENDOR_ID']} {known['ID_MODEL_ID']}" == f"{said['vendorId']} {said['deviceId']}"
        assert known["ID_NET_NAME_PATH"] == name == device["names"]["path"]


def test_what_the_host_needs_is_kept(found: Found, cards: Cards) -> None:
    kept = found.skipped("netdev")
    (tap,) = Path("/dev").glob("tap*")
    assert {name: kept[name] for name in kept if name != "lo"} == {
        cards.out: "carries the IPv4 default route",
        cards.lan: "the RDMA device rxe0 works over it, and is removed when it is moved",
        cards.igb: "the host sets up its 3 virtual functions through it",
        "bond0": "a bond, which the kernel keeps in its network namespace",
        "br0": "a bridge, which the kernel keeps in its network namespace",
        "dummy0": "macvlan0, macvtap0, vlan0, vxlan0 built on it",
        "dummy1": "member of bond0",
        "dummy2": "ipvlan0 built on it",
        "macvtap0": f"macvtap: serves a virtual machine through {tap}",
        "veth1": "member of br0",
        "vrf0": "a routing domain, which the kernel keeps in its network namespace",
        "vxlan0": "virtual interface of type vxlan",
    }


def test_a_card_has_the_functions_that_the_kernel_made(found: Found, cards: Cards) -> None:
    offered = found.named("nic")
    assert set(offered) == set(cards.virtual)
    for number, bdf in enumerate(cards.virtual):
        said, names = offered[bdf]["attributes"], offered[bdf]["names"]
        driver = (PCI / f"devices/{bdf}/driver").resolve().name
        assert (said["driver"], said["vfIndex"], said["parentPciAddress"]) == (driver, number, cards.igb_bdf)
        assert names["vf"] == f"{cards.igb}-vf{number}"
        assert interfaces(offered[bdf]) == [path.name for path in (PCI / f"devices/{bdf}").glob("net/*")]
        env = offered[bdf]["containerEdits"]["env"]
        assert f"PCIDEVICE_HOST_LOCAL_NIC={bdf}" in env


def test_a_function_bound_to_vfio_comes_with_its_group(found: Found, cards: Cards) -> None:
    (device,) = found.named("vfio").values()
    group = (PCI / f"devices/{cards.virtual[1]}/iommu_group").resolve().name
    assert device["name"] == cards.virtual[1]
    assert nodes(device) == {"/dev/vfio/vfio", f"/dev/vfio/{group}"}
    assert nodes(found.named("nic")[cards.virtual[1]]) == nodes(device)


def test_rdma_devices_are_those_that_rdma_lists(found: Found) -> None:
    (link,) = ask("rdma", "-j", "link")
    (device,) = found.named("rdma").values()
    assert device["name"] == link["ifname"]
    assert f"over {link['netdev']}" in device["how"]
    shared = found.shared("rdma")
    made = {str(path) for path in Path("/dev/infiniband").iterdir() if path.is_char_device()}
    assert nodes(device) | nodes(shared) == made
    assert {"/dev/infiniband/rdma_cm"} == nodes(shared)


def test_drm_nodes_are_those_in_dev(found: Found) -> None:
    made = {str(path) for path in Path("/dev/dri").iterdir() if path.is_char_device()}
    offered = found.named("drm").values()
    assert len(offered) == 2  # virtio-gpu and vgem
    assert set().union(*map(nodes, offered)) == made


def test_vdpa_devices_are_those_that_vdpa_lists(found: Found) -> None:
    assert list(found.named("vdpa")) == list(ask("vdpa", "-j", "dev", "show")["dev"])
    assert nodes(found.named("vdpa")["vdpa0"]) == {"/dev/vhost-vdpa-0"}


def test_a_function_bound_to_uio_comes_with_its_node(found: Found, cards: Cards) -> None:
    assert {name: nodes(device) for name, device in found.named("uio").items()} == {
        cards.edu_bdf: {f"/dev/{path.name}" for path in (PCI / "devices" / cards.edu_bdf / "uio").iterdir()}
    }


def test_a_mounted_disk_keeps_all_controllers_that_reach_it(found: Found, cards: Cards) -> None:
    controllers = (cards.nvme_bdf, *functions_of(cards.nvme_bdf))
    assert len(controllers) == 3
    assert found.named("nvme") == {}
    assert found.skipped("nvme") == dict.fromkeys(controllers, "nvme0n1 is mounted on /mnt")


@pytest.mark.parametrize(
    ("family", "name", "node"), [("host", "tun", "/dev/net/tun"), ("vhost", "vhost-net", "/dev/vhost-net")]
)
def test_the_kernels_own_devices_are_offered(found: Found, family: str, name: str, node: str) -> None:
    assert node in nodes(found.named(family)[name])
