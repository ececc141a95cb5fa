"""The daemons that run on a host: their programs, arguments, environment, and since when."""

from __future__ import annotations

__all__ = ["Process", "find_processes", "flags"]

import os
from typing import TYPE_CHECKING

import msgspec

from cdi.host import HostError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from cdi.host import Host

_DELETED = " (deleted)"
# Subcommands and options of daemons' programs that serve nobody: `containerd config dump`.
_NOT_SERVING = frozenset({"--help", "--version", "-h", "-v", "config", "help", "kubectl", "status", "version", "wipe"})
_START = 22 - 3  # starttime is field 22 of proc_pid_stat(5), the first behind the name is field 3


class Process(msgspec.Struct, frozen=True, kw_only=True):
    """A process: `replaced` when its program is no longer the file at that path."""

    pid: int
    program: str
    arguments: tuple[str, ...]
    started: float
    replaced: bool = False
    environment: dict[str, str]

    @property
    def name(self) -> str:
        """The name of the program."""
        return self.program.rpartition("/")[2]


def find_processes(host: Host, names: Collection[str]) -> tuple[Process, ...]:
    """Return the daemons with these programs, the oldest first; those in containers are not the host's."""
    try:
        pids = [int(name) for name in host.listdir("/proc", natural=False) if name.isdecimal()]
    except HostError:
        return ()
    boot: float | None = None
    found: list[Process] = []
    for pid in sorted(pids):
        program, replaced = _program(host, pid)
        if program.rpartition("/")[2] not in names or _is_elsewhere(host, pid):
            continue
        arguments = _words(host, f"/proc/{pid}/cmdline")
        if _NOT_SERVING.intersection(arguments[1:]):
            continue
        boot = _boot_time(host) if boot is None else boot
        started = _started(host, pid, boot)
        if started is None:
            continue
        process = Process(
            pid=pid,
            program=program,
            arguments=tuple(arguments),
            started=started,
            replaced=replaced,
            environment=dict(_pairs(_words(host, f"/proc/{pid}/environ"))),
        )
        found.append(process)
    return tuple(sorted(found, key=lambda one: (one.started, one.pid)))


def flags(arguments: Iterable[str], *names: str) -> tuple[str, ...]:
    """Return the values of an option: `--config X` and `--config=X`, in order."""
    values: list[str] = []
    wanted = False
    for argument in arguments:
        name, equals, value = argument.partition("=")
        if wanted:
            values.append(argument)
            wanted = False
        elif name in names and equals:
            values.append(value)
        else:
            wanted = argument in names
    return tuple(values)


def _program(host: Host, pid: int) -> tuple[str, bool]:
    """Return the path of a process's program, and whether that file has gone since; the link is for root alone."""
    try:
        target = host.readlink(f"/proc/{pid}/exe")
    except HostError as error:
        if error.missing:  # a thread of the kernel, which has no program, or a process that has ended
            return "", False
        words = _words(host, f"/proc/{pid}/cmdline")
        return (words[0] if words and words[0].startswith("/") else ""), False
    return target.removesuffix(_DELETED), target.endswith(_DELETED)


def _is_elsewhere(host: Host, pid: int) -> bool:
    """Return whether a process has another root, or a PID of its own in a container (`NSpid: 4711 1`)."""
    try:
        if host.lookup(f"/proc/{pid}/root", follow=False) and host.readlink(f"/proc/{pid}/root") != "/":
            return True
        status = host.read_text(f"/proc/{pid}/status")
    except HostError:
        return False
    line = next((line for line in status.splitlines() if line.startswith("NSpid:")), "")
    return len(line.split()) > 2  # noqa: PLR2004 - the word and one number


def _boot_time(host: Host) -> float:
    try:
        words = host.read_text("/proc/stat").split()
    except HostError:
        return 0.0
    return float(words[words.index("btime") + 1]) if "btime" in words[:-1] else 0.0


def _started(host: Host, pid: int, boot: float) -> float | None:
    try:
        text = host.read_text(f"/proc/{pid}/stat")
        ticks = int(text.rpartition(")")[2].split()[_START])
    except (HostError, LookupError, ValueError):
        return None  # it has ended
    return boot + ticks / os.sysconf("SC_CLK_TCK")


def _words(host: Host, path: str) -> list[str]:
    try:
        return [word for word in host.read_text(path).split("\0") if word]
    except HostError:
        return []


def _pairs(words: Sequence[str]) -> list[tuple[str, str]]:
    return [(name, value) for name, equals, value in (word.partition("=") for word in words) if equals]
