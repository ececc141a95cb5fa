"""Lists of files for containers (`devices.csv`, `drivers.csv`, `l4t.csv`), which NVIDIA ships for Tegra boards."""

from __future__ import annotations

__all__ = ["MountList", "Row", "parse_mount_list"]

import re

import msgspec

from cdi.problem import Problem

_KINDS = ("dev", "dir", "lib", "sym")
_SLASHES = re.compile(r"/{2,}")


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """A row: `kind` is dev, dir, lib (any file) or sym (a link), `path` may have wildcards."""

    kind: str
    path: str


class MountList(msgspec.Struct, frozen=True, kw_only=True):
    """The rows of a list, each once, and what is wrong with the others."""

    rows: tuple[Row, ...] = ()
    problems: tuple[Problem, ...] = ()


def parse_mount_list(text: str, *, source: str) -> MountList:
    """Return the rows `kind, path` of a list; a row that is wrong is a problem, and hides no other.

    dev, /dev/nvhost-gpu
    lib, /usr/lib/aarch64-linux-gnu/nvidia/libcuda.so.1.1
    sym, /usr/lib/aarch64-linux-gnu/nvidia/libcuda.so.1
    """
    rows: dict[Row, None] = {}
    problems: list[Problem] = []
    for number, line in enumerate(text.splitlines(), 1):
        kind, comma, path = (part.strip() for part in line.partition(","))
        if not line.strip() or kind.startswith("#"):
            continue
        fault = _fault(kind, comma, path)
        if fault is None:
            rows[Row(kind=kind, path=_SLASHES.sub("/", path))] = None
        else:
            message = f"{source}:{number}: {fault}"
            hint = "the row is left out; a row is `dev, /dev/nvhost-gpu`"
            problems.append(Problem(severity="warning", rule="mount-list-invalid", message=message, hint=hint))
    return MountList(rows=tuple(rows), problems=tuple(problems))


def _fault(kind: str, comma: str, path: str) -> str | None:
    if not comma:
        return f"{kind!r} has no comma"
    if kind not in _KINDS:
        return f"{kind!r} is none of {', '.join(_KINDS)}"
    if not path.startswith("/") or not path.isprintable():
        return f"{path!r} is no absolute path"
    return None
