"""Who uses VFIO: the processes that have a group or a device file open."""

from __future__ import annotations

__all__ = ["CONTAINED", "User", "is_node", "read_vfio_users"]

import re
from typing import TYPE_CHECKING

import msgspec
from msgspec import field

from cdi.host import HostError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cdi.host import Host

_NODES = "/dev/vfio/"
_CONTAINER = "/dev/vfio/vfio"
_DELETED = " (deleted)"  # in another mount namespace, where the node has gone since
# Control groups of containers, and of the virtual machines that are containers (Kata), which run beside them.
CONTAINED = re.compile(r"kubepods|docker|libpod|crio|containerd|kata")


class User(msgspec.Struct, frozen=True, kw_only=True):
    """A process that uses a function; `contained` is whether it is a container's, which got it through a spec."""

    pid: int
    name: str
    contained: bool

    def __str__(self) -> str:
        return f"process {self.pid} ({self.name}){' of a container' if self.contained else ''}"


class Users(msgspec.Struct, frozen=True, kw_only=True):
    """The process that has a node of VFIO open, by the node's path, and why there may be more."""

    by_node: Mapping[str, User] = field(default_factory=dict[str, User])
    failure: str | None = None


def read_vfio_users(host: Host) -> Users:
    """Return who has a group or a device file of VFIO open; one of the host before one of a container.

        /proc/4711/fd/23 -> /dev/vfio/42
        /proc/4711/fd/24 -> /dev/vfio/devices/vfio7

    It looks at every file that is open on the host: ask only where something is in use.
    """
    users: dict[str, User] = {}
    failure: str | None = None
    for pid in _pids(host):
        try:
            nodes = set(_nodes(host, pid))
        except HostError as error:
            failure = failure if failure is not None or error.missing else error.message
            continue
        if nodes:
            user = _user(host, pid)
            users |= {node: user for node in nodes if node not in users or users[node].contained > user.contained}
    return Users(by_node=users, failure=failure)


def is_node(path: str) -> bool:
    """Return whether a path is that of a group or a device file."""
    return path.startswith(_NODES) and path.removesuffix(_DELETED) != _CONTAINER


def _pids(host: Host) -> list[int]:
    try:
        return sorted(int(name) for name in host.listdir("/proc", natural=False) if name.isdecimal())
    except HostError:
        return []


def _nodes(host: Host, pid: int) -> Iterator[str]:
    for fd in host.listdir(f"/proc/{pid}/fd", natural=False):
        try:
            target = host.readlink(f"/proc/{pid}/fd/{fd}")
        except HostError:  # closed meanwhile
            continue
        if is_node(target):
            yield target.removesuffix(_DELETED)


def _user(host: Host, pid: int) -> User:
    """Return what is known of a process; one with a PID of its own elsewhere is a container's.

    /proc/4711/status    Name: qemu-system-x86, NSpid: 4711 1
    """
    status = _text(host, f"/proc/{pid}/status")
    fields = {key: value.split() for key, _, value in (line.partition(":") for line in status.splitlines())}
    contained = len(fields.get("NSpid", ())) > 1 or CONTAINED.search(_text(host, f"/proc/{pid}/cgroup")) is not None
    return User(pid=pid, name=" ".join(fields.get("Name", ())) or "unknown", contained=contained)


def _text(host: Host, path: str) -> str:
    try:
        return host.read_text(path)
    except HostError:
        return ""
