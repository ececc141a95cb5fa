"""Network cards whose interface a container has: what is installed of them stays, for when it starts again."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from cdi.discovery import discover
from cdi.freshness import compare
from cdi.generation import generate
from cdi.host import Host
from cdi.registry import Registry
from cdi.store import load
from cdi.upkeep import Keeper, Timing, Wanted, wanted
from tests.benchmarks.hosts import write_functions

if TYPE_CHECKING:
    from pathlib import Path

TIMING = Timing()
NAMES = ["0000:3b:00.0", "0000:3b:00.1"]


class Node:
    """A host with two functions, and the specs that are kept for it; `look` is one look, long after the last."""

    def __init__(self, root: Path) -> None:
        write_functions(root, 2)
        self.root = root
        self.installed = root / "etc/cdi"
        self.installed.mkdir(parents=True)
        self.keeper = Keeper(self.installed, TIMING)
        self.now = 0.0

    def wanted(self) -> Wanted:
        discovery = discover(Host(self.root), ["nic"])
        return wanted(discovery, generate(discovery).specs, ())

    def look(self) -> None:
        self.now += 10 * TIMING.grace
        self.keeper.look(self.wanted(), self.now)

    def devices(self) -> list[str]:
        return [device.name for path in self.installed.iterdir() for device in load(path).devices]

    def lend(self, index: int) -> None:
        """Do to /sys what moving an interface to another network namespace does."""
        link = self.root / f"sys/class/net/eth{index}"
        shutil.rmtree(link.resolve())
        link.unlink()

    def unplug(self, index: int) -> None:
        self.lend(index)
        link = self.root / f"sys/bus/pci/devices/{NAMES[index]}"
        shutil.rmtree(link.resolve())
        link.unlink()


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
    discovery = discover(Host(node.root), ["nic"])
    (comparison,) = compare(discovery, Registry.load([node.installed]), Host(node.root))
    assert comparison.findings == ()
