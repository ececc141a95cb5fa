"""vDPA devices: where their nodes and interfaces are."""

from __future__ import annotations

from pathlib import Path

from cdi.discovery import discover
from cdi.discovery.vdpa import VdpaDevice, read_vdpa
from cdi.host import Host

HOSTS = Path(__file__).parent.parent / "spec-examples" / "hosts"
VF = "/sys/devices/pci0000:64/0000:64:00.0/0000:65:00.3"


def vdpa(name: str, driver: str | None, *, at: str = VF) -> str:
    text = f"/sys/bus/vdpa/devices/{name} -> ../../..{at[4:]}/{name}\n{at}/{name}/driver_override = (null)\n"
    return text + (f"{at}/{name}/driver -> ../../../../../bus/vdpa/drivers/{driver}\n" if driver else "")


def summary(device: VdpaDevice) -> tuple[str | None, str | None, tuple[str, ...]]:
    return device.driver, device.node.path if device.node is not None else None, device.interfaces


def read(text: str) -> list[VdpaDevice]:
    return list(read_vdpa(Host.from_tree(text)))


def test_a_device_bound_to_vhost_vdpa_is_a_node_and_one_bound_to_virtio_vdpa_an_interface() -> None:
    devices = read_vdpa(Host.load(HOSTS / "mlx5-vdpa"))
    assert {device.name: summary(device) for device in devices} == {
        "vdpa0": ("vhost_vdpa", "/dev/vhost-vdpa-0", ()),
        "vdpa1": ("virtio_vdpa", None, ("eth0",)),
        "vdpa3": ("vhost_vdpa", "/dev/vhost-vdpa-1", ()),
        "vdpa:0000:65:00.4": (None, None, ()),
    }


def test_the_interface_may_be_below_the_device_or_beside_it() -> None:
    """A simulator does its own DMA; a card leaves it to its PCI function (drivers/virtio/virtio_vdpa.c)."""
    below = vdpa("vdpa1", "virtio_vdpa") + f"{VF}/vdpa1/virtio4/net/eth7/type = 1\n"
    beside = vdpa("vdpa1", "virtio_vdpa") + f"{VF}/virtio4/net/eth7/type = 1\n"
    assert [read(text)[0].interfaces for text in (below, beside)] == [("eth7",), ("eth7",)]


def test_of_two_devices_on_one_function_nothing_tells_whose_an_interface_is() -> None:
    text = vdpa("vdpa1", "virtio_vdpa") + vdpa("vdpa2", "virtio_vdpa") + f"{VF}/virtio4/net/eth7/type = 1\n"
    assert [device.interfaces for device in read(text)] == [(), ()]


def test_a_node_belongs_to_the_device_whose_child_it_is() -> None:
    text = vdpa("vdpa1", "vhost_vdpa") + f"{VF}/virtio4/net/eth7/type = 1\n" + "/dev/vhost-vdpa-5 : c 509 5 0600\n"
    text += f"{VF}/vdpa1/vhost-vdpa-5/dev = 509:5\n"
    (device,) = read(text)
    assert summary(device) == ("vhost_vdpa", "/dev/vhost-vdpa-5", ())


def test_a_device_without_its_node_says_so() -> None:
    text = vdpa("vdpa1", "vhost_vdpa") + f"{VF}/vdpa1/vhost-vdpa-5/dev = 509:5\n" + "/dev/kmsg : c 1 11 0644\n"
    (device,) = read(text)
    assert (device.node, device.fault) == (None, "the kernel has it as 509:5, but there is no /dev/vhost-vdpa-5")


def test_an_address_in_the_name_of_a_device_is_not_its_place() -> None:
    (device,) = read(vdpa("vdpa:0000:65:00.3", "virtio_vdpa") + f"{VF}/virtio4/net/eth7/type = 1\n")
    assert (device.bdf, device.interfaces) == ("0000:65:00.3", ("eth7",))


def test_a_device_without_driver_says_which_module_makes_it_a_node() -> None:
    skipped = discover(Host.load(HOSTS / "mlx5-vdpa"), ["vdpa", "nic"]).skipped
    hint = "modprobe vhost_vdpa, then echo vdpa:0000:65:00.4 > /sys/bus/vdpa/drivers/vhost_vdpa/bind"
    assert {(thing.what, thing.why) for thing in skipped if thing.hint == hint} == {
        ("vdpa:0000:65:00.4", "no driver is bound to it"),
        ("0000:65:00.4", "its vDPA device vdpa:0000:65:00.4 has no driver"),
    }
