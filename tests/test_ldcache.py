"""The linker's cache: what `ldconfig` writes in each of its forms, and caches of other machines."""

from __future__ import annotations

import re
import struct
import subprocess
from typing import TYPE_CHECKING

import pytest

from cdi.discovery.ldcache import CacheEntry, CacheInvalid, parse_ldcache

if TYPE_CHECKING:
    from pathlib import Path

LISTED = re.compile(r"\t(?P<name>\S+) \((?P<what>[^)]*)\) => (?P<path>.*)")
FLAGS = {"i386": 0x0003, "x86-64": 0x0303, "aarch64": 0x0A03, "x32": 0x0803}


def ldconfig(*options: str) -> str:
    command = ["/sbin/ldconfig", *options]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def new_cache(*libraries: tuple[int, str, str], order: str = "<", flags: int = 2) -> bytes:
    """Return a cache of glibc 2.33 and later: flags, name and path of each library."""
    start = 48 + 24 * len(libraries)
    entries = strings = b""
    for wanted, name, path in libraries:
        key = start + len(strings)
        strings += name.encode() + b"\0"
        value = start + len(strings)
        strings += path.encode() + b"\0"
        entries += struct.pack(f"{order}iIIIQ", wanted, key, value, 0, 0)
    header = b"glibc-ld.so.cache1.1" + struct.pack(f"{order}IIB3xI12x", len(libraries), len(strings), flags, 0)
    return header + entries + strings


@pytest.mark.parametrize("form", ["new", "compat", "old"])
def test_parser_reads_what_ldconfig_writes(form: str, tmp_path: Path) -> None:
    cache, configuration = tmp_path / "cache", tmp_path / "conf"
    configuration.write_text("")
    ldconfig("-X", "-C", str(cache), "-f", str(configuration), "-c", form)
    listed = [match for line in ldconfig("-p", "-C", str(cache)).splitlines() if (match := LISTED.match(line))]
    entries = parse_ldcache(cache.read_bytes())
    assert [(entry.name, entry.path) for entry in entries] == [(match["name"], match["path"]) for match in listed]
    assert all(
        entry.architecture in {"", *match["what"].split(",")} for entry, match in zip(entries, listed, strict=True)
    )


def test_architectures_tell_their_size() -> None:
    raw = new_cache(*((flags, f"lib{name}.so.1", f"/lib/{name}.so.1") for name, flags in FLAGS.items()))
    assert [(entry.architecture, entry.bits) for entry in parse_ldcache(raw)] == [
        ("", 32),
        ("x86-64", 64),
        ("aarch64", 64),
        ("x32", 32),
    ]


def test_order_of_bytes_is_that_of_the_machine_that_wrote_it() -> None:
    library = (0x0503, "libc.so.6", "/lib64/libc.so.6")
    expected = (CacheEntry(name="libc.so.6", path="/lib64/libc.so.6", architecture="powerpc64", bits=64),)
    assert parse_ldcache(new_cache(library, order=">", flags=3)) == expected
    assert parse_ldcache(new_cache(library, order=">", flags=0)) == expected
    assert parse_ldcache(new_cache(library, order="<", flags=0)) == expected


def test_what_is_no_elf_library_or_of_an_unknown_architecture_is_left_out() -> None:
    raw = new_cache((0x0300, "libc4.so", "/lib/libc4.so"), (0x7F03, "libnew.so.1", "/lib/libnew.so.1"))
    assert parse_ldcache(raw) == ()


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"", "it starts with neither 'ld.so-1.7.0' nor 'glibc-ld.so.cache1.1'"),
        (b"ld.so-1.7.0\0\1", "its header is cut short"),
        (b"glibc-ld.so.cache1.1\1", "its header is cut short"),
        (new_cache((0x0303, "a", "b"))[:60], "it has no room for its 1 entries"),
        (new_cache((0x0303, "a", "b"))[:-1], "its string at 74 has no end"),
        (b"ld.so-1.7.0\0\2\0\0\0" + bytes(12), "it has no room for its 2 entries"),
    ],
)
def test_what_is_no_cache_says_why(raw: bytes, why: str) -> None:
    with pytest.raises(CacheInvalid, match=f"^{re.escape(why)}$"):
        parse_ldcache(raw)
