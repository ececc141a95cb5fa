"""Connections of the SSH server: by which people are logged in to the host."""

from __future__ import annotations

__all__ = ["PORT", "Connection", "own_sockets", "parse_connections", "read_connections"]

import re
from typing import TYPE_CHECKING

import msgspec

from cdi.discovery.routes import read_tables
from cdi.discovery.sysfs import parse_number
from cdi.host import HostError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cdi.host import Host

PORT = "0016"  # 22
_ESTABLISHED = "01"  # TCP_ESTABLISHED in net/tcp_states.h
_FIELDS = 10
_END = re.compile(r"([0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4})")
_SERVERS = frozenset({"dropbear", "sshd", "sshd-auth", "sshd-session"})
_MAX_ANCESTORS = 64


class Connection(msgspec.Struct, frozen=True):
    """An established connection: the address of this host and the other's, in hexadecimal as the file writes them.

    Of IPv4 each is one number of this machine (`020200C0` is 192.0.2.2 on most), of IPv6 four such numbers.
    """

    local: str
    remote: str


def read_connections(host: Host) -> tuple[list[Connection], list[str]]:
    """Return the connections to port 22 and those of the servers that we descend from, and what could not be read."""
    sockets, hidden = own_sockets(host)
    found: dict[Connection, None] = {}
    failures: list[str] = []
    for file in ("tcp", "tcp6"):
        texts, failed = read_tables(host, file)
        failures += failed
        for text in texts:
            found |= dict.fromkeys(parse_connections(text, sockets))
    return list(found), failures if found else [*failures, *hidden]


def parse_connections(text: str, sockets: frozenset[str] = frozenset()) -> Iterator[Connection]:
    """Yield the connections to port 22, or of one of these sockets (by inode), but for those of a host with itself.

    sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
     1: 020200C0:0016 076433C6:D2F4 01 00000000:00000000 02:000A7A4E 00000000     0        0 21311 4 …
    """
    needles = (f":{PORT} ", *(f" {inode} " for inode in sockets))
    for line in text.splitlines():  # of which there may be a hundred thousand
        if not any(needle in line for needle in needles):
            continue
        fields = line.split()
        if len(fields) < _FIELDS or fields[3] != _ESTABLISHED:
            continue
        local, remote = _END.fullmatch(fields[1]), _END.fullmatch(fields[2])
        if local and remote and local[1] != remote[1] and (local[2] == PORT or fields[9] in sockets):
            yield Connection(local[1], remote[1])


def own_sockets(host: Host) -> tuple[frozenset[str], list[str]]:
    """Return the sockets of the SSH servers that this process descends from, whatever their port.

    The environment would say less: sudo drops SSH_CONNECTION, and a shell may have been started by another one.
    """
    sockets: set[str] = set()
    failures: list[str] = []
    for pid in _servers_above(host):
        try:
            for fd in host.listdir(f"/proc/{pid}/fd"):
                kind, _, inode = host.readlink(f"/proc/{pid}/fd/{fd}").partition(":")
                if kind == "socket":
                    sockets.add(inode.strip("[]"))
        except HostError as error:
            failures += [] if error.missing else [f"cannot tell by which interface you are logged in: {error.message}"]
    return frozenset(sockets), failures


def _servers_above(host: Host) -> Iterator[str]:
    """Yield the SSH servers that this process descends from; below another root there are none."""
    pid = "self"
    for _ in range(_MAX_ANCESTORS):
        try:
            text = host.read_text(f"/proc/{pid}/status")
        except HostError:
            return
        fields = {key: value.strip() for key, _, value in (line.partition(":") for line in text.splitlines())}
        if fields.get("Name") in _SERVERS:
            yield pid
        pid = fields.get("PPid", "0")
        if not parse_number(pid):
            return
