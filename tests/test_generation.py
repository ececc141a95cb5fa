"""Found devices to specs."""

from __future__ import annotations

import pytest

from cdi.discovery import Discovery, Found
from cdi.errors import UsageError
from cdi.generation import generate, nothing_found
from cdi.model import ContainerEdits, DeviceNode, Mount, NetDevice, Spec

LIBRARY = Mount(host_path="/opt/lib", container_path="/opt/lib")


def found(name: str, *, in_all: bool = True, names: dict[str, str] | None = None, **edits: object) -> Found:
    own = ContainerEdits(**edits) if edits else ContainerEdits(device_nodes=(DeviceNode(path=f"/dev/x{name}"),))  # type: ignore[arg-type]
    return Found(family="x", kind="vendor.com/x", name=name, names=names or {}, edits=own, how="seen", in_all=in_all)


def discovery(*things: Found) -> Discovery:
    return Discovery(families=("x",), found=things)


def names(spec: Spec) -> list[str]:
    return [device.name for device in spec.devices]


def test_devices_sort_as_numbers_and_all_comes_last() -> None:
    (spec,) = generate(discovery(found("10"), found("2")))
    assert names(spec) == ["2", "10", "all"]
    assert [node.path for node in spec.devices[-1].container_edits.device_nodes] == ["/dev/x2", "/dev/x10"]


def test_what_all_share_is_written_once() -> None:
    nodes = [DeviceNode(path=f"/dev/x{i}") for i in range(2)]
    things = [found(str(i), device_nodes=(node,), mounts=(LIBRARY,)) for i, node in enumerate(nodes)]
    (spec,) = generate(discovery(*things))
    assert spec.container_edits == ContainerEdits(mounts=(LIBRARY,))
    assert [device.container_edits.mounts for device in spec.devices] == [(), (), ()]


def test_only_a_device_that_is_harmless_is_part_of_all() -> None:
    (spec,) = generate(discovery(found("0"), found("1", in_all=False)))
    assert [node.path for node in spec.devices[-1].container_edits.device_nodes] == ["/dev/x0"]


def test_all_takes_the_first_of_two_that_want_one_place() -> None:
    nets = [NetDevice(host_interface_name=f"eth{i}", name="net0") for i in range(2)]
    result = generate(discovery(*[found(net.host_interface_name, net_devices=(net,)) for net in nets]))
    assert result.specs[0].devices[-1].container_edits.net_devices == (nets[0],)
    assert "without eth1, another device has its interface net0" in [note.text for note in result.explanations]


def test_names_are_made_valid_and_unique() -> None:
    (spec,) = generate(discovery(found("a@b"), found("a b"), found("all"), found("__")), all_device=False)
    assert names(spec) == ["a-b-7508", "a-b-c868", "all-2", "device-9911"]


def test_names_of_a_strategy() -> None:
    things = [found("0", names={"bdf": "0000:01:00.0"}), found("1", names={"bdf": "0000:01:00.0"}), found("2")]
    (spec,) = generate(discovery(*things), names=["bdf"], all_device=False)
    assert names(spec) == ["0000:01:00.0", "1", "2"]


def test_version_is_the_lowest_that_fits() -> None:
    assert [spec.cdi_version for spec in generate(discovery(found("x")))] == ["0.3.0"]
    assert [spec.cdi_version for spec in generate(discovery(found("0")))] == ["0.5.0"]


def test_a_cap_leaves_out_what_cannot_be_said_and_explains_it() -> None:
    net = found("eth1", net_devices=(NetDevice(host_interface_name="eth1", name="eth1"),))
    result = generate(discovery(net, found("x")), max_version="0.7.0")
    assert [names(spec) for spec in result] == [["x", "all"]]
    assert [note.subject for note in result.explanations if note.text.startswith("left out")] == ["vendor.com/x=eth1"]
    with pytest.raises(UsageError):
        generate(discovery(), max_version="7")


def test_nothing_found_is_an_error_with_reasons() -> None:
    result = generate(discovery())
    assert len(result) == 0
    assert nothing_found(discovery(), result).message == "found nothing for x"
