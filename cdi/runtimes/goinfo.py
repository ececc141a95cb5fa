r"""What the Go compiler wrote into a program: its module, its version, and the libraries compiled in.

Since Go 1.18 a program's data holds the mark below, then, 32 bytes after its start, two strings, each behind its
length as a varint: the version of Go, and lines such as

    path\tgithub.com/containerd/containerd/v2/cmd/containerd
    mod\tgithub.com/containerd/containerd/v2\tv2.1.9\th1:…
    dep\ttags.cncf.io/container-device-interface\tv1.0.1\th1:…
    =>\tgithub.com/k3s-io/…                                        replaces the line above
    build\t-ldflags="-X github.com/containerd/containerd/v2/version.Version=v2.1.9"

between marks of 16 bytes (src/debug/buildinfo of Go). Distributions often leave out all but the first. The names of
functions are there all the same, for traces of calls; the CDI library has one for each version that it reads:

    tags.cncf.io/container-device-interface/specs-go.requiresV110
"""

from __future__ import annotations

__all__ = ["GoBuild", "parse_build", "parse_spec_versions", "read_build", "read_spec_versions"]

import mmap
import os
import re
import struct
from typing import TYPE_CHECKING, TypeVar

import msgspec

from cdi.host import HostError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cdi.host import Host

_T = TypeVar("_T")
_MARK = b"\xff Go buildinf:"
_HEADER = 32
_INLINE = 2  # flag: the strings follow
_FLAGS = 15
_AROUND = 16  # bytes of the marks around the lines
_LONGEST = 1 << 20
_IN_TREE = 1 << 20
_SEVEN = 7
_MORE = 0x80
_VARINT = 5  # bytes, at most
_WRITABLE, _EXECUTABLE, _LOAD = 2, 1, 1
_ALIGNED = 16
# -X "github.com/docker/docker/dockerversion.Version=28.2.2", quoted or not
_LINKED = re.compile(r"-X[ =]\\*[\"']?([^\s\"'=]+)\.[A-Za-z]*[Vv]ersion=v?(\d+\.\d+[^\s\"'\\]*)")
_ELF64, _LITTLE = 2, 1
# In pkg/cdi up to library 0.8; version.go of library 0.5.4 is the first to have them.
_FUNCTION = b".requiresV"
_REQUIRES = re.compile(rb"container-device-interface/(?:specs-go|pkg/cdi)\.requiresV(\d)(\d)(\d)")
_BEFORE, _BEHIND = 64, 16  # bytes around the mark in which all of a name is


class GoBuild(msgspec.Struct, frozen=True, kw_only=True):
    """The build of a program: version of its own module if that says one, and versions of the modules in it."""

    path: str = ""
    version: str | None = None
    modules: dict[str, str]


def read_build(host: Host, path: str) -> GoBuild | None:
    """Return what Go wrote into a program, None when it wrote nothing or the program cannot be read."""
    return _read(host, path, parse_build)


def read_spec_versions(host: Host, path: str) -> tuple[str, ...]:
    """Return the CDI versions that functions of a program are named after, oldest first."""
    return _read(host, path, parse_spec_versions) or ()


def _read(host: Host, path: str, parse: Callable[[bytes | mmap.mmap], _T]) -> _T | None:
    """Return what is parsed from a program, None when it cannot be read."""
    try:
        fd = host.open(path)
    except HostError:
        return _from_tree(host, path, parse)
    try:
        with mmap.mmap(fd, 0, prot=mmap.PROT_READ) as content:
            return parse(content)
    except (OSError, ValueError):  # an empty file cannot be mapped
        return None
    finally:
        os.close(fd)


def _from_tree(host: Host, path: str, parse: Callable[[bytes | mmap.mmap], _T]) -> _T | None:
    """Read what stands in a text tree, which has no files to open."""
    try:
        return parse(host.read_bytes(path, limit=_IN_TREE))
    except HostError:
        return None


