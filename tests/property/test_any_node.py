"""Whatever is missing, unreadable or garbled on a node, the doctor has a report."""

from __future__ import annotations

import errno
from functools import cache
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from cdi.diagnosis import Diagnosis, diagnose
from cdi.discovery import discover
from cdi.encode import dump
from cdi.generation import generate
from cdi.host import Host
from cdi.host.tree import Entry, Tree, parse_tree
from cdi.runtimes import find_runtimes
from tests.strategies import specs

EXAMPLES = Path(__file__).parents[2] / "spec-examples"
HOSTS = sorted((EXAMPLES / "hosts").iterdir())
NODES = sorted((EXAMPLES / "runtimes").glob("*.tree"))
INVALID = sorted(path for path in (EXAMPLES / "invalid").iterdir() if path.suffix in {".json", ".yaml"})
USERS = {"/etc/passwd": Entry(stat=parse_tree("/a =")["/a"].stat, content=b"alice:x:1000:1000::/home/alice:/bin/sh\n")}
GARBAGE = (b"", b"\n", b"-1\n", b"\xff\xfe", b"[[[\n", b'{"a": [null]}', b"a: b: c\n" * 9, b"version = 99\n", b"%s %s")
ERRORS = (errno.EACCES, errno.EIO, errno.EINVAL, errno.ELOOP)
WORDS = st.one_of(
    st.text(max_size=12),
    st.sampled_from(
        ["nvidia.com/gpu=0", "nvidia.com/gpu", "amd.com/gpu=*", "vendor.com/gpu=0", "cdi.k8s.io/a=b", "*=*"]
    ),
)


@cache
def entries_of(host: Path, node: Path) -> dict[str, Entry]:
    """Return a host with runtimes, and the specs that were generated on it."""
    entries = USERS | parse_tree((host / "host.tree").read_text()) | parse_tree(node.read_text())
    for number, spec in enumerate(generate(discover(Host(source=Tree(entries))))):
        directory = ("/etc/cdi", "/run/cdi")[number % 2]
        entries[f"{directory}/{spec.kind.replace('/', '-')}.yaml"] = _file(dump(spec).encode())
    return entries


def _file(content: bytes) -> Entry:
    return Entry(stat=USERS["/etc/passwd"].stat, content=content)


def damaged(entry: Entry, way: int) -> Entry | None:
    """Return an entry after an accident: gone, unreadable, garbled, closed, or pointing elsewhere."""
    if way == 0:
        return None
    if entry.stat.type == "l":
        return replace(entry, target=("/nowhere", "..", entry.target + "x", "/")[way % 4])
    if way % 3 == 0:
        return replace(entry, stat=replace(entry.stat, mode=(0, 0o600, 0o100)[way % 3], uid=way % 4))
    if entry.stat.type in {"c", "b"}:
        stats = (replace(entry.stat, minor=(entry.stat.minor or 0) + 1), replace(entry.stat, type="p", major=None))
        return replace(entry, stat=stats[way % 2])
    if way % 2:
        return replace(entry, error=ERRORS[way % len(ERRORS)])
    return replace(entry, content=GARBAGE[way % len(GARBAGE)])


@st.composite
def hosts(draw: st.DrawFn) -> Host:
    """Return a damaged node, mostly where runtimes and specs are."""
    entries = dict(entries_of(draw(st.sampled_from(HOSTS)), draw(st.sampled_from(NODES))))
    every = sorted(entries)
    near = [path for path in every if path.startswith(("/etc/", "/run/", "/usr/", "/var/", "/proc/"))]
    for place in draw(st.lists(st.sampled_from(["/etc/cdi", "/run/cdi"]), max_size=3)):
        content = draw(
            st.one_of(st.sampled_from(INVALID).map(Path.read_bytes), specs().map(_dumped), st.binary(max_size=40))
        )
        entries[f"{place}/{len(entries)}.{draw(st.sampled_from(['json', 'yaml', 'yml']))}"] = _file(content)
    for path, way in draw(
        st.lists(st.tuples(st.one_of(st.sampled_from(near), st.sampled_from(every)), st.integers(0, 40)), max_size=12)
    ):
        if path in entries and (entry := damaged(entries.pop(path), way)) is not None:
            entries[path] = entry
    return Host(source=Tree(entries))


def _dumped(spec: object) -> bytes:
    return dump(spec).encode()  # type: ignore[arg-type]


@given(hosts(), st.lists(WORDS, max_size=3), st.sampled_from([None, "root", "1000", "4711"]))
def test_any_node_gets_a_report(host: Host, devices: list[str], user: str | None) -> None:
    diagnosis = diagnose(host, find_runtimes(host), devices, user=user)
    assert isinstance(diagnosis, Diagnosis)
    for check in diagnosis.checks:
        assert (check.step is None) == (check.status == "ok")
    told = {(one.runtime, one.device) for one in diagnosis.findings if one.status in {"problem", "unknown"}}
    for check in diagnosis.checks if devices else ():
        assert (check.status in {"problem", "unknown"}) == ((check.runtime, check.device) in told)
