"""Network cards whose interface a container has: what is installed of them stays, for when it starts again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cdi.discovery import discover
from cdi.freshness import compare
from cdi.generation import generate
from cdi.host import Host
from cdi.registry import Registry
from cdi.store import load
from cdi.upkeep import Keeper, Timing, Wanted, wanted

if TYPE_CHECKING:
    from pathlib import Path

TIMING = Timing()
NAMES = ["0000:3b:00.0", "0000:3b:00.1"]


def function(index: int) -> list[str]:
    place = f"/sys/devices/pci0000:3a/{NAMES[index]}"
    net = f"{place}/net/eth{index}"
    return [
        f"/sys/bus/pci/devices/{NAMES[index]} -> ../../..{place[4:]}",
        f"/sys/class/net/eth{index} -> ../..{net[4:]}",
        f"{place}/class = 0x020000",
        f"{place}/uevent = PCI_CLASS=20000",
        f"{place}/net/",
        f"{net}/device -> ../../../{NAMES[index]}",
        f"{net}/type = 1",
        f"{net}/ifindex = {index + 2}",
    ]


class Node:
    """A host with two functions, and the specs that are kept for it; `look` is one look, long after the last."""

    def __init__(self, installed: Path) -> None:
        self.lines = ["/proc/net/route = Iface", "/sys/class/net/", *function(0), *function(1)]
        self.installed = installed
        self.keeper = Keeper(installed, TIMING)
        self.now = 0.0

    def host(self) -> Host:
        return Host.from_tree("\n".join(self.lines))

    def wanted(self) -> Wanted:
        discovery = discover(self.host(), ["nic"])
        return wanted(discovery, generate(discovery).specs, ())

    def look(self) -> None:
        self.now += 10 * TIMING.grace
        self.keeper.look(self.wanted(), self.now)

    def devices(self) -> list[str]:
        return [device.name for path in self.installed.iterdir() for device in load(path).devices]

    def lend(self, index: int) -> None:
        """Do to /sys what moving an interface to another network namespace does."""
        self.lines = [line for line in self.lines if f"/net/eth{index}" not in line]

    def unplug(self, index: int) -> None:
        self.lines = [line for line in self.lines if NAMES[index] not in line]


@pytest.fixture
def node(tmp_path: Path) -> Node:
    node = Node(tmp_path)
    node.look()
    assert node.devices() == [*NAMES, "all"]
    return node


def looked(node: Node) -> list[str]:
    for _ in range(5):
        node.look()
    return node.devices()


def test_what_a_container_has_stays_in_its_spec(node: Node) -> None:
    before = [path.read_text() for path in node.installed.iterdir()]
    node.lend(0)
    looked(node)
    assert [path.read_text() for path in node.installed.iterdir()] == before


def test_a_spec_stays_when_containers_have_all_of_it(node: Node) -> None:
    node.lend(0)
    node.lend(1)
    assert looked(node) == [*NAMES, "all"]


def test_what_is_unplugged_goes_from_its_spec(node: Node) -> None:
    node.unplug(0)
    assert looked(node) == [NAMES[1], "all"]


def test_what_was_never_offered_is_not_made_up(tmp_path: Path) -> None:
    node = Node(tmp_path)
    node.lend(0)
    assert looked(node) == [NAMES[1], "all"]


def test_what_a_container_has_makes_no_spec_stale(node: Node) -> None:
    node.lend(0)
    host = node.host()
    (comparison,) = compare(discover(host, ["nic"]), Registry.load([node.installed]), host)
    assert comparison.findings == ()
