"""Which CDI version each release of a container runtime still reads."""

from __future__ import annotations

__all__ = ["RUNTIMES", "newest_version"]

import re

from cdi.errors import UsageError

# A release reads no newer version than that of the CDI library in its go.mod, and refuses the whole file otherwise.
RUNTIMES: dict[str, tuple[tuple[tuple[int, ...], str], ...]] = {
    "buildah": (((1, 36), "0.7.0"), ((1, 37), "0.8.0"), ((1, 40), "1.0.0"), ((1, 44), "1.1.0")),
    "buildkit": (((0, 19), "0.8.0"), ((0, 21), "1.0.0"), ((0, 27), "1.1.0")),
    "containerd": (
        ((1, 7), "0.5.0"),
        ((1, 7, 12), "0.6.0"),
        ((1, 7, 16), "0.7.0"),
        ((1, 7, 27), "0.8.0"),
        ((2, 0, 5), "1.0.0"),
        ((2, 2, 1), "1.1.0"),
    ),
    "cri-o": (
        ((1, 24), "0.3.0"),
        ((1, 25), "0.5.0"),
        ((1, 28), "0.6.0"),
        ((1, 30), "0.7.0"),
        ((1, 31), "0.8.0"),
        ((1, 33), "1.0.0"),
        ((1, 35), "1.1.0"),
    ),
    "docker": (
        ((25,), "0.6.0"),
        ((27,), "0.7.0"),
        ((27, 5), "0.8.0"),
        ((28, 1), "1.0.0"),
        ((29, 2), "1.1.0"),
    ),
    "nerdctl": (((2, 1), "1.0.0"), ((2, 3), "1.1.0")),
    "podman": (
        ((4, 1), "0.4.0"),
        ((4, 3), "0.5.0"),
        ((4, 7), "0.6.0"),
        ((5, 1), "0.7.0"),
        ((5, 2), "0.8.0"),
        ((5, 5), "1.0.0"),
        ((6,), "1.1.0"),
    ),
}
_RELEASE = re.compile(r"(?P<runtime>[a-z-]+?)-v?(?P<release>\d+(?:\.\d+)*)(?:[-+~].*)?")


def newest_version(release: str) -> str:
    """Return the newest CDI version that `podman-4.9.3`, or another release, reads; raise `UsageError`."""
    match = _RELEASE.fullmatch(release.strip().lower())
    table = RUNTIMES.get(match["runtime"]) if match is not None else None
    if match is None or table is None:
        message = f"unknown runtime {release!r}"
        raise UsageError(message, hint=f"name a runtime and its release, as podman-4.9: {', '.join(RUNTIMES)}")
    wanted = tuple(int(part) for part in match["release"].split("."))
    known = [version for since, version in table if since <= wanted]
    if not known:
        first = ".".join(map(str, table[0][0]))
        message = f"{release} is too old for CDI: {match['runtime']} has read specs since {first}"
        raise UsageError(message)
    return known[-1]
