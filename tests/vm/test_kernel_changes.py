"""Hardware that changes while specs of it are installed: what is said of them, and what the next run makes of it."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from cdi.discovery.nic import AWAY
from tests.cli.harness import run as cdi
from tests.vm.hardware import VIRTUAL_FUNCTIONS, bind, divide, empty_disk, functions_of, run, settle, use_disk

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from tests.vm.hardware import Cards

pytestmark = pytest.mark.vm
SPECS = Path("/run/cdi")
# Not what this machine's runtimes read: none of them reads all that the guest's hardware needs.
FORCED = ("--compat", "none")
FAMILIES = ("netdev", "nic", "vfio")


@pytest.fixture
def specs() -> Iterator[dict[str, str]]:
    """Yield what `cdi generate --install` wrote, by file."""
    done = cdi("generate", "--install", *FORCED)
    assert done.code == 0, done.err
    yield written()
    shutil.rmtree(SPECS)


def written() -> dict[str, str]:
    return {path.name: path.read_text() for path in SPECS.iterdir()}


def devices(family: str) -> list[str]:
    """Return the names of a family's installed devices."""
    listed = cdi("devices", "-o", "json").json["devices"]
    return [device["name"] for device in listed if device["name"].startswith(f"host.local/{family}=")]


def kinds_in(answer: str) -> set[str]:
    return {line.partition(":")[0].partition("=")[0] for line in answer.splitlines()}


def test_what_is_installed_is_valid_on_this_host_and_fresh(specs: dict[str, str]) -> None:
    assert {f"host.local-{kind}.yaml" for kind in ("dev", "netdev", "nic", "rdma", "vdpa", "vfio")} <= set(specs)
    validated = cdi("validate", "--host", "--strict")
    assert (validated.code, validated.err) == (0, ""), validated.out
    checked = cdi("generate", "--check", *FORCED)
    assert (checked.code, checked.out) == (0, ""), checked.out


def test_a_function_that_changes_hands_is_stale_until_the_next_run(specs: dict[str, str], cards: Cards) -> None:
    bdf = cards.virtual[2]
    bind(bdf, "vfio-pci")
    try:
        checked = cdi("generate", "--check", *FAMILIES, *FORCED)
        assert checked.code == 1
        assert kinds_in(checked.out) == {"host.local/netdev", "host.local/nic", "host.local/vfio"}
        assert cdi("validate", "--host", SPECS / "host.local-netdev.yaml").code == 1
        assert cdi("generate", "--install", *FAMILIES, *FORCED).code == 0
        assert f"host.local/vfio={bdf}" in devices("vfio")
        assert cdi("validate", "--host", "--strict").code == 0
        assert cdi("generate", "--check", *FAMILIES, *FORCED).code == 0
    finally:
        bind(bdf, "igbvf")
    assert cdi("generate", "--install", *FAMILIES, *FORCED).code == 0
    assert written() == specs


def test_functions_that_went_and_came_back_have_the_same_specs(specs: dict[str, str], cards: Cards) -> None:
    divide(cards.igb_bdf, 0)
    try:
        checked = cdi("generate", "--check", *FAMILIES, *FORCED)
        assert checked.code == 1
        for bdf in cards.virtual:
            assert bdf in checked.out
        made = cdi("generate", "nic", "-o", "json")
        assert [device["name"] for device in json.loads(made.out)["devices"]] == [cards.igb_bdf, "all"]
    finally:
        divide(cards.igb_bdf, VIRTUAL_FUNCTIONS)
        bind(cards.virtual[1], "vfio-pci")
    assert cdi("generate", "--install", *FAMILIES, *FORCED).code == 0
    assert written() == specs


@contextmanager
def pod() -> Generator[None]:
    """Have a network namespace, as containers have one."""
    run("ip", "netns", "add", "pod")
    try:
        yield
    finally:
        run("ip", "netns", "delete", "pod")
        settle()


def moves(interface: str) -> bool:
    """Return whether the kernel moves an interface into the pod, as a runtime asks it to; it comes back at once."""
    there = subprocess.run(["ip", "link", "set", interface, "netns", "pod"], check=False, stderr=subprocess.PIPE)
    if there.returncode == 0:
        run("ip", "-netns", "pod", "link", "set", interface, "netns", "1")
    return there.returncode == 0


def interface_of(bdf: str) -> str:
    (path,) = Path(f"/sys/bus/pci/devices/{bdf}/net").iterdir()
    return path.name


@pytest.fixture
def spare() -> Iterator[None]:
    """Have a dummy interface that nothing is built on."""
    run("ip", "link", "add", "spare0", "type", "dummy")
    yield
    run("ip", "link", "delete", "spare0")
    settle()


