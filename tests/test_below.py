"""A directory of a host as a root of its own, and answers that are remembered."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cdi.host import Host, HostError
from cdi.host.tree import Tree, parse_tree

if TYPE_CHECKING:
    from pathlib import Path

TREE = """
/run/driver/usr/lib/a.so -> /usr/lib/a.so.1
/run/driver/usr/lib/a.so.1 = inside
/run/driver/usr/lib/up -> ../../../../../../usr/lib/a.so.1
/run/driver/lib -> usr/lib
/run/driver/loop -> /loop
/run/link -> driver
/usr/lib/a.so.1 = outside
"""


def on_disk(root: Path) -> Host:
    library = root / "run/driver/usr/lib"
    library.mkdir(parents=True)
    (library / "a.so").symlink_to("/usr/lib/a.so.1")
    (library / "a.so.1").write_text("inside\n")
    (library / "up").symlink_to("../../../../../../usr/lib/a.so.1")
    (root / "run/driver/lib").symlink_to("usr/lib")
    (root / "run/driver/loop").symlink_to("/loop")
    (root / "run/link").symlink_to("driver")
    (root / "usr/lib").mkdir(parents=True)
    (root / "usr/lib/a.so.1").write_text("outside\n")
    return Host(root)


@pytest.fixture(params=["tree", "directory"])
def driver(request: pytest.FixtureRequest, tmp_path: Path) -> Host:
    host = Host.from_tree(TREE) if request.param == "tree" else on_disk(tmp_path)
    return host.below("/run/link")


@pytest.mark.parametrize("path", ["/usr/lib/a.so", "/lib/a.so", "/usr/lib/up", "/lib/../lib/./a.so.1", "/../lib/a.so"])
def test_links_start_again_at_the_root_below(driver: Host, path: str) -> None:
    assert driver.read_text(path) == "inside\n"
    assert driver.resolve(path) == "/usr/lib/a.so.1"


def test_what_is_below_is_listed_and_looked_at(driver: Host) -> None:
    assert driver.listdir("/lib") == ("a.so", "a.so.1", "up")
    assert driver.readlink("/lib/a.so") == "/usr/lib/a.so.1"
    assert driver.stat("/lib/a.so", follow=False).type == "l"
    assert driver.stat("/lib/a.so").type == "f"
    assert list(driver.glob("/lib/a*")) == ["/lib/a.so", "/lib/a.so.1"]
    assert not driver.exists("/run")


@pytest.mark.parametrize(("path", "reason"), [("/loop", "too many"), ("/no", "no such"), ("/lib/up/x", "not a dir")])
def test_what_leads_nowhere_says_so(driver: Host, path: str, reason: str) -> None:
    with pytest.raises(HostError, match=reason):
        driver.read_text(path)


def test_a_library_may_be_loaded_of_this_machine_or_when_the_user_names_a_driver_root(tmp_path: Path) -> None:
    assert Host().may_load
    assert not Host(tmp_path).may_load
    assert Host(tmp_path, driver_root="/").may_load
    assert not Host.from_tree("", driver_root="/").may_load
    assert Host().remembering().may_load


class Counting(Tree):
    reads = 0

    def read(self, path: str, limit: int) -> bytes:
        self.reads += 1
        return super().read(path, limit)


def test_what_was_read_once_is_not_read_again() -> None:
    counting = Counting(parse_tree("/a = 1\n", source="tree"))
    host = Host(source=counting).remembering()
    for _ in range(3):
        assert host.read_text("/a") == "1\n"
        with pytest.raises(HostError):
            host.read_text("/b")
    assert counting.reads == 2


def test_one_that_remembers_is_the_same_to_all_who_ask_for_one() -> None:
    host = Host.from_tree("/a = 1\n").remembering()
    assert host.remembering() is host
