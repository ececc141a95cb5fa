"""Which version a spec needs, and what lowering it costs."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from cdi.errors import CdiError, UsageError
from cdi.model import ContainerEdits, Device, DeviceNode, Hook, IntelRdt, Mount, NetDevice, Spec
from cdi.versions import downgrade, minimum_version, needed_version

ENV = ContainerEdits(env=("A=b",))
PART = {
    "0.4.0": ContainerEdits(mounts=(Mount(host_path="/a", container_path="/a", type="bind"),)),
    "0.5.0": ContainerEdits(device_nodes=(DeviceNode(path="/dev/a", host_path="/dev/b"),)),
    "0.7.0": ContainerEdits(additional_gids=(44,)),
    "1.1.0": ContainerEdits(net_devices=(NetDevice(host_interface_name="eth0", name="eth0"),)),
}


def spec(edits: ContainerEdits = ENV, *, kind: str = "vendor.com/gpu", name: str = "gpu0") -> Spec:
    return Spec(cdi_version="1.1.0", kind=kind, devices=(Device(name=name, container_edits=edits),))


@pytest.mark.parametrize(("version", "edits"), PART.items())
def test_a_field_needs_the_version_that_added_it(version: str, edits: ContainerEdits) -> None:
    assert needed_version(spec(edits)) == minimum_version(spec(edits)) == version


@pytest.mark.parametrize(
    ("version", "rdt"),
    [
        ("0.7.0", IntelRdt()),
        ("1.1.0", IntelRdt(schemata=())),
        ("1.1.0", IntelRdt(enable_monitoring=True)),
    ],
)
def test_rdt_needs_a_version_by_its_fields(version: str, rdt: IntelRdt) -> None:
    assert minimum_version(spec(ContainerEdits(intel_rdt=rdt))) == version


def test_names_and_annotations_need_a_version() -> None:
    assert minimum_version(spec()) == "0.3.0"
    assert minimum_version(spec(name="0")) == "0.5.0"
    assert minimum_version(spec(kind="vendor.com/gpu.x")) == "0.6.0"
    annotated = Device(name="a", annotations={"k": "v"}, container_edits=ENV)
    assert minimum_version(Spec(cdi_version="0.6.0", kind="v.com/gpu", devices=(annotated,))) == "0.6.0"


@pytest.mark.parametrize("version", ["0.4.0", "0.5.0"])
def test_the_reference_sees_some_fields_in_the_last_device_only(version: str) -> None:
    first = Device(name="a", container_edits=PART[version])
    last = Device(name="b", container_edits=ENV)
    both = Spec(cdi_version=version, kind="vendor.com/gpu", devices=(first, last))
    assert minimum_version(both) == "0.3.0"
    assert needed_version(both) == version


def test_lowering_names_what_is_dropped_and_what_that_costs() -> None:
    edits = ContainerEdits(
        env=("A=b",),
        device_nodes=(DeviceNode(path="/dev/nic0"),),
        net_devices=(NetDevice(host_interface_name="eth0", name="eth0"),),
        intel_rdt=IntelRdt(clos_id="a", schemata=("L3:0=f",), enable_monitoring=True),
        additional_gids=(44,),
    )
    lowered = downgrade(spec(edits), "0.7.0")
    kept = replace(edits, net_devices=(), intel_rdt=IntelRdt(clos_id="a"))
    assert lowered.spec.devices[0].container_edits == kept
    assert lowered.spec.cdi_version == "0.7.0"
    assert [d.where for d in lowered.dropped] == [
        "devices[0].containerEdits.netDevices",
        "devices[0].containerEdits.intelRdt.schemata",
        "devices[0].containerEdits.intelRdt.enableMonitoring",
    ]
    assert all(d.cost for d in lowered.dropped)
    assert [d.what for d in downgrade(spec(edits), "0.6.0").dropped] == ["netDevices", "additionalGids", "intelRdt"]


def test_a_variable_alone_makes_no_device() -> None:
    edits = ContainerEdits(env=("NIC=eth0",), net_devices=(NetDevice(host_interface_name="eth0", name="eth0"),))
    with pytest.raises(CdiError, match=r"is nothing without what CDI 0\.7\.0 lacks"):
        downgrade(spec(edits), "0.7.0")


def test_a_device_of_which_nothing_is_left_cannot_be_lowered() -> None:
    with pytest.raises(CdiError, match=r"is nothing without what CDI 0\.6\.0 lacks") as refused:
        downgrade(spec(ContainerEdits(additional_gids=(5,))), "0.6.0")
    assert refused.value.hint == "all it has is additionalGids"
    kept = downgrade(spec(ContainerEdits(env=("A=b",), additional_gids=(5,))), "0.6.0").spec
    assert kept.devices[0].container_edits == ContainerEdits(env=("A=b",))


def test_a_host_path_that_says_nothing_goes_with_the_versions_that_know_it() -> None:
    node = DeviceNode(path="/dev/a", host_path="")
    lowered = downgrade(spec(ContainerEdits(device_nodes=(node,))), "0.4.0").spec
    assert lowered.devices[0].container_edits.device_nodes == (DeviceNode(path="/dev/a"),)


def test_lowering_never_raises_the_version() -> None:
    low = Spec(cdi_version="0.3.0", kind="vendor.com/gpu", devices=(Device(name="a", container_edits=ENV),))
    assert downgrade(low, "1.1.0").spec == low


def test_a_bind_mount_loses_its_type_and_stays_a_bind_mount() -> None:
    lowered = downgrade(spec(PART["0.4.0"]), "0.3.0").spec.devices[0].container_edits.mounts
    assert lowered == (Mount(host_path="/a", container_path="/a", options=("bind",)),)


@pytest.mark.parametrize(
    ("what", "version"),
    [
        (spec(), "0.2.0"),
        (spec(PART["1.1.0"]), "1.0.0"),
        (spec(PART["0.5.0"]), "0.4.0"),
        (spec(name="0"), "0.4.0"),
        (spec(kind="vendor.com/gpu.x"), "0.5.0"),
        (spec(ContainerEdits(mounts=(Mount(host_path="t", container_path="/t", type="tmpfs"),))), "0.3.0"),
    ],
)
def test_what_cannot_be_lowered_is_refused(what: Spec, version: str) -> None:
    with pytest.raises(CdiError, match="lowered") as caught:
        downgrade(what, version)
    assert caught.value.hint


def test_the_same_path_twice_is_no_obstacle() -> None:
    node = DeviceNode(path="/dev/a", host_path="/dev/a")
    lowered = downgrade(spec(ContainerEdits(device_nodes=(node,))), "0.3.0")
    assert lowered.spec.devices[0].container_edits.device_nodes == (DeviceNode(path="/dev/a"),)
    assert needed_version(lowered.spec) == "0.3.0"


def test_an_unknown_version_is_wrong_usage() -> None:
    with pytest.raises(UsageError):
        downgrade(spec(), "2.0.0")


def test_hooks_need_nothing_new() -> None:
    assert needed_version(spec(ContainerEdits(hooks=(Hook(hook_name="poststop", path="/bin/h"),)))) == "0.3.0"
