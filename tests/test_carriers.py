"""Interfaces that the host needs: default routes, SSH connections, and what these are built on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cdi.discovery import discover
from cdi.discovery.carriers import read_carriers
from cdi.discovery.connections import Connection, parse_connections
from cdi.generation import generate
from cdi.host import Host
from cdi.problem import Problem
from cdi.recording import snapshot
from cdi.registry import Registry
from cdi.upkeep import wanted
from cdi.upkeep.keeper import Keeper
from cdi.upkeep.pace import Timing

if TYPE_CHECKING:
    from pathlib import Path

TCP = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
ROUTES = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n"
SSH = "carries an SSH connection"


def file(path: str, head: str, *lines: str) -> str:
    text = head.replace("\t", "\\t").replace("\n", "\\n") + "".join(f"{line}\\n" for line in lines)
    return f'{path} = "{text}"\n'


def tcp(*connections: str, path: str = "/proc/net/tcp") -> str:
    """Return a table of connections, each `local:port remote:port state inode`."""
    rows = [one.split() for one in connections]
    rest = "00000000:00000000 02:000A7A4E 00000000     0        0"
    return file(path, TCP, *(f"   {i}: {a} {b} {st} {rest} {inode} 4" for i, (a, b, st, inode) in enumerate(rows)))


def routes(*rows: str, path: str = "/proc/net/route") -> str:
    """Return a table of routes, each `interface destination gateway mask [metric]`."""
    lines = []
    for row in rows:
        name, network, gateway, mask, *metric = row.split()
        flags = "0001" if gateway == "00000000" else "0003"
        lines.append("\\t".join((name, network, gateway, flags, "0", "0", (metric or ["0"])[0], mask, "0", "0", "0")))
    return file(path, ROUTES, *lines)


def carriers(*entries: str) -> dict[str, str]:
    """Return why which interfaces are needed, on a host and on the snapshot of it alike."""
    host = Host.from_tree("/sys/class/net/eth0/\n" + "".join(entries))
    found, failures = read_carriers(host)
    text = snapshot(host)
    again = Host.from_tree(text)
    assert read_carriers(again) == (found, failures)
    assert snapshot(again) == text
    return dict(found)


DEFAULT = "eth0 00000000 0100000A 00000000"  # by 10.0.0.1
OWN = "eth0 0000000A 00000000 00FFFFFF"  # 10.0.0.0/24
MANAGEMENT = "eth1 0001A8C0 00000000 00FFFFFF"  # 192.168.1.0/24
LOGIN = "0501A8C0:0016 0901A8C0:D2F4 01 21311"  # 192.168.1.9 at 192.168.1.5
DEFAULT_CARRIER = {"eth0": "carries the IPv4 default route"}
ROUTED = routes(DEFAULT, OWN, MANAGEMENT)


def test_the_interface_of_an_ssh_connection() -> None:
    assert carriers(ROUTED, tcp(LOGIN)) == {**DEFAULT_CARRIER, "eth1": SSH}


def test_other_connections_say_nothing() -> None:
    others = (
        "00000000:0016 00000000:0000 0A 11",  # listens
        "0501A8C0:D2F4 0901A8C0:0016 01 12",  # from here to another's port 22
        "0501A8C0:0016 0901A8C0:D2F4 06 0",  # has ended
        "0501A8C0:0016 0501A8C0:D2F4 01 13",  # this host with itself
        "0501A8C0:0017 0901A8C0:D2F4 01 14",
    )
    assert carriers(ROUTED, tcp(*others)) == DEFAULT_CARRIER


@pytest.mark.parametrize(
    ("port", "storage"),
    [("01BD", "SMB"), ("0801", "NFS"), ("0CBC", "iSCSI"), ("0CE4", "Ceph"), ("1144", "NVMe"), ("1A85", "Ceph")],
)
def test_the_interface_of_a_connection_to_storage(port: str, storage: str) -> None:
    to_storage, from_there = (f"0501A8C0:03E2 0901A8C0:{port} 01 0", f"0501A8C0:{port} 0901A8C0:03E2 01 0")
    assert carriers(ROUTED, tcp(to_storage)) == {
        **DEFAULT_CARRIER,
        "eth1": f"carries a connection to {storage} storage",
    }
    assert carriers(ROUTED, tcp(from_there)) == DEFAULT_CARRIER


def test_of_several_networks_the_narrowest_counts_and_of_equals_all() -> None:
    wide = "eth2 0000A8C0 00000000 0000FFFF"  # 192.168.0.0/16
    twin = "eth3 0001A8C0 00000000 00FFFFFF 100"
    local = tcp("0501A8C0:0016 6433C6C0:D2F4 01 1")
    assert carriers(routes(DEFAULT, wide, MANAGEMENT, twin), local) == {**DEFAULT_CARRIER, "eth1": SSH, "eth3": SSH}


def test_answers_go_out_by_the_route_to_the_other_host() -> None:
    to_clients = "eth2 0064A8C0 0201A8C0 00FFFFFF"  # 192.168.100.0/24 by a gateway
    worse = "eth3 0064A8C0 0201A8C0 00FFFFFF 600"
    alone = tcp("07000A0A:0016 0964A8C0:D2F4 01 1")  # 10.10.0.7/32: no network of an interface has the local address
    assert carriers(routes(DEFAULT, to_clients, worse), alone) == {**DEFAULT_CARRIER, "eth2": SSH}
    other = tcp("0501A8C0:0016 0964A8C0:D2F4 01 1")
    assert carriers(routes(DEFAULT, to_clients, MANAGEMENT), other) == {**DEFAULT_CARRIER, "eth1": SSH, "eth2": SSH}


def test_a_connection_without_any_route_is_said() -> None:
    found, problems = read_carriers(Host.from_tree(routes() + tcp(LOGIN)))
    why = "cannot tell which interface carries an SSH connection: no route leads to its addresses"
    assert (found, problems) == ({}, (Problem(severity="warning", rule="carrier-unknown", message=why),))


def test_ipv4_in_the_table_of_ipv6() -> None:
    mapped = "0000000000000000FFFF0000"
    both = f"{mapped}0501A8C0:0016 {mapped}0901A8C0:D2F4 01 1"
    assert carriers(ROUTED, tcp(both, path="/proc/net/tcp6")) == {**DEFAULT_CARRIER, "eth1": SSH}


def address(*pairs: str) -> str:
    """Return a table of addresses of IPv6, each `address interface`."""
    rows = [pair.split() for pair in pairs]
    return file("/proc/net/if_inet6", "", *(f"{one} 04 40 00 82     {name}" for one, name in rows))


UNIQUE = "fd000000000000000000000000000002"
LINK_LOCAL = "fe800000000000000011223344556677"


def swapped(plain: str) -> str:
    return "".join(bytes.fromhex(plain[i : i + 8])[::-1].hex().upper() for i in range(0, 32, 8))


def test_ipv6_by_the_address_of_the_interface_whatever_the_order_of_bytes() -> None:
    own = address(f"{UNIQUE} eth1", f"{LINK_LOCAL} eth0")
    remote = "20010db8000000000000000000000009"
    for write in (swapped, str.upper):
        one = tcp(f"{write(UNIQUE)}:0016 {write(remote)}:D2F4 01 1", path="/proc/net/tcp6")
        assert carriers(ROUTED, own, one) == {**DEFAULT_CARRIER, "eth1": SSH}


def test_a_link_local_address_may_be_that_of_several_interfaces() -> None:
    own = address(f"{LINK_LOCAL} eth1", f"{LINK_LOCAL} eth1.5", f"{UNIQUE} eth2")
    remote = "fe80000000000000aa11223344556677"
    every = "\n".join(
        f"fe800000000000000000000000000000 40 {'0' * 32} 00 {'0' * 32} 100 1 0 1 {n}" for n in ("eth1", "eth2")
    )
    one = tcp(f"{swapped(LINK_LOCAL)}:0016 {swapped(remote)}:D2F4 01 1", path="/proc/net/tcp6")
    table = file("/proc/net/ipv6_route", "", *every.split("\n"))
    assert carriers(ROUTED, own, one, table) == {**DEFAULT_CARRIER, "eth1": SSH, "eth1.5": SSH}


BONDED = """
/sys/class/net/bond0.7/lower_bond0/
/sys/class/net/bond0/lower_eno1/
/sys/class/net/bond0/lower_eno2/
/sys/class/net/bond0/upper_bond0.7/
/sys/class/net/eno1/upper_bond0/
"""


def test_what_a_carrier_is_built_on_is_one_too() -> None:
    management = "bond0.7 0001A8C0 00000000 00FFFFFF"
    assert carriers(routes(DEFAULT, management), tcp(LOGIN), BONDED) == {
        **DEFAULT_CARRIER,
        "bond0.7": SSH,
        "bond0": "carries bond0.7, which carries an SSH connection",
        "eno1": "carries bond0, which carries an SSH connection",
        "eno2": "carries bond0, which carries an SSH connection",
    }


def test_the_tables_of_process_1_count_too() -> None:
    of_host = routes(MANAGEMENT, path="/proc/1/net/route") + tcp(LOGIN, path="/proc/1/net/tcp")
    assert carriers(routes(DEFAULT), of_host) == {**DEFAULT_CARRIER, "eth1": SSH}


SESSION = """
/proc/self/status = "Name:\\tcdi\\nPPid:\\t40\\n"
/proc/40/status = "Name:\\tsudo\\nPPid:\\t30\\n"
/proc/30/status = "Name:\\tbash\\nPPid:\\t20\\n"
/proc/20/status = "Name:\\tsshd-session\\nPPid:\\t10\\n"
/proc/10/status = "Name:\\tsshd\\nPPid:\\t1\\n"
/proc/1/status = "Name:\\tsystemd\\nPPid:\\t0\\n"
/proc/20/fd/4 -> socket:[777]
/proc/20/fd/5 -> pipe:[778]
/proc/10/fd/ ! EACCES
"""
PORT_2222 = "0501A8C0:08AE 0901A8C0:D2F4 01"


def test_our_own_session_counts_whatever_its_port() -> None:
    ours, another = tcp(f"{PORT_2222} 777"), tcp(f"{PORT_2222} 778")
    assert carriers(ROUTED, ours, SESSION) == {**DEFAULT_CARRIER, "eth1": SSH}
    found, (problem,) = read_carriers(Host.from_tree(ROUTED + another + SESSION))
    assert found == DEFAULT_CARRIER
    assert (problem.rule, problem.message) == (
        "host-unreadable",
        "cannot tell by which interface you are logged in: cannot list '/proc/10/fd': permission denied",
    )


@pytest.mark.parametrize(
    "config",
    [
        "/etc/ssh/sshd_config = Port 2222",
        "/etc/ssh/sshd_config.d/50-port.conf = port=2222",
        '/etc/ssh/sshd_config = "#Port 23\\nUseDNS no\\n  ListenAddress\\t[2001:db8::1]:2222\\n"',
    ],
)
def test_the_server_may_have_another_port(config: str) -> None:
    others = tcp(f"{PORT_2222} 5", path="/proc/1/net/tcp")
    assert carriers(ROUTED, others, f"{config}\n") == {**DEFAULT_CARRIER, "eth1": SSH}
    assert carriers(ROUTED, others, f"{config}\n".replace("2222", "2223")) == DEFAULT_CARRIER


def test_tables_of_the_same_namespace_are_read_once() -> None:
    other = routes(MANAGEMENT, path="/proc/1/net/route") + tcp(LOGIN, path="/proc/1/net/tcp")
    spaces = "/proc/self/ns/net -> net:[7]\n/proc/1/ns/net -> net:[7]\n"
    assert carriers(routes(DEFAULT), other, spaces) == DEFAULT_CARRIER
    assert carriers(routes(DEFAULT), other, spaces.replace("7", "8", 1)) == {**DEFAULT_CARRIER, "eth1": SSH}


def test_a_snapshot_has_no_process_and_no_other_connection() -> None:
    others = (f"{PORT_2222} 777", "0501A8C0:01BB 2A2A2A2A:D2F4 01 5", "0501A8C0:2328 00000000:0000 0A 6")
    other_route = "eth1 00007B0A 00000000 0000FFFF"
    tables = routes(DEFAULT, MANAGEMENT, other_route) + tcp(*others) + SESSION
    text = snapshot(Host.from_tree("/sys/class/net/eth0/\n" + tables))
    assert ":0016 " in text
    for secret in ("bash", "777", "2A2A2A2A", "2328", "08AE", "D2F4", "A8C0", "7B0A"):
        assert secret not in text


def test_hostile_tables_are_no_error() -> None:
    odd = '/proc/net/tcp = x:0016 y:0016 01\n/proc/net/route = "\\nx\\t-1\\t0_\\t3\\t\\t\\t\\t00FF\\n"\n'
    assert carriers(odd) == {}


def test_connections_of_a_busy_server_are_few() -> None:
    busy = "".join(f"  {i}: 0501A8C0:01BB 0901A8C0:{i:04X} 01 0:0 0:0 0 0 0 {i} 1\n" for i in range(32768, 65536))
    line = "   1: 0501A8C0:0016 0901A8C0:D2F4 01 0:0 0:0 0 0 0 7 1\n"
    assert list(parse_connections(TCP + busy + line)) == [Connection("0501A8C0", "0901A8C0")]


CARD = "/sys/devices/pci0000:00/0000:00:04.0"
ETH1 = f"""
/sys/class/net/eth1 -> ../..{CARD.removeprefix("/sys")}/net/eth1
{CARD}/net/eth1/device -> ../../../0000:00:04.0
{CARD}/net/eth1/type = 1
"""


def test_watching_takes_the_interface_of_a_login_away_only_while_it_lasts(tmp_path: Path) -> None:
    keeper, timing = Keeper(tmp_path, Timing()), Timing()

    def look(tree: str, now: float) -> list[str]:
        discovery = discover(Host.from_tree(tree), ["netdev"])
        keeper.look(wanted(discovery, generate(discovery).specs, ()), now)
        return [device.name for one in Registry.load([tmp_path]).specs for device in one.spec.devices]

    alone, busy = ETH1 + ROUTED, ETH1 + ROUTED + tcp(LOGIN)
    assert look(alone, 0) == ["eth1", "all"]
    step = timing.grace / timing.looks
    assert [look(busy, 1 + step * i) for i in range(timing.looks + 1)] == [["eth1", "all"]] * timing.looks + [[]]
    assert look(alone, 100) == ["eth1", "all"]
