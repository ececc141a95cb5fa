"""Whether a container's own CUDA libraries, for forward compatibility, are to be used instead of the host driver's."""

from __future__ import annotations

__all__ = ["is_wanted"]

import json
import os
import posixpath
import re
import struct
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cdi.hook.root import ContainerRoot

_LIBRARY = re.compile(r"libcuda\.so\.(\d+(?:\.\d+)+)")
_SECTION = b".note.cuda.fwd_compatibility"
_VENDOR = b"NVIDIA Corporation"
_NOTE = 7  # SHT_NOTE
_MAX_SECTIONS, _MAX_NOTE, _MAX_NAMES = 256, 1 << 16, 1 << 16


def is_wanted(root: ContainerRoot, folder: str, driver: str | None, cuda: str | None) -> bool:
    """Return whether the libraries in a container's folder are newer than the host's, and made for its driver.

    `driver` and `cuda` are the host's versions. The container's library says in an ELF note which CUDA it is of, and
    with which branches of the driver it works; without a note, a newer branch is taken to work, as NVIDIA's own hook
    does. (NVIDIA, "CUDA Compatibility", Forward Compatibility.)
    """
    found = [match for match in map(_LIBRARY.fullmatch, root.names(folder)) if match]
    if len(found) != 1:
        return False
    own = _version(found[0][1])
    host = _version(driver)
    note = _note_of(root, posixpath.join(folder, found[0][0]))
    if note is not None:
        if host:
            return host[0] in _branches(note) and own > host
        return bool(cuda) and _version(note.get("CUDA Version")) > _version(cuda)
    return not cuda and bool(host) and own[0] > host[0]


def _version(text: object) -> tuple[int, ...]:
    if not isinstance(text, str) or not re.fullmatch(r"\d{1,9}(\.\d{1,9}){0,5}", text):
        return ()
    return tuple(map(int, text.split(".")))


def _branches(note: dict[str, Any]) -> list[object]:
    branches = note.get("Driver")
    return branches if isinstance(branches, list) else []


def _note_of(root: ContainerRoot, path: str) -> dict[str, Any] | None:
    descriptor = root.open(path)
    if descriptor is None:
        return None
    try:
        text = _description(descriptor)
        note: Any = json.loads(text) if text else None
    except (OSError, OverflowError, RecursionError, ValueError, struct.error):  # a damaged file has no note
        return None
    finally:
        os.close(descriptor)
    return note if isinstance(note, dict) else None


def _description(descriptor: int) -> bytes | None:
    """Return the text of the note in a 64-bit ELF file (elf(5)); a few bounded reads, since the file is not ours."""
    head = os.pread(descriptor, 64, 0)
    if head[:5] != b"\x7fELF\x02":
        return None
    order = "<" if head[5] == 1 else ">"
    (table,) = struct.unpack_from(f"{order}Q", head, 40)
    size, count, names = struct.unpack_from(f"{order}HHH", head, 58)
    headers = os.pread(descriptor, size * min(count, _MAX_SECTIONS), table)
    # Of a section: name 0, type 4, offset 24, size 32, alignment 48.
    start, length = struct.unpack_from(f"{order}QQ", headers, size * names + 24)
    strings = os.pread(descriptor, min(length, _MAX_NAMES), start)
    for at in range(0, len(headers), size):
        name, kind = struct.unpack_from(f"{order}II", headers, at)
        if kind == _NOTE and strings[name:].partition(b"\0")[0] == _SECTION:
            start, length = struct.unpack_from(f"{order}QQ", headers, at + 24)
            (alignment,) = struct.unpack_from(f"{order}Q", headers, at + 48)
            return _text_of_note(os.pread(descriptor, min(length, _MAX_NOTE), start), order, max(alignment, 1))
    return None


def _text_of_note(note: bytes, order: str, alignment: int) -> bytes | None:
    name_size, size, _ = struct.unpack_from(f"{order}III", note)
    if note[12 : 12 + name_size].rstrip(b"\0") != _VENDOR:
        return None
    start = 12 + -(-name_size // alignment) * alignment
    return note[start : start + size].strip(b"\0")
