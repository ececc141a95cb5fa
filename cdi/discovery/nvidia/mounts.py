"""Mounts of the driver's files: the path on the host has the driver's root, the path in the container has not."""

from __future__ import annotations

__all__ = ["FILE_OPTIONS", "NO_LEGACY", "SOCKET_OPTIONS", "DriverFiles"]

from typing import TYPE_CHECKING

from cdi.host import HostError
from cdi.model import Mount

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cdi.host import Host, Stat

FILE_OPTIONS = ("ro", "nosuid", "nodev", "rbind", "rprivate")
SOCKET_OPTIONS = ("nosuid", "nodev", "rbind", "rprivate", "noexec")
# Keeps NVIDIA's older runtime hook, where one is set up as well, from adding GPUs on its own.
NO_LEGACY = "NVIDIA_VISIBLE_DEVICES=void"
_EXECUTABLE = 0o111


class DriverFiles:
    """The files below a driver's root; paths are those inside it, which are those in the container."""

    def __init__(self, host: Host, root: Host) -> None:
        self._host = host
        self.root = root
        self.unread: list[str] = []

    def lookup(self, path: str) -> Stat | None:
        """Return what a path leads to inside the root; None if there is nothing, or it cannot be read."""
        try:
            return self.root.lookup(path)
        except HostError as error:
            self.unread.append(error.message)
            return None

    def is_file(self, path: str, *, executable: bool = False) -> bool:
        """Return whether there is a regular file at a path, and if so wanted one that may be executed."""
        stat = self.lookup(path)
        return stat is not None and stat.type == "f" and (not executable or bool(stat.mode & _EXECUTABLE))

    def first(self, name: str, directories: Iterable[str], *, type_: str = "f") -> str | None:
        """Return the path of a file, or of a socket, in the first of some directories that has it."""
        paths = (f"{directory.rstrip('/')}/{name}" for directory in directories)
        return next((path for path in paths if (stat := self.lookup(path)) is not None and stat.type == type_), None)

    def glob(self, pattern: str) -> Iterator[str]:
        """Yield the paths that match; what cannot be read is noted."""
        try:
            yield from self.root.glob(pattern)
        except HostError as error:
            self.unread.append(error.message)

    def directories(self, paths: Iterable[str]) -> tuple[str, ...]:
        """Return those of some directories that are there, of several names for one only the first."""
        places: dict[str, str] = {}
        for path in paths:
            stat = self.lookup(path)
            if stat is not None and stat.type == "d":
                places.setdefault(self.root.resolve(path), path)
        return tuple(places.values())

    def mount(self, path: str, *, at: str | None = None, options: tuple[str, ...] = FILE_OPTIONS) -> Mount:
        """Return the mount of what is at a path, at the same one in the container unless `at` says another."""
        return Mount(host_path=self._on_host(path), container_path=at or path, options=options)

    def _on_host(self, path: str) -> str:
        """Return the host's path of what is at a path inside the root.

        A runtime follows links from its own root: an absolute one inside a driver's root leads it to another file,
        or nowhere, so then the path has to be the one without links.
        """
        located = self._host.driver(path)
        if self._host.driver_root == "/":
            return located
        real = self._host.driver(self.root.resolve(path))
        return located if _resolved(self._host, located) == _resolved(self._host, real) else real


def _resolved(host: Host, path: str) -> str | None:
    try:
        return host.resolve(path)
    except HostError:
        return None
