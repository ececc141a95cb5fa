"""Network cards as one device each: what a function gives under one name, and when it gives nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cdi.discovery import Found, Skipped, discover
from cdi.generation import generate
from cdi.host import Host

if TYPE_CHECKING:
    from cdi.model import ContainerEdits, Spec

HOSTS = Path(__file__).parent.parent / "spec-examples" / "hosts"


def found(host: str, *include: str) -> dict[str, Found]:
    return {one.name: one for one in discover(Host.load(HOSTS / host), ["nic"], include=include).found}


def skipped(host: str, *include: str) -> dict[str, Skipped]:
    return {one.what: one for one in discover(Host.load(HOSTS / host), ["nic"], include=include).skipped}


def spec_of(host: str) -> Spec:
    (spec,) = generate(discover(Host.load(HOSTS / host), ["nic"]))
    return spec


def nodes(edits: ContainerEdits) -> list[str]:
    return [node.path for node in edits.device_nodes]


def variables(edits: ContainerEdits) -> dict[str, str]:
    pairs = [entry.partition("=") for entry in edits.env]
    assert len({key for key, _, _ in pairs}) == len(pairs)
    return {key: value for key, _, value in pairs}


def test_a_function_gives_its_interface_its_rdma_device_and_its_address() -> None:
    edits = found("cx6-roce")["0000:41:00.3"].edits
    assert [net.host_interface_name for net in edits.net_devices] == ["enp65s0f0v1"]
    assert nodes(edits) == ["/dev/infiniband/uverbs3", "/dev/infiniband/umad3", "/dev/infiniband/rdma_cm"]
    assert variables(edits)["PCIDEVICE_HOST_LOCAL_NIC"] == "0000:41:00.3"


def test_a_function_bound_to_vfio_gives_its_group_and_no_interface() -> None:
    edits = found("switchdev")["0000:08:00.3"].edits
    assert nodes(edits) == ["/dev/vfio/91", "/dev/vfio/vfio"]
    assert edits.net_devices == ()


def test_a_virtual_function_is_called_after_its_physical_one_too() -> None:
    names = [device.name for device in spec_of("cx6-roce").devices]
    assert {"0000:41:00.3", "enp65s0f0np0-vf1"} <= set(names)


def test_a_subfunction_is_called_by_its_name_on_the_auxiliary_bus() -> None:
    part = found("switchdev")["mlx5_core.sf.2"]
    assert part.names["sf"] == "enp8s0f0np0-sf88"
    assert "bdf" not in part.names
    assert (part.attributes["subfunction"], part.attributes["sfIndex"]) == ("mlx5_core.sf.2", 88)


def test_all_lists_the_addresses_of_all_and_describes_each() -> None:
    spec = spec_of("cx6-roce")
    own = {device.name: variables(device.container_edits) for device in spec.devices}
    whole = own["all"]
    assert whole["PCIDEVICE_HOST_LOCAL_NIC"].split(",") == [
        *(f"0000:41:00.{number}" for number in range(1, 6)),
        "0000:c1:00.1",
    ]
    described = json.loads(whole["PCIDEVICE_HOST_LOCAL_NIC_INFO"])
    assert list(described) == whole["PCIDEVICE_HOST_LOCAL_NIC"].split(",")
    for name, each in described.items():
        assert json.loads(own[name]["PCIDEVICE_HOST_LOCAL_NIC_INFO"]) == {name: each}


@pytest.mark.parametrize(
    ("host", "name", "why"),
    [
        ("cx6-roce", "0000:c1:00.0", "carries the IPv4 default route"),
        ("cx6-roce", "0000:41:00.0", "the host sets up its 4 virtual functions through it"),
        ("switchdev", "0000:08:00.0", "member of ovs-system"),
        ("cx4-infiniband", "0000:af:00.0", "ib0.8001 built on it"),
        ("switchdev", "0000:08:00.5", "no driver is bound to it"),
        ("laptop", "0000:00:14.3", "wireless: the kernel moves it only together with its radio"),
    ],
)
def test_what_the_host_needs_is_not_offered(host: str, name: str, why: str) -> None:
    assert skipped(host)[name].why == why


@pytest.mark.parametrize("asked", ["0000:41:00.0", "enp65s0f0np0", "rocep65s0f0"])
def test_a_caution_is_overridden_by_any_of_its_names(asked: str) -> None:
    card = found("cx6-roce", asked)["0000:41:00.0"]
    assert not card.in_all
    assert card.warnings == ("the host sets up its 4 virtual functions through it",)


def test_a_fact_is_overridden_by_no_name() -> None:
    assert "0000:00:14.3" in skipped("laptop", "0000:00:14.3")


def test_an_interface_that_a_container_has_is_not_made_an_rdma_device_alone() -> None:
    away = skipped("switchdev")["0000:08:00.4"]
    assert away.why == "has its interface in another network namespace, that of a container for example"
    assert set(away.lent) >= {"0000:08:00.4", "enp8s0f0np0-vf2"}


def test_a_function_without_interface_is_its_rdma_device() -> None:
    card = found("aws-efa")["0000:10:1b.0"]
    assert nodes(card.edits) == ["/dev/infiniband/uverbs0"]
    assert card.edits.net_devices == ()


def test_a_function_with_two_ports_brings_both() -> None:
    edits = found("old-mlx4")["0000:82:00.0"].edits
    assert [net.name for net in edits.net_devices] == ["eth2", "ib0"]


def test_an_interface_on_usb_is_no_function() -> None:
    assert set(found("laptop")) == {"0000:00:1f.6"}


def test_a_switch_port_belongs_to_no_card_and_is_named_with_its_function() -> None:
    cards = found("switchdev")
    interfaces = {net.host_interface_name for card in cards.values() for net in card.edits.net_devices}
    representor = cards["0000:08:00.2"].attributes["representor"]
    assert representor not in interfaces


def test_a_card_without_interface_in_an_old_spec_is_left_out() -> None:
    generated = generate(discover(Host.load(HOSTS / "cx6-roce"), ["nic"]), max_version="0.7.0")
    (spec,) = generated.specs
    assert "0000:c1:00.1" not in {device.name for device in spec.devices}
    assert "0000:41:00.1" in {device.name for device in spec.devices}
    assert any("0000:c1:00.1" in loss.subject for loss in generated.losses)