def parse_build(content: bytes | mmap.mmap) -> GoBuild | None:
    """Return what Go wrote into the bytes of a program, None when there is nothing."""
    for start, end in _segments(content, lambda flags: flags & (_WRITABLE | _EXECUTABLE) == _WRITABLE):
        at = content.find(_MARK, start, end)
        while at >= 0:
            lines = _lines(content, at) if at % _ALIGNED == 0 else None
            if lines is not None:
                return _build(lines)
            at = content.find(_MARK, at + 1, end)
    return None


def parse_spec_versions(content: bytes | mmap.mmap) -> tuple[str, ...]:
    """Return the CDI versions that functions in the bytes of a program are named after, oldest first."""
    found = {
        name
        for segment in _segments(content, lambda flags: not flags & _EXECUTABLE)
        for name in _named(content[slice(*segment)])
    }
    return tuple(".".join(name) for name in sorted(found))


def _named(data: bytes) -> Iterator[tuple[str, ...]]:
    at = data.find(_FUNCTION)
    while at >= 0:
        match = _REQUIRES.search(data, max(0, at - _BEFORE), at + _BEHIND)
        if match is not None:
            yield tuple(map(bytes.decode, match.groups()))
        at = data.find(_FUNCTION, at + 1)


def _segments(content: bytes | mmap.mmap, wanted: Callable[[int], bool]) -> Iterator[tuple[int, int]]:
    """Yield where segments with wanted flags are in a 64-bit ELF program's file, or all of what is no such file."""
    ident = content[:6]
    if ident[:5] != b"\x7fELF" + bytes([_ELF64]):
        yield 0, len(content)
        return
    order = "<" if ident[5:] == bytes([_LITTLE]) else ">"
    try:
        (table,) = struct.unpack_from(f"{order}Q", content, 32)
        size, count = struct.unpack_from(f"{order}HH", content, 54)
        for number in range(count):
            kind, flags, offset, _, _, length = struct.unpack_from(f"{order}IIQQQQ", content, table + number * size)
            if kind == _LOAD and wanted(flags):
                yield min(offset, len(content)), min(offset + length, len(content))
    except (OverflowError, struct.error):  # a damaged file that leads far behind its end
        return


def _lines(content: bytes | mmap.mmap, at: int) -> list[str] | None:
    if not content[at + _FLAGS : at + _FLAGS + 1] or not content[at + _FLAGS] & _INLINE:
        return None
    first = _string(content, at + _HEADER)
    second = _string(content, first[1]) if first is not None else None
    if second is None:
        return None
    text = second[0][_AROUND:-_AROUND]
    return text.decode("utf-8", "replace").splitlines() if text.endswith(b"\n") else []


def _string(content: bytes | mmap.mmap, at: int) -> tuple[bytes, int] | None:
    """Return a string behind its length, and where it ends."""
    length = 0
    for index, byte in enumerate(content[at : at + _VARINT]):
        length |= (byte & ~_MORE) << (_SEVEN * index)
        if not byte & _MORE:
            start = at + index + 1
            return (content[start : start + length], start + length) if length <= _LONGEST else None
    return None


def _build(lines: list[str]) -> GoBuild:
    path, own, flags, last = "", None, "", ""
    modules: dict[str, str] = {}
    for line in lines:
        word, *values = line.split("\t")
        if word == "path" and values:
            path = values[0]
        elif word == "build" and values and values[0].startswith("-ldflags="):
            flags = values[0]
        elif word in {"mod", "dep"} and len(values) > 1:
            last = values[0]
            modules[last] = values[1]
            own = values[1] if word == "mod" else own
        elif word == "=>" and len(values) > 1 and values[1]:
            modules[last] = values[1]
    released = own.removeprefix("v") if own is not None and own.startswith("v") else None
    if released is not None and released.startswith("0.0.0-"):  # a commit without a tag
        released = None
    return GoBuild(path=path, version=_linked(flags, path) or released, modules=modules)


def _linked(flags: str, path: str) -> str | None:
    """Return the version that the linker was told for a package of the program's own repository."""
    repository = path.split("/")[:3]
    for package, version in _LINKED.findall(flags):
        if package == "main" or package.split("/")[:3] == repository:
            return str(version)
    return None
