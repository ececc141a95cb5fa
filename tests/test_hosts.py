"""The example hosts: each gives its golden specs, and proves what must hold on every host."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from cdi.discovery import discover
from cdi.encode import dump
from cdi.generation import generate
from cdi.host import Host, HostError
from cdi.hostcheck import check_host
from cdi.names import spec_name
from cdi.recording import snapshot
from cdi.report import check

if TYPE_CHECKING:
    from collections.abc import Iterable

ROOT = Path(__file__).parent.parent
HOSTS = sorted((ROOT / "spec-examples" / "hosts").iterdir())
each_host = pytest.mark.parametrize("place", HOSTS, ids=lambda place: place.name)


def options(place: Path) -> dict[str, Any]:
    """Return what an example is meant to be read with: keywords of `Host`, and `families` that must be named."""
    path = place / "options.json"
    return json.loads(path.read_text()) if path.exists() else {}


def load(place: Path) -> Host:
    return Host.load(place, **{key: value for key, value in options(place).items() if key != "families"})


def families_of(place: Path) -> list[str] | None:
    return options(place).get("families")


def generated(host: Host, place: Path) -> dict[str, str]:
    found = discover(host, families_of(place))
    return {f"{spec_name(s.vendor, s.class_)}.yaml": dump(s) for s in generate(found)}


def like(host: Host, other: Host) -> Host:
    """Return another host, read with the same roots."""
    return host.over(other.source)


def golden(place: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in place.glob("*.yaml")}


@each_host
def test_host_gives_its_golden_specs(place: Path) -> None:
    assert generated(load(place), place) == golden(place)


@each_host
def test_golden_specs_have_no_problems(place: Path) -> None:
    for name, text in golden(place).items():
        assert check(text, source=name).problems == ()


@each_host
def test_everything_that_a_spec_names_is_on_the_host(place: Path) -> None:
    host = load(place)
    for spec in generate(discover(host, families_of(place), include=everything(host, place))):
        assert list(check_host(spec, host)) == []


def everything(host: Host, place: Path) -> list[str]:
    return [thing.what for thing in discover(host, families_of(place)).skipped]


@each_host
def test_order_of_directories_does_not_matter(place: Path) -> None:
    lines = (place / "host.tree").read_text().splitlines()
    for seed in range(3):
        random.Random(seed).shuffle(lines)
        assert generated(like(load(place), Host.from_tree("\n".join(lines))), place) == golden(place)


@each_host
def test_everything_found_or_skipped_says_why(place: Path) -> None:
    discovery = discover(load(place), families_of(place))
    assert all(device.how for device in discovery.found)
    assert all(thing.why for thing in discovery.skipped)


@each_host
def test_snapshot_gives_the_same_specs_and_the_same_snapshot(place: Path) -> None:
    host = load(place)
    text = snapshot(host)
    again = like(host, Host.from_tree(text))
    assert generated(again, place) == golden(place)
    assert discover(again).skipped == discover(host).skipped
    assert snapshot(again) == text


def write_out(host: Host, root: Path) -> None:
    """Make a real directory of a host, without what needs root to make: device nodes, and what cannot be read."""
    pending = ["/"]
    while pending:
        path = pending.pop()
        place = root / path.lstrip("/")
        kind = host.stat(path, follow=False).type
        with suppress(HostError):
            if kind == "l":
                place.symlink_to(host.readlink(path))
            elif kind == "d":
                pending += [f"{path.rstrip('/')}/{name}" for name in host.listdir(path)]
                place.mkdir(exist_ok=True)
            elif kind == "f":
                place.write_bytes(host.read_bytes(path))


AUDITED = """
import json, sys
from cdi.discovery import discover, families, pools
from cdi.host import Host
families()
opened = []
sys.addaudithook(lambda event, args: opened.append(args[0]) if event in {"open", "os.listdir"} else None)
seen = {}
for place in sys.argv[1:]:
    host = Host.load(place)
    opened.clear()
    discover(host)
    seen[place] = sorted({str(path) for path in opened if not isinstance(path, int)})
print(json.dumps(seen))
"""


def opened(places: Iterable[Path]) -> dict[str, list[str]]:
    """Return the paths that a process opens when it looks at hosts, one after the other."""
    command = [sys.executable, "-c", AUDITED, *map(str, places)]
    seen: dict[str, list[str]] = json.loads(
        subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT).stdout
    )
    return seen


@pytest.fixture(scope="module")
def opened_for_trees() -> dict[str, list[str]]:
    return opened(HOSTS)


@pytest.fixture(scope="module")
def directories(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The example hosts as real directories, by name."""
    places = {place.name: tmp_path_factory.mktemp(place.name) for place in HOSTS}
    for place in HOSTS:
        write_out(load(place), places[place.name])
    return places


@pytest.fixture(scope="module")
def opened_for_directories(directories: dict[str, Path]) -> dict[str, list[str]]:
    return opened(directories.values())


@each_host
def test_tree_and_directory_are_one_host(place: Path, directories: dict[str, Path]) -> None:
    written = like(load(place), Host(directories[place.name]))
    assert generate(discover(written, ["netdev"])).specs == generate(discover(load(place), ["netdev"])).specs


@each_host
def test_a_tree_opens_nothing(place: Path, opened_for_trees: dict[str, list[str]]) -> None:
    assert opened_for_trees[str(place)] == []


@each_host
def test_a_directory_is_opened_step_by_step_and_never_left(
    place: Path, directories: dict[str, Path], opened_for_directories: dict[str, list[str]]
) -> None:
    root = str(directories[place.name])
    steps = opened_for_directories[root]
    assert root in steps
    assert not [step for step in steps if step != root and ("/" in step or step == "..")]