@pytest.mark.usefixtures("spare")
def test_what_is_offered_can_be_moved_and_what_the_kernel_keeps_cannot() -> None:
    answer = cdi("discover", "netdev", "-o", "json").json
    offered = {device["name"] for device in answer["found"]}
    kept = {thing["what"] for thing in answer["skipped"] if "the kernel keeps" in thing["why"]}
    assert offered >= {"ipvlan0", "macvlan0", "spare0", "veth0", "vlan0"}
    assert kept == {"bond0", "br0", "vrf0"}
    with pod():
        moved = {name: moves(name) for name in (*offered, *kept)}
    assert moved == {name: name in offered for name in moved}
    again = cdi("discover", "netdev", "-o", "json").json
    assert {device["name"] for device in again["found"]} == offered


def test_a_card_comes_back_from_a_container_as_it_was(specs: dict[str, str], cards: Cards) -> None:
    bdf = cards.virtual[0]
    interface = interface_of(bdf)
    with pod():
        run("ip", "link", "set", interface, "netns", "pod")
        kept = {thing["what"]: thing["why"] for thing in cdi("discover", "nic", "-o", "json").json["skipped"]}
        assert kept[bdf] == AWAY
        checked = cdi("generate", "nic", "--check", *FORCED)
        assert (checked.code, checked.out) == (0, "")
        assert cdi("generate", "nic", "--install", *FORCED).code == 0
        assert written() == specs
    end = time.monotonic() + 20
    while not Path(f"/sys/class/net/{interface}").exists() and time.monotonic() < end:
        time.sleep(0.1)  # the kernel ends a network a little after its last name or process
    settle()
    assert interface_of(bdf) == interface
    assert cdi("generate", "--install", *FAMILIES, *FORCED).code == 0
    assert written() == specs


def test_a_container_gets_the_nodes_and_the_interface_of_its_card(
    specs: dict[str, str], cards: Cards, tmp_path: Path
) -> None:
    assert specs
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"ociVersion": "1.3.0", "process": {"env": []}, "linux": {}}))
    names = [f"host.local/nic={cards.virtual[0]}", f"host.local/vfio={cards.virtual[1]}", "host.local/rdma=rxe0"]
    done = cdi("inject", config, *names)
    assert done.code == 0, done.err
    oci: dict[str, Any] = done.json
    interface = interface_of(cards.virtual[0])
    assert oci["linux"]["netDevices"] == {interface: {"name": interface}}
    given = {node["path"]: (node["major"], node["minor"]) for node in oci["linux"]["devices"]}
    assert set(given) >= {"/dev/vfio/vfio", "/dev/infiniband/uverbs0", "/dev/infiniband/rdma_cm"}
    for path, (major, minor) in given.items():
        assert Path(f"/sys/dev/char/{major}:{minor}/dev").read_text() == f"{major}:{minor}\n"
        assert Path(path).is_char_device()
    assert f"PCIDEVICE_HOST_LOCAL_NIC={cards.virtual[0]}" in oci["process"]["env"]


def test_an_empty_disk_is_offered_with_the_virtual_functions_that_reach_it(cards: Cards) -> None:
    empty_disk()
    try:
        answer = cdi("discover", "nvme", "-o", "json").json
    finally:
        use_disk()
    found = {
        device["name"]: {node["path"] for node in device["containerEdits"]["deviceNodes"]} for device in answer["found"]
    }
    assert found == {
        bdf: {f"/dev/{controller}", "/dev/nvme0n1", "/dev/ng0n1"}
        for bdf, controller in zip(functions_of(cards.nvme_bdf), ("nvme1", "nvme2"), strict=True)
    }
    for path in set().union(*found.values()):
        assert Path(path).exists()
    assert {kept["what"]: kept["why"] for kept in answer["skipped"]} == {
        cards.nvme_bdf: "manages its 2 virtual functions"
    }


def test_pools_divide_a_card_by_what_its_functions_are_bound_to(cards: Cards, tmp_path: Path) -> None:
    pools = {
        "net": {"drivers": ["igbvf"], "pfNames": [f"{cards.igb}#0-1"]},
        "dpdk": {"drivers": ["vfio-pci"], "rootDevices": [cards.igb_bdf]},
    }
    file = tmp_path / "pools.json"
    entries = [{"resourceName": name, "resourcePrefix": "vm.test", "selectors": one} for name, one in pools.items()]
    file.write_text(json.dumps({"resourceList": entries}))
    made = cdi("generate", "pool", "--pools", file, "--no-all", "--name", "bdf", "-o", "json")
    assert made.code == 0, made.err
    specs = {
        spec["kind"]: [device["name"] for device in spec["devices"]] for spec in map(json.loads, made.out.splitlines())
    }
    assert specs == {"vm.test/dpdk": [cards.virtual[1]], "vm.test/net": [cards.virtual[0]]}
