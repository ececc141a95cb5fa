"""Whatever is missing, unreadable or garbled on a host, discovery goes on and offers only what is there."""

from __future__ import annotations

import errno
import json
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from cdi.discovery import discover, families
from cdi.encode import dump
from cdi.errors import UsageError
from cdi.generation import generate
from cdi.host import Host
from cdi.host.tree import Entry, Tree, parse_tree
from cdi.hostcheck import check_host
from cdi.recording import snapshot
from cdi.report import check

HOSTS = sorted((Path(__file__).parents[2] / "spec-examples/hosts").iterdir())
GARBAGE = (b"", b"\n", b"-1\n", b"0xzz\n", b"\xff\xfe", b"99999999999999999999\n", b"a: b: c\n" * 9, b"../../../x\n")
ERRORS = (errno.EACCES, errno.EIO, errno.EINVAL, errno.ENODEV)


@cache
def entries_of(place: Path) -> dict[str, Entry]:
    return parse_tree((place / "host.tree").read_text())


@cache
def options_of(place: Path) -> dict[str, Any]:
    path = place / "options.json"
    given_: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    return {key: value for key, value in given_.items() if key != "families"}


def damaged(entry: Entry, way: int) -> Entry | None:
    """Return an entry after an accident: gone, unreadable, garbled, or pointing elsewhere."""
    if way == 0:
        return None
    if entry.stat.type == "l":
        return replace(entry, target=("/nowhere", "..", entry.target + "x", "/")[way % 4])
    if entry.stat.type in {"c", "b"}:
        stats = (replace(entry.stat, minor=(entry.stat.minor or 0) + 1), replace(entry.stat, type="p", major=None))
        return replace(entry, stat=stats[way % 2])
    if way % 2:
        return replace(entry, error=ERRORS[way % len(ERRORS)])
    return replace(entry, content=GARBAGE[way % len(GARBAGE)])


@st.composite
def hosts(draw: st.DrawFn) -> Host:
    place = draw(st.sampled_from(HOSTS))
    entries = dict(entries_of(place))
    paths = sorted(entries)
    for index, way in draw(st.lists(st.tuples(st.integers(0, len(paths) - 1), st.integers(0, 40)), max_size=12)):
        path = paths[index]
        if path in entries and (entry := damaged(entries.pop(path), way)) is not None:
            entries[path] = entry
    return Host(source=Tree(entries), **options_of(place))


@given(hosts())
def test_specs_of_a_damaged_host_are_right_about_it(host: Host) -> None:
    discovery = discover(host, families())
    for numbers in (False, True):
        for spec in generate(discovery, numbers=numbers):
            assert check(dump(spec)).problems == ()
            assert [problem for problem in check_host(spec, host) if problem.rule != "host-hook-missing"] == []


@given(hosts(), st.sampled_from(["0.3.0", "0.5.0", "0.6.0", "0.7.0"]))
def test_a_cap_is_kept_on_any_host(host: Host, cap: str) -> None:
    for spec in generate(discover(host), max_version=cap, hooks=False):
        assert check(dump(spec)).problems == ()
        assert spec.cdi_version <= cap
        assert not any(device.container_edits.hooks for device in spec.devices)


@given(hosts())
def test_a_snapshot_of_a_damaged_host_finds_as_much(host: Host) -> None:
    again = host.over(Host.from_tree(snapshot(host)).source)
    assert [spec.kind for spec in generate(discover(again))] == [spec.kind for spec in generate(discover(host))]


@given(hosts(), st.lists(st.text(max_size=8), max_size=3))
def test_any_wish_is_met_or_refused(host: Host, words: list[str]) -> None:
    with suppress(UsageError):
        for spec in generate(discover(host, include=words), names=words[:1], devices=words[1:], all_device=False):
            assert check(dump(spec)).valid
