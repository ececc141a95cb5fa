"""Whatever the driver's files hold, their parsers give what is in them or say what is wrong."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from cdi.discovery.ldcache import CacheInvalid, parse_ldcache
from cdi.discovery.nvidia.elf import ElfUnread, read_soname
from cdi.discovery.nvidia.mount_lists import parse_mount_list
from cdi.host import Host, Source, Stat

CACHES = st.sampled_from((b"ld.so-1.7.0\0", b"glibc-ld.so.cache1.1", b""))
CACHE = Path("/etc/ld.so.cache")
WHOLE = CACHE.read_bytes() if CACHE.exists() else b"glibc-ld.so.cache1.1" + bytes(28)
ELF = next(path.read_bytes()[:20_000] for path in (Path("/bin/true"), Path(sys.executable)) if path.exists())


@st.composite
def mutated(draw: st.DrawFn, whole: bytes) -> bytes:
    """Return a file with some of its bytes changed, and perhaps without its end."""
    raw = bytearray(whole[: draw(st.integers(0, len(whole)))] if draw(st.booleans()) else whole)
    for _ in range(draw(st.integers(0, 8)) if raw else 0):
        near = draw(st.integers(0, min(len(raw), 2000) - 1) | st.integers(0, len(raw) - 1))
        raw[near] = draw(st.integers(0, 255))
    return bytes(raw)


class OneFile:
    """A source with one file, `/f`."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def read(self, path: str, limit: int) -> bytes:  # noqa: ARG002 - the one file
        return self._content[:limit]

    def stat(self, path: str, *, follow: bool) -> Stat:  # noqa: ARG002 - the one file
        return Stat(type="f", mode=0o644)

    def listdir(self, path: str) -> list[str]:
        raise NotADirectoryError(path)

    def label(self, path: str) -> str | None:
        raise FileNotFoundError(path)

    def readlink(self, path: str) -> str:
        raise OSError(path)

    def resolve(self, path: str) -> str:
        return path

    def open(self, path: str) -> int:
        raise OSError(95, "not supported", path)


@given(st.builds(bytes.__add__, CACHES, st.binary(max_size=200)) | mutated(WHOLE))
def test_any_bytes_are_a_cache_or_say_why_not(raw: bytes) -> None:
    with suppress(CacheInvalid):
        for entry in parse_ldcache(raw):
            assert entry.bits in {32, 64}


@given(st.binary(max_size=100).map(lambda raw: b"\x7fELF" + raw) | mutated(ELF))
def test_any_bytes_have_a_soname_or_say_why_not(raw: bytes) -> None:
    source: Source = OneFile(raw)
    with suppress(ElfUnread):
        assert isinstance(read_soname(Host(source=source), "/f"), str | None)


ROWS = st.sampled_from(("dev", "dir", "lib", "sym", "#", "x", "")) | st.text(max_size=4)


@given(st.lists(st.tuples(ROWS, st.sampled_from((",", ", ", "")), st.text(max_size=8) | st.just("/dev/nvmap"))))
def test_any_list_gives_rows_or_problems(lines: list[tuple[str, str, str]]) -> None:
    text = "\n".join("".join(parts) for parts in lines)
    found = parse_mount_list(text, source="l4t.csv")
    assert len(found.rows) + len(found.problems) <= len(text.splitlines())
    assert all(row.path.startswith("/") for row in found.rows)
    assert all(problem.message.startswith("l4t.csv:") for problem in found.problems)
