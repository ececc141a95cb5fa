"""Device nodes as sysfs tells of them, for a root whose `/dev` is not the host's: a container's, or none at all."""

from __future__ import annotations

__all__ = ["KernelNodes", "has_own_nodes", "parse_node", "parse_uevent"]

import posixpath
from functools import cached_property
from typing import TYPE_CHECKING

from cdi.rooted import Stat

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cdi.host.source import Source

_DEV = "/dev"
_KINDS = (("block", "b"), ("char", "c"))  # directories of /sys/dev, and the type of a node
_LIMIT = 1 << 16
_BOOTED = ("/run/systemd/system", "/run/openrc/softlevel")  # sd_booted(3), and the like of OpenRC
_DIRECTORY = Stat(type="d", mode=0o755)
# What every container has in /dev (config-linux.md of the OCI runtime specification), and what engines add.
_OF_CONTAINERS = frozenset(
    {"console", "core", "fd", "full", "mqueue", "null", "ptmx", "pts", "random", "shm", "stderr", "stdin", "stdout"}
    | {"hugepages", "initctl", "log", "termination-log", "tty", "urandom", "zero"}
)


def has_own_nodes(source: Source) -> bool:
    """Return whether `/dev` is the host's own, so that a node that is not in it does not exist.

    In a container it has what every container has, and perhaps a few devices. If an init system runs there, that is
    a machine to its runtimes, which have no other `/dev`. Else the kernel's log tells it from that of a host: the
    kernel itself makes its node, and no container has it that was not given all nodes of its host (some have a FIFO or
    a link in its place). `ProtectKernelLogs=` of systemd mounts a node without numbers over it, or a socket.

        /sys/class/mem/kmsg -> ../../devices/virtual/mem/kmsg
    """
    try:
        names = set(source.listdir(_DEV))
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True  # which nobody may list
    if names and any(_type(source, path) is not None for path in _BOOTED):
        return True
    if names <= _OF_CONTAINERS:
        return False
    return _type(source, "/sys/class/mem/kmsg") is None or _type(source, f"{_DEV}/kmsg") in {"c", "s"}


class KernelNodes:
    """Another source, in which `/dev` has a node for each device that sysfs knows.

    A node that is there already, with the same numbers, is as it is there. Of any other, its type and numbers are
    certain; `mode` is what its driver asks for, and no owner is known: udev may have changed both.

        /sys/dev/char/10:200 -> ../../devices/virtual/misc/tun
        /sys/devices/virtual/misc/tun/uevent    MAJOR=10 MINOR=200 DEVNAME=net/tun, and of some DEVMODE=0666
    """

    def __init__(self, source: Source) -> None:
        self._source = source

    def __repr__(self) -> str:
        return f"KernelNodes({self._source!r})"

    def read(self, path: str, limit: int) -> bytes:
        """Return the content of a regular file of at most `limit` bytes."""
        return self._source.read(path, limit)

    def listdir(self, path: str) -> list[str]:
        """Return the names in a directory, in any order."""
        if not _is_dev(path) or path not in self._names:
            return self._source.listdir(path)
        try:
            there = self._source.listdir(path)
        except (FileNotFoundError, NotADirectoryError):
            there = []
        return list({*there, *self._names[path]})

    def readlink(self, path: str) -> str:
        """Return the target of a link as it is written."""
        return self._source.readlink(path)

    def resolve(self, path: str) -> str:
        """Return the path without links and dots."""
        return path if _is_dev(path) and (path in self.nodes or path in self._names) else self._source.resolve(path)

    def stat(self, path: str, *, follow: bool) -> Stat:
        """Return what is at the path; of a link in last place, itself unless `follow`."""
        told = self._told(path) if _is_dev(path) else None
        if told is None:
            return self._source.stat(path, follow=follow)
        try:
            there = self._source.stat(path, follow=follow)
        except OSError:
            return told
        return there if (there.type, there.numbers) == (told.type, told.numbers) else told

    def label(self, path: str) -> str | None:
        """Return the SELinux label of the path, None where there is none."""
        return self._source.label(path)

    def open(self, path: str) -> int:
        """Return a descriptor to read a regular file, for the caller to close."""
        return self._source.open(path)

    def _told(self, path: str) -> Stat | None:
        return self.nodes.get(path) or (_DIRECTORY if path in self._names else None)

    @cached_property
    def nodes(self) -> Mapping[str, Stat]:
        """The nodes that sysfs tells of, by path."""
        return {path: stat for kind, type_ in _KINDS for path, stat in self._read(kind, type_)}

    @cached_property
    def _names(self) -> Mapping[str, set[str]]:
        """The directories that nodes are in, with the names that are known in each."""
        names: dict[str, set[str]] = {}
        for path in self.nodes:
            while path != _DEV:
                above, _, name = path.rpartition("/")
                names.setdefault(above, set()).add(name)
                path = above  # noqa: PLW2901 - on the way up
        return names

    def _read(self, kind: str, type_: str) -> Iterator[tuple[str, Stat]]:
        place = f"/sys/dev/{kind}"
        try:
            numbers = self._source.listdir(place)
        except OSError:
            return
        for name in numbers:
            try:
                text = self._source.read(f"{place}/{name}/uevent", _LIMIT).decode("utf-8", "replace")
            except OSError:
                continue
            called = self._called(f"{place}/{name}") if not text else None
            node = parse_node(text, name, type_, called=called)
            if node is not None:
                yield node

    def _called(self, path: str) -> str | None:
        try:
            return self._source.readlink(path).rpartition("/")[2]
        except OSError:
            return None


def parse_node(uevent: str, numbers: str, type_: str, *, called: str | None = None) -> tuple[str, Stat] | None:
    """Return the node of a device, of its `uevent` and its numbers as sysfs writes them; None if it has none.

    A device without class and bus has an empty `uevent`, and a node that is called as its kernel object is
    (`dev_uevent_filter` and `device_get_devnode` in drivers/base/core.c):

        /sys/dev/char/238:0 -> ../../devices/virtual/vduse/vdpa0/vdpa0/vhost-vdpa-0
    """
    variables = parse_uevent(uevent)
    name = variables.get("DEVNAME", called.replace("!", "/") if called is not None and not variables else "")
    path = f"{_DEV}/{name}"
    try:
        major, minor = map(int, numbers.split(":"))
        mode = int(variables.get("DEVMODE", "0"), 8)
    except ValueError:
        return None
    if path != posixpath.normpath(path) or not path.startswith(f"{_DEV}/"):
        return None
    return path, Stat(type=type_, mode=mode, major=major, minor=minor, told=True)


def parse_uevent(text: str) -> dict[str, str]:
    """Return the `KEY=value` lines of a uevent file."""
    pairs = (line.partition("=") for line in text.splitlines())
    return {key: value for key, equals, value in pairs if equals}


def _is_dev(path: str) -> bool:
    return path == _DEV or path.startswith(f"{_DEV}/")


def _type(source: Source, path: str) -> str | None:
    try:
        return source.stat(path, follow=False).type
    except OSError:
        return None
