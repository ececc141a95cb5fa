"""The dynamic linker's cache, /etc/ld.so.cache: which libraries there are, where, and for which architecture."""

from __future__ import annotations

__all__ = ["CacheEntry", "CacheInvalid", "parse_ldcache"]

import struct
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator

# The forms are those of glibc's sysdeps/generic/dl-cache.h; integers are in the byte order of the machine.
#
#   old, glibc before 2.2            new, alone since 2.32, else behind the old entries at the next multiple of 4 or 8
#   "ld.so-1.7.0\0" nlibs            "glibc-ld.so.cache1.1" nlibs len_strings flags 3x0 extension_offset 12x0
#   (flags key value)*               (flags key value osversion hwcap)*
#   strings, from here               strings, from the start of "glibc-ld.so.cache"
_OLD_MAGIC = b"ld.so-1.7.0\0"
_NEW_MAGIC = b"glibc-ld.so.cache1.1"
_NEW_HEADER = 48
_OLD_ENTRY = 12
_NEW_ENTRY = 24
_LITTLE, _BIG = 2, 3  # the low bits of `flags` of the header; 0 before glibc 2.33

_TYPE_MASK, _ARCHITECTURE_MASK = 0x00FF, 0xFF00
_ELF_TYPES = frozenset({1, 2, 3})  # FLAG_ELF, and of libc5 and libc6
# FLAG_REQUIRED_MASK; 0 is the first architecture of a family: i386, 32-bit ARM and PowerPC.
_ARCHITECTURES = {
    0x0000: ("", 32),
    0x0100: ("sparc64", 64),
    0x0300: ("x86-64", 64),
    0x0400: ("s390x", 64),
    0x0500: ("powerpc64", 64),
    0x0600: ("mips64-n32", 32),
    0x0700: ("mips64", 64),
    0x0800: ("x32", 32),
    0x0900: ("arm-hf", 32),
    0x0A00: ("aarch64", 64),
    0x0B00: ("arm-sf", 32),
    0x0F00: ("riscv64-soft", 64),
    0x1000: ("riscv64", 64),
    0x1100: ("loongarch64-soft", 64),
    0x1200: ("loongarch64", 64),
}


class CacheInvalid(Exception):
    """Bytes that are no cache of the dynamic linker; the message says why."""


class CacheEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A library of the cache: its SONAME, its path, and what it is for.

    `architecture` is "" for the one of a family that has no flag of its own, i386 or 32-bit ARM.
    """

    name: str
    path: str
    architecture: str
    bits: int


def parse_ldcache(raw: bytes) -> tuple[CacheEntry, ...]:
    """Return the ELF libraries of a cache in either form, in its order; raise `CacheInvalid`."""
    if raw.startswith(_NEW_MAGIC):
        return tuple(_entries(raw, 0))
    if not raw.startswith(_OLD_MAGIC):
        message = "it starts with neither 'ld.so-1.7.0' nor 'glibc-ld.so.cache1.1'"
        raise CacheInvalid(message)
    if len(raw) < len(_OLD_MAGIC) + 4:
        message = "its header is cut short"
        raise CacheInvalid(message)
    order, number = min((("<", _number(raw, "<")), (">", _number(raw, ">"))), key=lambda pair: pair[1])
    end = len(_OLD_MAGIC) + 4 + number * _OLD_ENTRY
    start = next((place for place in (-(-end // 4) * 4, -(-end // 8) * 8) if raw.startswith(_NEW_MAGIC, place)), None)
    if start is not None:
        return tuple(_entries(raw, start))
    if end > len(raw):
        message = f"it has no room for its {number} entries"
        raise CacheInvalid(message)
    table = raw[end - number * _OLD_ENTRY : end]
    return tuple(_named(struct.iter_unpack(f"{order}iII", table), raw[end:]))


def _number(raw: bytes, order: str) -> int:
    return int(struct.unpack_from(f"{order}I", raw, len(_OLD_MAGIC))[0])


def _entries(raw: bytes, start: int) -> Iterator[CacheEntry]:
    """Yield the entries of the new form, whose header is at `start`."""
    if len(raw) < start + _NEW_HEADER:
        message = "its header is cut short"
        raise CacheInvalid(message)
    flags = raw[start + 28] & 3
    counts = {order: int(struct.unpack_from(f"{order}I", raw, start + len(_NEW_MAGIC))[0]) for order in "<>"}
    order = {_LITTLE: "<", _BIG: ">"}.get(flags) or min(counts, key=lambda order: counts[order])
    size = counts[order] * _NEW_ENTRY
    table = raw[start + _NEW_HEADER : start + _NEW_HEADER + size]
    if len(table) < size:
        message = f"it has no room for its {counts[order]} entries"
        raise CacheInvalid(message)
    yield from _named(((f, k, v) for f, k, v, _, _ in struct.iter_unpack(f"{order}iIIIQ", table)), raw[start:])


def _named(entries: Iterator[tuple[int, ...]], strings: bytes) -> Iterator[CacheEntry]:
    for flags, key, value in entries:
        known = _ARCHITECTURES.get(flags & _ARCHITECTURE_MASK)
        if flags & _TYPE_MASK not in _ELF_TYPES or known is None:
            continue
        yield CacheEntry(name=_string(strings, key), path=_string(strings, value), architecture=known[0], bits=known[1])


def _string(strings: bytes, start: int) -> str:
    end = strings.find(b"\0", start)
    if start >= len(strings) or end < 0:
        message = f"its string at {start} has no end"
        raise CacheInvalid(message)
    return strings[start:end].decode("utf-8", "surrogateescape")
