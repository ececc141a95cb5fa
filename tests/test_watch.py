"""A registry that is told of every change in its directories."""

from __future__ import annotations

import os
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cdi.registry import Change, Registry
from cdi.watch import Watch
from tests.test_registry import put, text, values

if TYPE_CHECKING:
    from collections.abc import Callable, Generator


@contextmanager
def watching(*dirs: Path) -> Generator[Callable[[str | None], None]]:
    """Give a function that waits until the first device has a value, or is gone."""

    def wait_for(value: str | None) -> None:
        deadline = time.monotonic() + 10
        while next(iter(values(registry).values()), None) != value:
            assert time.monotonic() < deadline, f"{values(registry)} has no {value}"
            time.sleep(0.005)

    with Registry.load(dirs, watch=True) as registry:
        yield wait_for


def test_a_watched_directory_is_read_again_on_every_kind_of_change(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    with watching(tmp_path) as wait_for:
        path.write_text(text(x="1"))
        wait_for("1")
        put(path, text(x="2"))
        wait_for("2")
        path.write_text(text(x="3"))
        wait_for("3")
        path.rename(tmp_path / "backup~")  # as editors do
        path.write_text(text(x="4"))
        wait_for("4")
        path.unlink()
        wait_for(None)
        path.symlink_to("backup~")
        wait_for("3")
        path.unlink()
        wait_for(None)
        os.link(tmp_path / "backup~", path)
        wait_for("3")


def test_links_through_a_swapped_directory_are_read_again(tmp_path: Path) -> None:
    put(tmp_path / "..1" / "a.json", text(x="1"))
    put(tmp_path / "..2" / "a.json", text(x="2"))
    (tmp_path / "..data").symlink_to("..1")
    (tmp_path / "a.json").symlink_to("..data/a.json")
    with watching(tmp_path) as wait_for:
        wait_for("1")
        (tmp_path / "..tmp").symlink_to("..2")
        (tmp_path / "..tmp").rename(tmp_path / "..data")
        wait_for("2")


def test_a_directory_that_comes_and_goes_is_watched(tmp_path: Path) -> None:
    directory = tmp_path / "not" / "yet" / "there"
    with watching(directory) as wait_for:
        for _ in range(3):
            put(directory / "a.json", text(x="1"))
            wait_for("1")
            put(directory / "a.json", text(x="2"))
            wait_for("2")
            (tmp_path / "not").rename(tmp_path / "gone")
            wait_for(None)
            (tmp_path / "gone").rename(tmp_path / "not")
            wait_for("2")
            (directory / "a.json").unlink()
            directory.rmdir()
            directory.parent.rmdir()
            wait_for(None)


def test_a_directory_that_is_replaced_is_watched(tmp_path: Path) -> None:
    put(tmp_path / "one" / "cdi" / "a.json", text(x="1"))
    put(tmp_path / "two" / "cdi" / "a.json", text(x="2"))
    link = tmp_path / "etc"
    link.symlink_to("one")
    with watching(link / "cdi") as wait_for:
        wait_for("1")
        (tmp_path / "new").symlink_to("two")
        (tmp_path / "new").rename(link)
        wait_for("2")
        put(tmp_path / "two" / "cdi" / "a.json", text(x="3"))
        wait_for("3")


def test_a_file_in_the_place_of_a_directory_does_not_end_the_watch(tmp_path: Path) -> None:
    directory = tmp_path / "cdi"
    directory.write_text("")
    with watching(directory) as wait_for:
        directory.unlink()
        put(directory / "a.json", text(x="1"))
        wait_for("1")


def test_several_directories_may_be_watched_and_lie_in_each_other(tmp_path: Path) -> None:
    with watching(tmp_path / "a", tmp_path, tmp_path / "a") as wait_for:
        put(tmp_path / "b.json", text(x="low"))
        wait_for("low")
        put(tmp_path / "a" / "b.json", text(x="high"))
        wait_for("high")


def test_an_overrun_queue_is_told(tmp_path: Path) -> None:
    watch = Watch([tmp_path])
    longest = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    if longest > 1 << 16:
        pytest.skip("it takes long to overrun the queue of this machine")
    for number in range(longest):
        (tmp_path / str(number % 2)).mkdir()
        (tmp_path / str(number % 2)).rmdir()
    taken = watch.take()
    watch.close()
    assert taken.lost
    assert set(taken.changed) == {tmp_path / "0", tmp_path / "1"}


def test_nodes_are_watched_for_coming_and_going_only(tmp_path: Path) -> None:
    node = tmp_path / "null"
    node.touch()
    watch = Watch([tmp_path], contents=False)
    node.write_text("what everybody does")
    assert watch.take() == ((), False)
    (tmp_path / "new").touch()
    assert watch.take() == ((tmp_path / "new",), False)
    watch.close()


def test_one_name_of_a_directory_is_watched_also_before_the_directory_is_there(tmp_path: Path) -> None:
    file = tmp_path / "etc" / "ld.so.cache"
    watch = Watch([file])
    file.parent.mkdir()
    assert watch.take() == ((file.parent,), False)
    watch.arm()
    (file.parent / "other").write_text("")
    assert watch.take() == ((), False)
    file.write_text("")
    assert watch.take() == ((file,), False)
    watch.close()


def test_changes_end_when_the_registry_is_closed(tmp_path: Path) -> None:
    seen: list[Change] = []
    with Registry.load([tmp_path], watch=True) as registry:
        changes = registry.changes()
        thread = threading.Thread(target=lambda: seen.extend(changes))
        thread.start()
        path = put(tmp_path / "a.json", text(x="1"))
        deadline = time.monotonic() + 10
        while not seen and time.monotonic() < deadline:
            time.sleep(0.005)
    thread.join(10)
    assert not thread.is_alive()
    assert seen == [Change(action="added", path=path, device="vendor.com/gpu=x")]
    registry.close()


def test_a_closed_registry_leaves_no_thread_and_no_descriptor(tmp_path: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(3):
        Registry.load([tmp_path], watch=True).close()
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    assert "cdi-watch" not in {thread.name for thread in threading.enumerate()}
