"""The programs that make containers: which fields of edits each release ignores."""

from __future__ import annotations

__all__ = ["find_low_level"]

from typing import TYPE_CHECKING, Any

import msgspec

from cdi.runtimes.programs import Programs, release_of
from cdi.runtimes.runtime import LowLevel

if TYPE_CHECKING:
    from collections.abc import Sequence

# A release below ignores the field without a word, and starts the container (CHANGELOG.md of runc, NEWS of crun).
_SINCE: dict[str, tuple[tuple[str, tuple[int, ...]], ...]] = {
    "runc": (
        ("netDevices", (1, 4)),
        ("intelRdt.schemata", (1, 4)),
        ("intelRdt.enableMonitoring", (1, 4)),
    ),
    "crun": (
        ("netDevices", (1, 22)),
        ("intelRdt", (1, 10)),
        ("intelRdt.enableMonitoring", (1, 24)),
    ),
}
_PACKAGES = {"runc": ("runc",), "crun": ("crun",)}


def find_low_level(programs: Programs, name: str, paths: Sequence[str] = ()) -> LowLevel:
    """Return what is known of a low-level runtime: at the first of these paths, else where programs usually are."""
    found = [path for path in paths if programs.is_program(path)] or programs.find([name])
    if not found:
        return LowLevel(name=name)
    programs.ask_ahead(found[0], "features")
    program = programs.identify(found[0], packages=_PACKAGES.get(name, ()))
    release = release_of(program.version)
    kind = name if name in _SINCE else found[0].rpartition("/")[2]
    lacks = [field for field, since in _SINCE.get(kind, ()) if release is not None and release < since]
    moves = _moves_interfaces(programs, found[0]) if kind in _SINCE else None
    if moves is not None:
        lacks = [*([] if moves else ["netDevices"]), *(field for field in lacks if field != "netDevices")]
    return LowLevel(name=name, program=found[0], version=program.version, lacks=tuple(lacks))


def _moves_interfaces(programs: Programs, path: str) -> bool | None:
    """Return what `runc features` says of netDevices, None when it says nothing, as runc before 1.1."""
    said = programs.ask(path, "features")
    try:
        data: Any = msgspec.json.decode(said) if said is not None else None
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    for key in ("linux", "netDevices", "enabled"):
        data = data.get(key) if isinstance(data, dict) else None
    return data if isinstance(data, bool) else None
