"""Functions that are in use: by a program of the host, which nobody should take them from, or by a container."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import cdi
from cdi.discovery import Discovery, discover
from cdi.discovery.vfio_users import Users, read_vfio_users
from cdi.freshness import compare
from cdi.generation import generate
from cdi.host import Host
from cdi.recording import snapshot
from cdi.registry import Registry
from cdi.upkeep import wanted
from cdi.upkeep.keeper import Keeper
from cdi.upkeep.pace import Timing

if TYPE_CHECKING:
    from cdi.model import Spec

HOSTS = Path(__file__).parent.parent / "spec-examples/hosts"
TREE = (HOSTS / "vfio-in-use/host.tree").read_text()
# As it was before the virtual machine of the host was started.
BEFORE = TREE.replace("/proc/2317/fd/31 -> /dev/vfio/120\n", "").replace(
    "/0000:3b:02.0/enable = 1\n", "/0000:3b:02.0/enable = 0\n"
)
FREE = TREE.replace("/enable = 1\n", "/enable = 0\n")
OF_HOST = "is used by process 2317 (qemu-system-x86)"


def process(pid: int, name: str, *nodes: str, ids: str = "", cgroup: str = "") -> str:
    links = "".join(f"/proc/{pid}/fd/{fd} -> {node}\n" for fd, node in enumerate(nodes))
    return (
        f'/proc/{pid}/status = "Name:\\t{name}\\nNSpid:\\t{pid}{ids}\\nVmLck:\\t4 kB\\n"\n'
        f"/proc/{pid}/cgroup = 0::{cgroup or '/init.scope'}\n{links}"
    )


def users(tree: str) -> dict[str, str]:
    return {node: str(user) for node, user in read_vfio_users(Host.from_tree(tree)).by_node.items()}


def test_a_process_of_the_host_and_those_of_containers() -> None:
    assert users(
        process(7, "qemu-kvm", "/dev/vfio/vfio", "socket:[4]", "/dev/vfio/42", "/dev/vfio/43 (deleted)")
        + process(8, "dpdk", "/dev/vfio/noiommu-5", ids="\\t1")
        + process(9, "qemu", "/dev/vfio/devices/vfio3", cgroup="/kubepods.slice/kubepods-pod1.slice/cri-1.scope")
        + process(10, "bash", "/dev/null", "anon_inode:[vfio-device]")
        + '/proc/self/status = "Name:\\tcdi\\n"\n/proc/cpuinfo = x\n'
    ) == {
        "/dev/vfio/42": "process 7 (qemu-kvm)",
        "/dev/vfio/43": "process 7 (qemu-kvm)",
        "/dev/vfio/noiommu-5": "process 8 (dpdk) of a container",
        "/dev/vfio/devices/vfio3": "process 9 (qemu) of a container",
    }


def test_one_of_the_host_counts_before_one_of_a_container() -> None:
    both = process(7, "late", "/dev/vfio/1", ids="\\t1") + process(9, "early", "/dev/vfio/1")
    assert users(both) == {"/dev/vfio/1": "process 9 (early)"}


def test_without_proc_nobody_is_seen() -> None:
    assert read_vfio_users(Host.from_tree("/etc/\n")) == Users()


def judged(tree: str, *include: str, family: str = "vfio") -> dict[str, str | None]:
    """Return the functions with who uses them, and why those that are not offered are not."""
    discovery = discover(Host.from_tree(tree), [family], include=include)
    by: dict[str, str | None] = {one.name: _text(one.attributes.get("usedBy")) for one in discovery.found}
    return by | {one.what: one.why for one in discovery.skipped if one.what.endswith(tuple("01234"))}


def _text(value: object) -> str | None:
    return None if value is None else str(value)


@pytest.mark.parametrize("family", ["vfio", "nic"])
def test_what_the_host_uses_is_not_offered_and_what_a_container_has_is(family: str) -> None:
    expected = {
        "0000:3b:02.0": OF_HOST,
        "0000:3b:02.1": "process 4711 (dpdk-testpmd) of a container",
        "0000:3b:02.2": "process 5120 (qemu-system-x86) of a container",
        "0000:3b:02.3": None,
        "0000:3b:02.4": None,
    }
    assert {name: why for name, why in judged(TREE, family=family).items() if name in expected} == expected


@pytest.mark.parametrize("name", ["0000:3b:02.0", "ens1f0-vf0"])
@pytest.mark.parametrize("family", ["vfio", "nic"])
def test_it_is_offered_by_name_with_a_warning_and_not_in_all(family: str, name: str) -> None:
    discovery = discover(Host.from_tree(TREE), [family], include=[name])
    found = next(one for one in discovery.found if one.name == "0000:3b:02.0")
    assert (OF_HOST in found.warnings, found.in_all) == (True, False)


@pytest.mark.parametrize(
    ("host", "family", "bdf", "group"),
    [("qat", "intel-qat", "0000:6b:00.1", "300"), ("flex-sriov", "intel-gpu", "0000:4d:00.3", "122")],
)
def test_families_of_vendors_keep_it_too(host: str, family: str, bdf: str, group: str) -> None:
    before = Host.load(HOSTS / host)
    place = before.resolve(f"/sys/bus/pci/devices/{bdf}")
    used = f"{place}/enable = 1\n" + process(7, "qemu", f"/dev/vfio/{group}")
    after = Host.from_tree((HOSTS / host / "host.tree").read_text() + used)
    free, taken = ({one.names["bdf"] for one in discover(each, [family]).found} for each in (before, after))
    assert free - taken == {bdf}
    (skipped,) = (one for one in discover(after, [family]).skipped if one.what == bdf)
    assert (skipped.why, bdf in skipped.lent) == ("is used by process 7 (qemu)", True)
    (asked,) = (one for one in discover(after, [family], include=[bdf]).found if one.names["bdf"] == bdf)
    assert (asked.attributes["usedBy"], asked.in_all) == ("process 7 (qemu)", False)


def test_nobody_looks_at_processes_where_no_function_is_open() -> None:
    closed = FREE + "/proc/1/fd/ ! EACCES\n"
    assert {why for name, why in judged(closed).items() if "02" in name} == {None}
    assert "/proc/2317" not in snapshot(Host.from_tree(FREE))


def test_a_group_is_used_as_a_whole() -> None:
    pair = TREE.replace("iommu_groups/123", "iommu_groups/120").replace("/dev/vfio/123", "/dev/vfio/999")
    assert [judged(pair)[name] for name in ("0000:3b:02.0", "0000:3b:02.3")] == [OF_HOST, OF_HOST]


def test_who_cannot_look_is_told_of_what_is_open() -> None:
    closed = "".join(line for line in TREE.splitlines(keepends=True) if not line.startswith("/proc/2317/"))
    discovery = discover(Host.from_tree(closed + "/proc/2317/fd/ ! EACCES\n/proc/9000/fd/ ! EACCES\n"), ["vfio"])
    said = "it is in use, and by whom cannot be told: cannot list '/proc/2317/fd': permission denied"
    assert {one.name: said in one.warnings for one in discovery.found} == {
        "0000:3b:02.0": True,
        "0000:3b:02.1": False,
        "0000:3b:02.2": False,
        "0000:3b:02.3": False,
        "0000:3b:02.4": False,
    }


def told(host: Host) -> Discovery:
    return discover(host, ["vfio", "nic"])


def test_a_snapshot_has_the_processes_that_use_functions_and_no_other() -> None:
    more = (
        process(2317, "qemu-system-x86", "/dev/vfio/120", "/home/alice/disk.qcow2", cgroup="/machine.slice/alice.scope")
        + process(4711, "dpdk-testpmd", "/dev/vfio/121", ids="\\t8", cgroup="/kubepods.slice/pod-of-bob")
        + process(5999, "secretd", "/home/alice/secret")
        + "/proc/6000/fd/ ! EACCES\n/proc/6001/fd/ ! EACCES\n/proc/cmdline = secret\n"
    )
    host = Host.from_tree(
        "".join(line for line in TREE.splitlines(keepends=True) if not line.startswith("/proc/")) + more
    )
    text = snapshot(host)
    again = Host.from_tree(text)
    assert told(again) == told(host)
    assert snapshot(again) == text
    for secret in ("alice", "bob", "secret", "VmLck", "5999", "6001", "disk"):
        assert secret not in text
    assert '/proc/4711/status = "Name:\\tdpdk-testpmd\\nNSpid:\\t4711\\t8\\n"\n' in text


def specs(tree: str) -> tuple[Spec, ...]:
    return generate(told(Host.from_tree(tree))).specs


def test_a_spec_that_has_what_the_host_uses_is_fresh(tmp_path: Path) -> None:
    for spec in specs(BEFORE):
        cdi.write(spec, tmp_path)
    host = Host.from_tree(TREE)
    compared = compare(told(host), Registry.load([tmp_path]), host)
    assert [(one.kind, one.fresh) for one in compared] == [("host.local/nic", True), ("host.local/vfio", True)]
    assert all(one.written[0].startswith(f"with 0000:3b:02.0, which {OF_HOST}") for one in compared)


def test_watching_takes_nothing_away_and_offers_nothing_new(tmp_path: Path) -> None:
    keeper = Keeper(tmp_path, Timing())

    def look(tree: str, now: float) -> dict[str, frozenset[str]]:
        discovery = told(Host.from_tree(tree))
        keeper.look(wanted(discovery, generate(discovery).specs, ()), now)
        loaded = Registry.load([tmp_path]).specs
        return {one.spec.kind: frozenset(device.name for device in one.spec.devices) for one in loaded}

    without = look(TREE, 0)
    assert all("0000:3b:02.0" not in names for names in without.values())
    whole = look(BEFORE, 10)
    assert all({"0000:3b:02.0", "ens1f0-vf0"} <= names for names in whole.values())
    assert [look(TREE, 20 + 100 * i) for i in range(9)] == [whole] * 9
