"""Container edits as values."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cdi.edits import append, deduplicate, sort
from cdi.model import ContainerEdits, DeviceNode, Hook, IntelRdt, Mount, NetDevice
from cdi.oci import inject


def node(path: str, permissions: str | None = None) -> DeviceNode:
    return DeviceNode(path=path, type="c", major=1, minor=3, permissions=permissions)


def mount(container_path: str, host_path: str = "/h") -> Mount:
    return Mount(host_path=host_path, container_path=container_path)


def hook(path: str, name: str = "createContainer") -> Hook:
    return Hook(hook_name=name, path=path)


SOME_EDITS = st.builds(
    ContainerEdits,
    env=st.lists(st.sampled_from(["A=1", "A=2", "B=1"]), max_size=5).map(tuple),
    device_nodes=st.lists(st.sampled_from([node("/dev/a"), node("/dev/a", "r"), node("/dev/b")]), max_size=4).map(
        tuple
    ),
    net_devices=st.lists(
        st.sampled_from([NetDevice(host_interface_name=h, name=n) for h, n in (("e1", "a"), ("e1", "b"), ("e2", "a"))]),
        max_size=3,
    ).map(tuple),
    hooks=st.lists(st.sampled_from([hook("/1"), hook("/2"), hook("/1", "poststop")]), max_size=4).map(tuple),
    mounts=st.lists(st.sampled_from([mount("/a"), mount("/a", "/other"), mount("/a/b")]), max_size=4).map(tuple),
    intel_rdt=st.sampled_from([None, IntelRdt(clos_id="a"), IntelRdt(clos_id="b")]),
    additional_gids=st.lists(st.integers(0, 3), max_size=4).map(tuple),
)


def effect(edits: ContainerEdits, *, ordered_hooks: bool = True) -> dict[str, object]:
    """Return what a container gets, without the order in which it does not matter."""
    oci = inject({}, edits, node_at=lambda _: None)
    linux = oci.get("linux", {})
    hooks = oci.get("hooks", {})
    return {
        "env": sorted(oci.get("process", {}).get("env", [])),
        "gids": sorted(oci.get("process", {}).get("user", {}).get("additionalGids", [])),
        "devices": sorted(map(str, linux.get("devices", []))),
        "rules": sorted({str(rule) for rule in linux.get("resources", {}).get("devices", [])}),
        "net": linux.get("netDevices", {}),
        "rdt": linux.get("intelRdt"),
        "mounts": sorted(map(str, oci.get("mounts", []))),
        "hooks": hooks if ordered_hooks else {name: sorted({str(h) for h in hooks[name]}) for name in hooks},
    }


def test_append_concatenates_lists_and_the_later_rdt_wins() -> None:
    first = ContainerEdits(env=("A=1",), intel_rdt=IntelRdt(clos_id="a"), additional_gids=(5,))
    second = ContainerEdits(env=("A=1", "B=2"), hooks=(hook("/h"),), intel_rdt=IntelRdt(clos_id="b"))
    third = ContainerEdits(device_nodes=(node("/dev/a"),), mounts=(mount("/a"),))
    assert append(first, second, third) == ContainerEdits(
        env=("A=1", "A=1", "B=2"),
        device_nodes=(node("/dev/a"),),
        hooks=(hook("/h"),),
        mounts=(mount("/a"),),
        intel_rdt=IntelRdt(clos_id="b"),
        additional_gids=(5,),
    )


def test_append_of_one_is_itself() -> None:
    edits = ContainerEdits(env=("A=1",))
    assert append(edits) is edits


def test_deduplicate_drops_repeated_entries() -> None:
    edits = ContainerEdits(
        env=("A=1", "B=1", "A=1"),
        device_nodes=(node("/dev/a"), node("/dev/a")),
        hooks=(hook("/1"), hook("/2"), hook("/1")),
        mounts=(mount("/a"), mount("/a")),
        additional_gids=(7, 5, 7),
    )
    assert deduplicate(edits) == ContainerEdits(
        env=("A=1", "B=1"),
        device_nodes=(node("/dev/a"),),
        hooks=(hook("/1"), hook("/2")),
        mounts=(mount("/a"),),
        additional_gids=(7, 5),
    )


def test_deduplicate_keeps_an_entry_that_undoes_another() -> None:
    edits = ContainerEdits(env=("A=1", "A=2", "A=1"))
    assert deduplicate(edits) == edits


def test_sort_orders_numbers_as_numbers_and_parents_first() -> None:
    edits = ContainerEdits(
        env=("B10=1", "B9=1", "A=2", "A=1"),
        device_nodes=(node("/dev/nvidia10"), node("/dev/nvidia2")),
        net_devices=(NetDevice(host_interface_name="e10", name="x"), NetDevice(host_interface_name="e9", name="y")),
        hooks=(hook("/2"), hook("/1")),
        mounts=(mount("/a/b"), mount("/a-b"), mount("/a")),
        additional_gids=(10, 9),
    )
    assert sort(edits) == ContainerEdits(
        env=("A=2", "A=1", "B9=1", "B10=1"),
        device_nodes=(node("/dev/nvidia2"), node("/dev/nvidia10")),
        net_devices=(NetDevice(host_interface_name="e9", name="y"), NetDevice(host_interface_name="e10", name="x")),
        hooks=(hook("/2"), hook("/1")),
        mounts=(mount("/a"), mount("/a/b"), mount("/a-b")),
        additional_gids=(9, 10),
    )


@given(SOME_EDITS)
def test_deduplicate_keeps_the_effect(edits: ContainerEdits) -> None:
    assert effect(deduplicate(edits), ordered_hooks=False) == effect(edits, ordered_hooks=False)


@given(SOME_EDITS)
def test_sort_keeps_the_effect(edits: ContainerEdits) -> None:
    assert effect(sort(edits)) == effect(edits)
