"""Container edits applied to OCI runtime specs."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdi.errors import CdiError, InjectionFailed
from cdi.model import ContainerEdits, DeviceNode, Hook, IntelRdt, Mount, NetDevice
from cdi.oci import NodeInfo, inject

NULL = NodeInfo(type="c", major=1, minor=3, mode=0o666)
HOST = {
    "/dev/null": NULL,
    "/dev/sda": NodeInfo(type="b", major=8, minor=0, mode=0o660),
    "/dev/fifo": NodeInfo(type="p", major=0, minor=0, mode=0o600),
}


def on_host(oci: dict[str, Any], **edits: Any) -> dict[str, Any]:
    return inject(oci, ContainerEdits(**edits), node_at=HOST.get)


def node_after(node: DeviceNode, user: dict[str, int] | None = None) -> dict[str, Any]:
    oci = on_host({"process": {"user": user or {}}}, device_nodes=(node,))
    del oci["process"]
    linux: dict[str, Any] = oci["linux"]
    return linux


def test_no_edits_change_nothing() -> None:
    oci = {"ociVersion": "1.2.0", "x": None}
    assert on_host(oci) == oci
    assert on_host({}) == {}


def test_env_replaces_by_name_in_place_and_appends_the_rest() -> None:
    oci = {"process": {"env": ["PATH=/bin", "A=1", "ALONE", "A=2"]}}
    assert on_host(oci, env=("A=3", "B=1", "ALONE=x", "B=2")) == {
        "process": {"env": ["PATH=/bin", "A=1", "ALONE=x", "A=3", "B=2"]},
    }


def test_a_node_takes_type_numbers_and_mode_from_the_host() -> None:
    assert node_after(DeviceNode(path="/dev/x", host_path="/dev/null")) == {
        "devices": [{"path": "/dev/x", "type": "c", "major": 1, "minor": 3, "fileMode": 0o666}],
        "resources": {"devices": [{"allow": True, "type": "c", "major": 1, "minor": 3, "access": "rwm"}]},
    }


def test_a_specified_node_keeps_its_numbers_and_needs_no_host_node() -> None:
    specified = DeviceNode(path="/dev/missing", type="c", major=9, permissions="r")
    assert node_after(specified) == {
        "devices": [{"path": "/dev/missing", "type": "c", "major": 9, "minor": 0}],
        "resources": {"devices": [{"allow": True, "type": "c", "major": 9, "minor": 0, "access": "r"}]},
    }
    elsewhere = DeviceNode(path="/dev/null", type="b", major=9, minor=9)
    assert node_after(elsewhere)["devices"] == [
        {"path": "/dev/null", "type": "b", "major": 9, "minor": 9, "fileMode": 0o666},
    ]


def test_a_major_without_a_type_still_needs_the_host_node() -> None:
    assert node_after(DeviceNode(path="/dev/null", major=7))["devices"] == [
        {"path": "/dev/null", "type": "c", "major": 7, "minor": 0, "fileMode": 0o666},
    ]
    with pytest.raises(InjectionFailed, match="no device node '/dev/none' on this host for '/dev/x'"):
        node_after(DeviceNode(path="/dev/x", host_path="/dev/none", major=7))


def test_another_type_on_the_host_is_an_error() -> None:
    with pytest.raises(InjectionFailed, match="'/dev/sda' has type 'c' in the spec, '/dev/sda' on this host is 'b'"):
        node_after(DeviceNode(path="/dev/sda", type="c"))
    with pytest.raises(InjectionFailed, match="type 'u'"):
        node_after(DeviceNode(path="/dev/null", type="u"))


def test_a_fifo_has_neither_numbers_nor_a_cgroup_rule() -> None:
    assert node_after(DeviceNode(path="/dev/fifo")) == {
        "devices": [{"path": "/dev/fifo", "type": "p", "fileMode": 0o600}],
    }
    assert node_after(DeviceNode(path="/dev/none", type="p")) == {"devices": [{"path": "/dev/none", "type": "p"}]}


def test_a_fifo_keeps_the_numbers_that_the_spec_gives() -> None:
    edits = ContainerEdits(device_nodes=(DeviceNode(path="/p", type="p", major=5, minor=6),))
    got = inject({}, edits, node_at=lambda _: None)
    assert got["linux"]["devices"] == [{"path": "/p", "type": "p", "major": 5, "minor": 6}]


def test_an_unbuffered_character_node_has_no_cgroup_rule() -> None:
    assert node_after(DeviceNode(path="/dev/none", type="u", major=5)) == {
        "devices": [{"path": "/dev/none", "type": "u", "major": 5, "minor": 0}],
    }


def test_no_permissions_give_a_rule_without_access() -> None:
    assert node_after(DeviceNode(path="/dev/null", permissions="none"))["resources"] == {
        "devices": [{"allow": True, "type": "c", "major": 1, "minor": 3}],
    }


def test_the_owner_is_the_process_unless_that_is_root_or_the_spec_says() -> None:
    user = {"uid": 1000, "gid": 0}
    assert node_after(DeviceNode(path="/dev/null"), user)["devices"] == [
        {"path": "/dev/null", "type": "c", "major": 1, "minor": 3, "fileMode": 0o666, "uid": 1000},
    ]
    owned = DeviceNode(path="/dev/null", uid=0, gid=44, file_mode=0)
    assert node_after(owned, user)["devices"] == [
        {"path": "/dev/null", "type": "c", "major": 1, "minor": 3, "fileMode": 0, "uid": 0, "gid": 44},
    ]


def test_a_node_replaces_the_one_of_its_path() -> None:
    new = {"path": "/dev/null", "type": "c", "major": 1, "minor": 3, "fileMode": 0o666}
    old, other, twice = {"path": "/dev/null", "major": 9}, {"path": "/dev/other", "x": 1}, {"path": "/dev/null"}
    edits = {"device_nodes": (DeviceNode(path="/dev/null"),)}
    assert on_host({"linux": {"devices": [old, other]}}, **edits)["linux"]["devices"] == [other, new]
    assert on_host({"linux": {"devices": [old, twice, other]}}, **edits)["linux"]["devices"] == [new, other]


def test_rules_are_added_after_those_that_are_there() -> None:
    deny = {"allow": False, "access": "rwm"}
    oci = {"linux": {"resources": {"devices": [deny], "memory": {"limit": 1}}}}
    assert on_host(oci, device_nodes=(DeviceNode(path="/dev/sda"),))["linux"]["resources"] == {
        "devices": [deny, {"allow": True, "type": "b", "major": 8, "minor": 0, "access": "rwm"}],
        "memory": {"limit": 1},
    }


def test_net_devices_are_set_by_host_interface() -> None:
    oci = {"linux": {"netDevices": {"eth0": {"name": "old"}, "eth1": {"name": "keep"}}}}
    assert on_host(oci, net_devices=(NetDevice(host_interface_name="eth0", name="new"),)) == {
        "linux": {"netDevices": {"eth0": {"name": "new"}, "eth1": {"name": "keep"}}},
    }


def test_mounts_replace_by_destination_and_are_sorted_by_depth() -> None:
    oci = {
        "mounts": [
            {"destination": "/a/b/c", "x": 1},
            {"destination": "/proc"},
            {"destination": "//d/../e//f/"},
            {"destination": "/a", "source": "old"},
            {},
        ],
    }
    new = (
        Mount(host_path="/h", container_path="/a", options=("ro",)),
        Mount(host_path="/t", container_path="/t", type="tmpfs"),
    )
    assert on_host(oci, mounts=new)["mounts"] == [
        {},
        {"destination": "/proc"},
        {"destination": "/a", "source": "/h", "options": ["ro"]},
        {"destination": "/t", "type": "tmpfs", "source": "/t"},
        {"destination": "//d/../e//f/"},
        {"destination": "/a/b/c", "x": 1},
    ]


@pytest.mark.parametrize(
    ("type_", "options", "expected"),
    [
        (None, ("ro", "bind"), ["ro", "bind", "idmap"]),
        (None, ("rbind",), ["rbind", "ridmap"]),
        (None, ("bind", "rbind"), ["bind", "rbind", "ridmap"]),
        ("bind", ("ro",), ["ro", "idmap"]),
        ("bind", (), ["idmap"]),
        ("bind", ("rbind",), ["rbind", "ridmap"]),
        ("bind", ("idmap", "rbind"), ["idmap", "rbind"]),
        ("tmpfs", ("ro",), ["ro"]),
    ],
)
def test_binds_are_id_mapped_in_a_user_namespace(
    type_: str | None, options: tuple[str, ...], expected: list[str]
) -> None:
    mount = Mount(host_path="/h", container_path="/c", type=type_, options=options)
    inside = on_host({"linux": {"namespaces": [{"type": "pid"}, {"type": "user"}]}}, mounts=(mount,))
    outside = on_host({"linux": {"namespaces": [{"type": "pid"}]}}, mounts=(mount,))
    assert inside["mounts"][0].get("options") == expected
    assert outside["mounts"][0].get("options") == (list(options) or None)


def test_hooks_are_appended_to_their_lists() -> None:
    old = {"path": "/old", "timeout": 3, "x": 1}
    hooks = (
        Hook(hook_name="createContainer", path="/new", args=("new", "-v"), env=("A=1",), timeout=0),
        Hook(hook_name="poststop", path="/after"),
    )
    assert on_host({"hooks": {"createContainer": [old], "prestart": None}}, hooks=hooks) == {
        "hooks": {
            "createContainer": [old, {"path": "/new", "args": ["new", "-v"], "env": ["A=1"], "timeout": 0}],
            "poststop": [{"path": "/after"}],
            "prestart": None,
        },
    }
    with pytest.raises(InjectionFailed, match="unknown hook name 'later'"):
        on_host({}, hooks=(Hook(hook_name="later", path="/x"),))


def test_rdt_replaces_what_was_there() -> None:
    rdt = IntelRdt(clos_id="new", schemata=("L3:0=f",), enable_monitoring=True)
    assert on_host({"linux": {"intelRdt": {"closID": "old", "memBwSchema": "x"}}}, intel_rdt=rdt) == {
        "linux": {"intelRdt": {"closID": "new", "schemata": ["L3:0=f"], "enableMonitoring": True}},
    }
    assert on_host({}, intel_rdt=IntelRdt(l3_cache_schema="a", mem_bw_schema="b")) == {
        "linux": {"intelRdt": {"l3CacheSchema": "a", "memBwSchema": "b"}},
    }


def test_groups_are_added_once_and_never_root() -> None:
    oci = {"process": {"user": {"uid": 1, "additionalGids": [5]}}}
    assert on_host(oci, additional_gids=(0, 7, 5, 7)) == {"process": {"user": {"uid": 1, "additionalGids": [5, 7]}}}
    assert on_host({}, additional_gids=(0,)) == {}


def test_null_sections_count_as_absent() -> None:
    oci = {"process": None, "linux": {"devices": None, "resources": None}, "mounts": None, "hooks": None}
    assert on_host(
        oci,
        env=("A=1",),
        device_nodes=(DeviceNode(path="/dev/fifo"),),
        mounts=(Mount(host_path="/h", container_path="/c"),),
        hooks=(Hook(hook_name="poststop", path="/x"),),
    ) == {
        "process": {"env": ["A=1"]},
        "linux": {"devices": [{"path": "/dev/fifo", "type": "p", "fileMode": 0o600}], "resources": None},
        "mounts": [{"destination": "/c", "source": "/h"}],
        "hooks": {"poststop": [{"path": "/x"}]},
    }


ALL_EDITS = ContainerEdits(
    env=("A=1",),
    device_nodes=(DeviceNode(path="/dev/null"), DeviceNode(path="/dev/x", type="b", major=1)),
    net_devices=(NetDevice(host_interface_name="eth0", name="net0"),),
    hooks=(Hook(hook_name="prestart", path="/h"),),
    mounts=(Mount(host_path="/h", container_path="/a/b", options=("bind",)),),
    intel_rdt=IntelRdt(clos_id="c"),
    additional_gids=(7,),
)


@pytest.mark.parametrize(
    ("oci", "message"),
    [
        ([], "OCI spec: expected an object, found a list"),
        (None, "OCI spec: expected an object, found null"),
        ({"process": "x"}, "process: expected an object, found a string"),
        ({"process": {"env": {}}}, "process.env: expected a list, found an object"),
        ({"process": {"env": ["A=1", None]}}, r"process.env\[1\]: expected a string, found null"),
        (
            {"process": {"user": {"uid": True}}},
            "process.user.uid: expected an id from 0 to 4294967295, found a boolean",
        ),
        ({"process": {"user": {"gid": -1}}}, "process.user.gid: expected an id from 0 to 4294967295, found a number"),
        ({"process": {"user": {"additionalGids": [1.5]}}}, r"process.user.additionalGids\[0\]: expected an id"),
        ({"linux": []}, "linux: expected an object, found a list"),
        ({"linux": {"devices": [{}, 1]}}, r"linux.devices\[1\]: expected an object, found a number"),
        ({"linux": {"resources": {"devices": "x"}}}, "linux.resources.devices: expected a list, found a string"),
        ({"linux": {"netDevices": []}}, "linux.netDevices: expected an object, found a list"),
        ({"linux": {"namespaces": [None]}}, r"linux.namespaces\[0\]: expected an object, found null"),
        ({"mounts": [{"destination": 5}]}, r"mounts\[0\].destination: expected a string, found a number"),
        ({"hooks": {"prestart": {}}}, "hooks.prestart: expected a list, found an object"),
    ],
)
def test_a_wrong_type_is_named_by_its_path(oci: Any, message: str) -> None:
    with pytest.raises(InjectionFailed, match=message):
        inject(oci, ALL_EDITS, node_at=HOST.get)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
OCI = JSON | st.fixed_dictionaries(
    {},
    optional={
        "process": JSON
        | st.fixed_dictionaries(
            {},
            optional={
                "env": JSON | st.lists(st.sampled_from(["A=0", "B"])),
                "user": JSON | st.fixed_dictionaries({}, optional={"uid": JSON, "gid": JSON, "additionalGids": JSON}),
            },
        ),
        "mounts": JSON | st.lists(JSON | st.fixed_dictionaries({}, optional={"destination": JSON, "x": JSON})),
        "hooks": JSON | st.fixed_dictionaries({}, optional={"prestart": JSON}),
        "linux": JSON
        | st.fixed_dictionaries(
            {},
            optional={
                "devices": JSON | st.lists(JSON | st.fixed_dictionaries({}, optional={"path": JSON, "x": JSON})),
                "resources": JSON | st.fixed_dictionaries({}, optional={"devices": JSON}),
                "netDevices": JSON,
                "namespaces": JSON | st.lists(st.fixed_dictionaries({"type": JSON})),
            },
        ),
    },
)


@given(OCI)
def test_any_document_is_injected_or_refused_and_stays_as_it_is(oci: Any) -> None:
    before = copy.deepcopy(oci)
    try:
        result = inject(oci, ALL_EDITS, node_at=HOST.get)
    except CdiError:
        result = None
    assert oci == before
    if result is not None:
        assert set(result) == {*before, "process", "linux", "mounts", "hooks"}
