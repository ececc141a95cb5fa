"""What a discovery looked at: so that whoever waits for changes watches just that."""

from __future__ import annotations

__all__ = ["Noting", "Places", "fingerprint", "places"]

import hashlib
import re
from typing import TYPE_CHECKING

import msgspec

from cdi.host import HostError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cdi.host import Host, Source, Stat
    from cdi.rooted import Directory

_SILENT = ("/sys/", "/proc/")  # the kernel makes these up when asked, and tells nobody of changes
_BUSY = ("/tmp/", "/var/tmp/", "/dev/shm/", "/dev/pts/")  # noqa: S108 - not used: everybody else does, all the time
# Where the kernel lists hardware, and what NVIDIA's driver makes of it. MIG devices come and go without a uevent: by
# directories in capabilities, /proc/driver/nvidia/capabilities/gpu0/mig/gi1/ci0.
_LISTED = ("/sys/class/*", "/sys/bus/*/devices", "/proc/driver/nvidia", "/proc/driver/nvidia/gpus")
_TREES = ("/proc/driver/nvidia/capabilities",)
_READ = ("/proc/driver/nvidia/version", "/proc/driver/nvidia-caps/mig-minors")
# Subsystems that make no device of a container, and make noise; but for those that a profile looks at.
_NOISE = frozenset(
    {
        *("backlight", "bdi", "block", "bsg", "cpu", "event_source", "hwmon", "input", "leds", "mem", "memory"),
        *("power_supply", "queues", "rtc", "scsi", "scsi_device", "scsi_disk", "scsi_host", "slab", "sound"),
        *("thermal", "tty", "vc", "watchdog", "workqueue"),
    }
)
_SUBSYSTEM = re.compile(r"/sys/(?:class|bus)/([^/]+)")
_DEPTH = 5


class Noting:
    """A source that remembers which paths it was asked for, and what links led to."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self.listed: set[str] = set()
        self.seen: set[str] = set()

    def read(self, path: str, limit: int) -> bytes:
        """Return the content of a regular file of at most `limit` bytes."""
        self.seen.add(path)
        return self._source.read(path, limit)

    def listdir(self, path: str) -> list[str]:
        """Return the names in a directory, in any order."""
        self.listed.add(path)
        return self._source.listdir(path)

    def readlink(self, path: str) -> str:
        """Return the target of a link as it is written."""
        self.seen.add(path)
        return self._source.readlink(path)

    def resolve(self, path: str) -> str:
        """Return the path without links and dots."""
        self.seen.add(path)
        real = self._source.resolve(path)
        self.seen.add(real)
        return real

    def stat(self, path: str, *, follow: bool) -> Stat:
        """Return what is at the path; of a link in last place, itself unless `follow`."""
        self.seen.add(path)
        return self._source.stat(path, follow=follow)

    def label(self, path: str) -> str | None:
        """Return the SELinux label of what is at the path."""
        self.seen.add(path)
        return self._source.label(path)

    def open(self, path: str) -> int:
        """Return a descriptor to read a regular file, for the caller to close."""
        self.seen.add(path)
        return self._source.open(path)


class Places(msgspec.Struct, frozen=True, kw_only=True):
    """Where changes matter: `paths` without links, and of what the kernel tells all but `noise`."""

    paths: frozenset[str] = frozenset()
    noise: frozenset[str] = _NOISE


def places(noted: Noting, files: Directory) -> Places:
    """Return where changes matter to who looked at what was noted."""
    listed = {path for path in noted.listed if not _is_untold(path)}
    # What is in a listed directory goes with that.
    single = {path for path in noted.seen if not _is_untold(path) and _parent(path) not in listed}
    paths = frozenset(real for path in listed | single for real in _real(path, files) if not _is_untold(real))
    subsystems = {match[1] for path in noted.listed | noted.seen if (match := _SUBSYSTEM.match(path)) is not None}
    return Places(paths=paths, noise=_NOISE - subsystems)


def _real(path: str, files: Directory) -> Iterator[str]:
    """Yield where a path leads to, and itself as far as its directory goes: the link may be replaced."""
    try:
        yield f"{files.future(_parent(path)).rstrip('/')}/{path.rpartition('/')[2]}"
        yield files.future(path)
    except OSError:
        return


def _parent(path: str) -> str:
    return path.rpartition("/")[0] or "/"


def _is_untold(path: str) -> bool:
    return path.startswith((*_SILENT, *_BUSY))


def fingerprint(host: Host, noise: frozenset[str]) -> bytes:
    """Return what differs when hardware has come or gone of which there may be no event: a cheap look."""
    digest = hashlib.blake2b(digest_size=16)
    for line in _lines(host, noise):
        digest.update(line.encode("utf-8", "surrogateescape") + b"\n")
    return digest.digest()


def _lines(host: Host, noise: frozenset[str]) -> Iterator[str]:
    for path in _expanded(host, _LISTED, noise):
        yield from (f"{path}/{name}" for name in _names(host, path))
    for top in _TREES:
        yield from _walk(host, top, _DEPTH)
    for path in _READ:
        try:
            yield f"{path} {host.read_text(path)}"
        except HostError:
            continue


def _expanded(host: Host, patterns: Iterable[str], noise: frozenset[str]) -> Iterator[str]:
    """Yield the paths that patterns with one `*` stand for."""
    for pattern in patterns:
        above, star, below = pattern.partition("*")
        if not star:
            yield pattern
            continue
        for name in _names(host, above.rstrip("/")):
            if name not in noise:
                yield f"{above}{name}{below}"


def _walk(host: Host, path: str, depth: int) -> Iterator[str]:
    for name in _names(host, path):
        yield f"{path}/{name}"
        if depth:
            yield from _walk(host, f"{path}/{name}", depth - 1)


def _names(host: Host, path: str) -> tuple[str, ...]:
    try:
        return host.listdir(path, natural=False)
    except HostError:
        return ()
