"""What each release of a container runtime still reads: which CDI versions, from which directories."""

from __future__ import annotations

__all__ = ["RUNTIMES", "Release", "newest_version", "release_of"]

import re

import msgspec

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
# Their own names for themselves, and other people's.
_ALSO = {"buildkitd": "buildkit", "crio": "cri-o", "dockerd": "docker", "moby": "docker"}
_RELEASE = re.compile(r"(?P<runtime>[a-z-]+?)-v?(?P<release>\d+(?:\.\d+)*)(?:[-+~].*)?")
# Releases that read fewer directories than others: from, up to (excluded), and what they read.
_DIRECTORIES = {"podman": ((5, 5), (5, 6), ("/etc/cdi",))}  # github.com/containers/podman/issues/26569
# The first release that does not crash on a vendor or class of one letter; the others all do.
_SHORT_NAMES = {"containerd": (2, 4)}


class Release(msgspec.Struct, frozen=True, kw_only=True):
    """What a release of a runtime reads: CDI up to `newest`, and only files in `spec_dirs` if that is not None.

    `crashes` on a vendor or class of one letter. `ignores` are fields that its `low_level` runtime, "runc 1.3.6" for
    example, leaves out of containers without a word.
    """

    name: str
    newest: str
    spec_dirs: tuple[str, ...] | None = None
    crashes: bool = True
    low_level: str = ""
    ignores: tuple[str, ...] = ()


def release_of(name: str) -> Release:
    """Return what `podman-4.9.3`, or another release, reads; raise `UsageError`."""
    match = _RELEASE.fullmatch(name.strip().lower())
    runtime = _ALSO.get(match["runtime"], match["runtime"]) if match is not None else ""
    table = RUNTIMES.get(runtime)
    if match is None or table is None:
        is_bare = _ALSO.get(name, name) in RUNTIMES
        message = f"{name!r} names no release" if is_bare else f"unknown runtime {name!r}"
        raise UsageError(message, hint=f"name a runtime and its release, as podman-4.9: {', '.join(RUNTIMES)}")
    wanted = tuple(int(part) for part in match["release"].split("."))
    known = [version for since, version in table if since <= wanted]
    if not known:
        first = ".".join(map(str, table[0][0]))
        message = f"{name} is too old for CDI: {runtime} has read specs since {first}"
        raise UsageError(message)
    since, until, dirs = _DIRECTORIES.get(runtime, ((), (), None))
    safe = _SHORT_NAMES.get(runtime)
    return Release(
        name=name,
        newest=known[-1],
        spec_dirs=dirs if since <= wanted < until else None,
        crashes=safe is None or wanted < safe,
    )


def newest_version(release: str) -> str:
    """Return the newest CDI version that `podman-4.9.3`, or another release, reads; raise `UsageError`."""
    return release_of(release).newest
