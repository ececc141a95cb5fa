"""Connections that a host should not lose: of those who are logged in by SSH, and to its storage."""

from __future__ import annotations

__all__ = ["Connection", "own_sockets", "parse_connections", "read_connections", "ssh_ports"]

import re
from typing import TYPE_CHECKING

import msgspec

from cdi.discovery.routes import read_tables
from cdi.discovery.sysfs import parse_number
from cdi.host import HostError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cdi.host import Host

_SSH = "0016"  # 22, of this host; of storage the port is the other host's
_CONFIGS = ("/etc/ssh/sshd_config", "/etc/ssh/sshd_config.d/*.conf")
_PORT = re.compile(r"^\s*(?:Port[\s=]+|ListenAddress[\s=]+\S+:)([0-9]{1,5})\b", re.IGNORECASE | re.MULTILINE)
_STORAGE = {
    "01BD": "SMB storage",  # 445
    "0801": "NFS storage",  # 2049
    "0CBC": "iSCSI storage",  # 3260
    "0CE4": "Ceph storage",  # 3300
    "1144": "NVMe storage",  # 4420
    "1A85": "Ceph storage",  # 6789
}
_ESTABLISHED = "01"  # TCP_ESTABLISHED in net/tcp_states.h
_FIELDS = 10
_END = re.compile(r"([0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4})")
_SERVERS = frozenset({"dropbear", "sshd", "sshd-auth", "sshd-session"})
_MAX_ANCESTORS = 64


class Connection(msgspec.Struct, frozen=True):
    """An established connection: the address of this host and the other's, in hexadecimal as the file writes them.

    Of IPv4 each is one number of this machine (`020200C0` is 192.0.2.2 on most), of IPv6 four such numbers. `ports` are
    of this host and the other, each 0 where that does not matter.
    """

    local: str
    remote: str
    ports: tuple[str, str] = (_SSH, "0000")

    @property
    def what(self) -> str:
        """What it is for."""
        storage = _STORAGE.get(self.ports[1])
        return "an SSH connection" if storage is None else f"a connection to {storage}"


def read_connections(host: Host) -> tuple[list[Connection], list[str]]:
    """Return the connections that the host should not lose, and what could not be read."""
    sockets, hidden = own_sockets(host)
    ports = ssh_ports(host)
    found: dict[Connection, None] = {}
    failures: list[str] = []
    for file in ("tcp", "tcp6"):
        texts, failed = read_tables(host, file)
        failures += failed
        for text in texts:
            found |= dict.fromkeys(parse_connections(text, sockets, ports))
    return list(found), failures if any(one.ports[0] == _SSH for one in found) else [*failures, *hidden]


def parse_connections(
    text: str, sockets: frozenset[str] = frozenset(), ports: frozenset[str] = frozenset({_SSH})
) -> Iterator[Connection]:
    """Yield the connections by SSH, to these ports of this host or of these sockets (by inode), and those to storage.

    sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
     1: 020200C0:0016 076433C6:D2F4 01 00000000:00000000 02:000A7A4E 00000000     0        0 21311 4 …

    Those of a host with itself do not count.
    """
    for fields in _likely(text, ports, sockets):
        if len(fields) < _FIELDS or fields[3] != _ESTABLISHED:
            continue
        local, remote = _END.fullmatch(fields[1]), _END.fullmatch(fields[2])
        if local is None or remote is None or local[1] == remote[1]:
            continue
        if local[2] in ports or fields[9] in sockets:
            yield Connection(local[1], remote[1])
        elif remote[2] in _STORAGE:
            yield Connection(local[1], remote[1], ("0000", remote[2]))


def _likely(text: str, ports: frozenset[str], sockets: frozenset[str]) -> Iterator[list[str]]:
    """Yield the lines, as fields, that have such a port or inode anywhere: of a hundred thousand lines a few."""
    wanted = [f":(?:{'|'.join((*ports, *_STORAGE))}) ", *(f" {inode} " for inode in sockets)]
    end = 0
    for match in re.finditer("|".join(wanted), text):
        if match.start() >= end:
            start, newline = text.rfind("\n", 0, match.start()) + 1, text.find("\n", match.end())
            end = newline if newline >= 0 else len(text)
            yield text[start:end].split()


def ssh_ports(host: Host) -> frozenset[str]:
    """Return the ports of the SSH server, 22 and those that it is configured to have, as the tables write them.

    /etc/ssh/sshd_config.d/port.conf    Port 2222
    """
    ports = {_SSH}
    for pattern in _CONFIGS:
        try:
            for path in host.glob(pattern):
                ports |= {f"{int(port):04X}" for port in _PORT.findall(host.read_text(path))}
        except HostError:  # for root alone; then there is our own session
            continue
    return frozenset(ports)


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
