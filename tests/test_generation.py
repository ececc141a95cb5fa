"""Found devices to specs."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from cdi.discovery import Discovery, Found, Shared, Skipped
from cdi.errors import UsageError
from cdi.generation import Explanation, generate, nothing_found
from cdi.hooks import call
from cdi.model import ContainerEdits, DeviceNode, Mount, NetDevice, Spec

HOOK = "/usr/bin/cdi-hook"
LIBRARY = Mount(host_path="/opt/lib", container_path="/opt/lib")


def found(
    name: str,
    *,
    in_all: bool = True,
    names: dict[str, str] | None = None,
    also: tuple[str, ...] = (),
    annotations: dict[str, str] | None = None,
    **edits: object,
) -> Found:
    own = ContainerEdits(**edits) if edits else ContainerEdits(device_nodes=(DeviceNode(path=f"/dev/x{name}"),))  # type: ignore[arg-type]
    return Found(
        family="x",
        kind="vendor.com/x",
        name=name,
        names=names or {},
        also=also,
        edits=own,
        annotations=annotations or {},
        how="seen",
        in_all=in_all,
    )


def discovery(*things: Found) -> Discovery:
    return Discovery(families=("x",), found=things)


def names(spec: Spec) -> list[str]:
    return [device.name for device in spec.devices]


def test_devices_sort_as_numbers_and_all_comes_last() -> None:
    (spec,) = generate(discovery(found("10"), found("2")))
    assert names(spec) == ["2", "10", "all"]
    assert [node.path for node in spec.devices[-1].container_edits.device_nodes] == ["/dev/x2", "/dev/x10"]


def test_variables_that_list_devices_are_in_all_only() -> None:
    ten, two = (replace(found(name), env_lists={"VISIBLE": name, "PATHS": f"/dev/x{name}"}) for name in ("10", "2"))
    (spec,) = generate(discovery(ten, two))
    assert [device.container_edits.env for device in spec.devices] == [
        (),
        (),
        ("PATHS=/dev/x2,/dev/x10", "VISIBLE=2,10"),
    ]
    (spec,) = generate(discovery(ten, two), devices=["10"])
    assert spec.devices[-1].container_edits.env == ("PATHS=/dev/x10", "VISIBLE=10")


def test_what_all_share_is_in_the_spec_itself() -> None:
    part = Shared(family="x", kind="vendor.com/x", edits=ContainerEdits(mounts=(LIBRARY,)), how="driver 1.2")
    other = Shared(family="y", kind="vendor.com/y", edits=ContainerEdits(env=("A=1",)), how="nothing of it found")
    result = generate(Discovery(families=("x",), found=(found("0"),), shared=(part, other)))
    (spec,) = result
    assert spec.container_edits == ContainerEdits(mounts=(LIBRARY,))
    assert [device.container_edits.mounts for device in spec.devices] == [(), ()]
    assert Explanation(subject="vendor.com/x", text="driver 1.2") in result.explanations


def test_a_device_may_have_a_second_name_unless_names_are_chosen() -> None:
    things = [found("0", names={"uuid": "GPU-1"}, also=("uuid",)), found("1", names={"uuid": "0"}, also=("uuid",))]
    (spec,) = generate(discovery(*things))
    assert names(spec) == ["0", "1", "GPU-1", "all"]
    (spec,) = generate(discovery(*things), names=["uuid"], all_device=False)
    assert names(spec) == ["0", "GPU-1"]


def test_only_the_devices_that_are_wanted() -> None:
    things = [found("0", names={"uuid": "GPU-1"}), found("1")]
    assert [names(spec) for spec in generate(discovery(*things), devices=["GPU-1"])] == [["0", "all"]]
    assert [names(spec) for spec in generate(discovery(*things), devices=["all"])] == [["0", "1", "all"]]
    with pytest.raises(UsageError, match="found no device '7'"):
        generate(discovery(*things), devices=["0", "7"])


def test_an_unknown_sort_of_name_is_refused() -> None:
    with pytest.raises(UsageError, match="no device has a name of the sort 'serial'"):
        generate(discovery(found("0", names={"uuid": "GPU-1"})), names=["serial"])


def test_numbers_and_annotations_are_written_when_they_are_wanted() -> None:
    node = DeviceNode(path="/dev/x", type="c", major=10, minor=0)
    thing = found("x", device_nodes=(node,), annotations={"vendor.com/numa": "1"})
    (plain,) = generate(discovery(thing), all_device=False)
    (full,) = generate(discovery(thing), all_device=False, numbers=True, annotations=True)
    assert plain.devices[0].container_edits.device_nodes == (DeviceNode(path="/dev/x", type="c"),)
    assert (plain.cdi_version, full.cdi_version) == ("0.3.0", "0.6.0")
    assert full.devices[0].container_edits.device_nodes == (node,)
    assert full.devices[0].annotations == {"vendor.com/numa": "1"}


def test_links_become_mounts_and_nodes_without_hooks() -> None:
    library = Mount(host_path="/root/lib/a.so.1.2", container_path="/lib/a.so.1.2", options=("ro",))
    links = ("--link", "a.so.1.2::/lib/a.so.1", "--link", "a.so.1::/lib/a.so", "--link", "gone::/lib/b.so")
    shared = Shared(
        family="x",
        kind="vendor.com/x",
        edits=ContainerEdits(
            mounts=(library,),
            hooks=(call("/usr/bin/cdi-hook", "create-symlinks", *links), call("/usr/bin/cdi-hook", "chmod")),
        ),
        how="driver",
    )
    own = call(HOOK, "create-symlinks", "--link", "../card0::/dev/dri/by-path/pci-card")
    thing = found("0", device_nodes=(DeviceNode(path="/dev/dri/card0", host_path="/r/card0"),), hooks=(own,))
    result = generate(Discovery(families=("x",), found=(thing,), shared=(shared,)), hooks=False, all_device=False)
    (spec,) = result
    assert [mount.container_path for mount in spec.container_edits.mounts] == [
        "/lib/a.so",
        "/lib/a.so.1",
        "/lib/a.so.1.2",
    ]
    assert {mount.host_path for mount in spec.container_edits.mounts} == {"/root/lib/a.so.1.2"}
    assert [node.path for node in spec.devices[0].container_edits.device_nodes] == [
        "/dev/dri/by-path/pci-card",
        "/dev/dri/card0",
    ]
    assert {node.host_path for node in spec.devices[0].container_edits.device_nodes} == {"/r/card0"}
    lost = ["without hooks there is no link /lib/b.so", "without hooks there is no hook chmod"]
    assert [loss.text for loss in result.losses] == lost


def test_hooks_are_left_out_by_name_and_run_by_another_program() -> None:
    hooks = (call("/usr/bin/nvidia-cdi-hook", "create-symlinks"), call("/usr/bin/nvidia-cdi-hook", "chmod", "--mode"))
    thing = discovery(found("0", device_nodes=(DeviceNode(path="/dev/x"),), hooks=hooks))
    (spec,) = generate(thing, disable_hooks=["create-symlinks"], hook_program="/opt/cdi-hook")
    assert spec.devices[0].container_edits.hooks == (call("/opt/cdi-hook", "chmod", "--mode"),)
    (spec,) = generate(thing, disable_hooks=["all"])
    assert spec.devices[0].container_edits.hooks == ()


def test_vendor_and_class_replace_those_of_the_only_kind() -> None:
    (spec,) = generate(discovery(found("0")), vendor="v.org", class_="gpu")
    assert spec.kind == "v.org/gpu"
    other = Found(family="y", kind="vendor.com/y", name="0", edits=found("0").edits, how="seen")
    with pytest.raises(UsageError, match="for one kind"):
        generate(discovery(found("0"), other), class_="gpu")
    with pytest.raises(UsageError, match="invalid class"):
        generate(discovery(found("0")), class_="g/pu")


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
    assert names(spec) == ["1", "2", "0000:01:00.0"]


def test_version_is_the_lowest_that_fits() -> None:
    assert [spec.cdi_version for spec in generate(discovery(found("x")))] == ["0.3.0"]
    assert [spec.cdi_version for spec in generate(discovery(found("0")))] == ["0.5.0"]


def test_a_cap_leaves_out_what_cannot_be_said_and_explains_it() -> None:
    net = found("eth1", net_devices=(NetDevice(host_interface_name="eth1", name="eth1"),))
    result = generate(discovery(net, found("x")), max_version="0.7.0")
    assert [names(spec) for spec in result] == [["x", "all"]]
    assert [loss.subject for loss in result.losses] == ["vendor.com/x=eth1"]
    with pytest.raises(UsageError):
        generate(discovery(), max_version="7")


def test_what_a_cap_costs_is_said_once_a_thing() -> None:
    things = [found(str(i), device_nodes=(DeviceNode(path=f"/dev/x{i}"),), additional_gids=(44,)) for i in range(3)]
    result = generate(discovery(*things), max_version="0.6.0")
    assert [spec.cdi_version for spec in result] == ["0.5.0"]
    (loss,) = result.losses
    assert loss.text.startswith("additionalGids left out for CDI 0.6.0, 4 times: a process that is not root")


def test_the_version_says_what_needs_it() -> None:
    thing = found("x", device_nodes=(DeviceNode(path="/dev/x"),), additional_gids=(44,))
    notes = [note.text for note in generate(discovery(thing)).explanations]
    assert "cdiVersion 0.7.0 is the lowest that has additionalGids" in notes
    notes = [note.text for note in generate(discovery(found("0"))).explanations]
    assert "cdiVersion 0.5.0 is the lowest that has device 'vendor.com/x=0'" in notes


def test_nothing_found_is_an_error_with_reasons() -> None:
    result = generate(discovery())
    assert len(result) == 0
    assert nothing_found(discovery(), result).message == "found nothing for x"


def test_variables_on_which_devices_differ_are_left_out_of_all() -> None:
    things = [found(str(i), device_nodes=(DeviceNode(path=f"/dev/x{i}"),), env=("A=1", f"B={i}")) for i in range(2)]
    result = generate(discovery(*things))
    assert result.specs[0].devices[-1].container_edits.env == ("A=1",)
    assert result.losses == (
        Explanation(subject="vendor.com/x=all", text="without B, which differs from device to device"),
    )


def test_of_two_devices_of_one_name_the_second_is_numbered_and_that_is_said() -> None:
    result = generate(discovery(found("core"), found("core", device_nodes=(DeviceNode(path="/dev/other"),))))
    assert names(result.specs[0]) == ["core", "core-2", "all"]
    assert [(loss.subject, loss.text) for loss in result.losses] == [
        ("vendor.com/x=core-2", "called so because another device is called 'core'")
    ]


def test_a_second_name_that_two_devices_have_is_given_to_none() -> None:
    things = [found(str(i), names={"serial": "0000"}, also=("serial",)) for i in range(2)]
    assert [names(spec) for spec in generate(discovery(*things))] == [["0", "1", "all"]]


def test_second_paths_go_before_the_device_does() -> None:
    nodes = (
        DeviceNode(path="/dev/dri/card0"),
        DeviceNode(path="/dev/dri/by-path/pci-card", host_path="/dev/dri/card0"),
    )
    result = generate(discovery(found("card0", device_nodes=nodes)), max_version="0.3.0", all_device=False)
    assert result.specs[0].devices[0].container_edits.device_nodes == nodes[:1]
    assert [loss.text.partition(":")[0] for loss in result.losses] == ["hostPath left out for CDI 0.3.0"]


def test_what_was_found_and_cannot_be_written_is_not_called_nothing() -> None:
    seen = discovery(found("0"))
    result = generate(seen, max_version="0.3.0")
    error = nothing_found(seen, result)
    assert error.message == "found 0, and can write none of it"
    assert "needs CDI 0.5.0" in (error.hint or "")


def test_nothing_of_many_families_lists_what_was_seen() -> None:
    absent = Skipped(family="f1", what="f1", why="there is no /sys/class/f1", absent=True)
    seen = Skipped(family="f2", what="card0", why="no driver is bound to it", hint="modprobe it")
    error = nothing_found(Discovery(families=tuple(f"f{i}" for i in range(20)), skipped=(absent, seen)))
    assert error.message == "found nothing for any of 20 families"
    assert (error.hint or "").splitlines() == [
        "f2: card0: no driver is bound to it (modprobe it)",
        "`cdi discover --verbose` says what was looked for",
    ]
