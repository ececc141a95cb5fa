"""Where libraries are below a driver's root: the directories that the user names, the usual ones, and the linker's."""

from __future__ import annotations

__all__ = ["COMPATIBLE", "NATIVE", "library_places", "real_directory"]

import re
from typing import TYPE_CHECKING

from cdi.discovery.ldcache import CacheInvalid, parse_ldcache
from cdi.host import HostError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cdi.host import Host

_CACHE = "/etc/ld.so.cache"
_CACHE_LIMIT = 64 << 20
_MUSL = "/etc/ld-musl-*.path"  # directories, by colons or line feeds: Alpine's linker has no cache
NATIVE, COMPATIBLE = 64, 32  # bits
# Where installers put the driver's libraries: runfile and distributions, Debian's alternatives, Container-Optimized OS
# and GKE, NixOS. /usr/lib holds 64-bit libraries on some distributions, 32-bit ones on others.
_USUAL = (
    "/",
    "/usr/lib64",
    "/usr/lib/x86_64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/usr/lib/x86_64-linux-gnu/nvidia/current",
    "/usr/lib/aarch64-linux-gnu/nvidia/current",
    "/lib64",
    "/lib/x86_64-linux-gnu",
    "/lib/aarch64-linux-gnu",
    "/lib/x86_64-linux-gnu/nvidia/current",
    "/lib/aarch64-linux-gnu/nvidia/current",
    "/usr/lib",
    "/lib",
    "/var/lib/nvidia/lib64",
    "/home/kubernetes/bin/nvidia/lib64",
    "/run/opengl-driver/lib",
)
_USUAL_32 = (
    "/usr/lib32",
    "/usr/lib/i386-linux-gnu",
    "/usr/lib/arm-linux-gnueabihf",
    "/usr/lib/i386-linux-gnu/nvidia/current",
    "/lib32",
    "/lib/i386-linux-gnu",
    "/lib/i386-linux-gnu/nvidia/current",
    "/run/opengl-driver-32/lib",
)
_EITHER = frozenset({"/usr/lib", "/lib"})
_NAMED_32 = re.compile(r"lib32|i[3-6]86|armhf|gnueabi|driver-32")


def library_places(root: Host, unread: list[str]) -> Iterator[tuple[str, int | None]]:
    """Yield the directories to look in, without links and each once, those of 32-bit libraries last."""
    cached = _cached(root, unread)
    wanted: list[tuple[str, int | None]] = [
        *((path, COMPATIBLE if _NAMED_32.search(path) else NATIVE) for path in root.library_dirs),
        *((path, None if path in _EITHER else NATIVE) for path in _USUAL),
        *cached.items(),
        *((path, NATIVE) for path in _of_musl(root)),
        *((path, COMPATIBLE) for path in _USUAL_32),
    ]
    places: dict[str, int | None] = {}
    for path, bits in wanted:
        real = real_directory(root, path, unread)
        if real is not None and places.get(real) is None:
            places[real] = bits
    yield from sorted(places.items(), key=lambda place: place[1] == COMPATIBLE)


def _cached(root: Host, unread: list[str]) -> dict[str, int | None]:
    """Return the directories that the linker's cache names, with the size of what is in them."""
    try:
        entries = parse_ldcache(root.read_bytes(_CACHE, limit=_CACHE_LIMIT))
    except HostError as error:
        if not error.missing:
            unread.append(error.message)
        return {}
    except CacheInvalid as error:
        unread.append(f"{_CACHE} is no cache of the dynamic linker: {error}")
        return {}
    found: dict[str, int | None] = {}
    for entry in entries:
        if entry.path.startswith("/"):
            directory = entry.path.rpartition("/")[0] or "/"
            found[directory] = entry.bits if found.get(directory, entry.bits) == entry.bits else None
    return found


def _of_musl(root: Host) -> Iterator[str]:
    try:
        for path in root.glob(_MUSL):
            yield from (line for line in root.read_text(path).replace(":", "\n").split("\n") if line.startswith("/"))
    except HostError:
        return


def real_directory(root: Host, path: str, unread: list[str]) -> str | None:
    """Return a directory without links; None when there is none."""
    try:
        real = root.resolve(path)
        return real if root.stat(real, follow=False).type == "d" else None
    except HostError as error:
        if not error.missing:
            unread.append(error.message)
        return None
