"""Discovery: subjects of the kernel, families, and what is said about each thing."""

from __future__ import annotations

import gc
from pathlib import Path

import pytest

from cdi.discovery import Family, Skipped, discover, families
from cdi.discovery.pci import parse_bdf
from cdi.discovery.routes import parse_routes, parse_routes_v6
from cdi.errors import UsageError
from cdi.host import Host

HOSTS = Path(__file__).parent.parent / "spec-examples" / "hosts"


def skipped(name: str, *include: str) -> dict[str, str]:
    return {s.what: s.why for s in discover(Host.load(HOSTS / name), ["netdev"], include=include).skipped}


def test_each_combined_interface_says_why_it_stays() -> None:
    assert skipped("bond-bridge") == {
        "bond0": "a bond, which the kernel keeps in its network namespace",
        "br0": "a bridge, which the kernel keeps in its network namespace",
        "eno1": "carries bond0, which has a default route",
        "eno2": "carries bond0, which has a default route",
        "eno3": "member of team0",
        "eno4": "vrrp.51 built on it",
        "lo": "the loopback interface, each container has its own",
        "ovs-system": "a port of Open vSwitch, which the kernel keeps in its network namespace",
        "team0": "combines eno3, which the kernel keeps in its network namespace",
        "vnet0": "carries br0, which has a default route",
        "vrf-blue": "a routing domain, which the kernel keeps in its network namespace",
    }


def test_an_interface_stays_while_a_partition_of_infiniband_is_built_on_it() -> None:
    assert skipped("cx4-infiniband") == {
        "eno8303": "carries the IPv4 default route",
        "ib0": "ib0.8001 built on it",
        "lo": "the loopback interface, each container has its own",
    }


def test_include_overrides_a_caution_but_no_fact() -> None:
    discovery = discover(Host.load(HOSTS / "cloud-vm"), ["netdev"], include=["eth0", "lo"])
    assert [(f.name, f.in_all, f.warnings) for f in discovery.found] == [
        ("eth0", False, ("carries the IPv4 and IPv6 default route",)),
        ("eth1", True, ()),
    ]
    assert [thing.what for thing in discovery.skipped] == ["lo"]


def test_include_of_what_is_nowhere_is_a_problem() -> None:
    discovery = discover(Host.load(HOSTS / "minimal"), ["netdev"], include=["eth9"])
    assert [problem.message for problem in discovery.problems] == ["nothing on this host is called 'eth9'"]


def test_an_unreadable_attribute_skips_the_attribute_and_not_the_device() -> None:
    found = {f.name: f for f in discover(Host.load(HOSTS / "broken"), ["netdev"]).found}
    nic = "/sys/devices/pci0000:00/0000:00:05.0"
    assert found["eth0"].attributes == {
        "interface": "eth0",
        "type": "network card",
        "driver": "ena",
        "pciAddress": "0000:00:05.0",
        "pcieRoot": "pci0000:00",
        "vendorId": "0x1d0f",
        "deviceId": "0xec20",
        "state": "up",
        "linkType": "ether",
    }
    assert found["eth0"].warnings == (
        f"cannot read '{nic}/net/eth0/address': permission denied",
        f"{nic}/net/eth0/mtu is 'jumbo', not a number",
        f"cannot read '{nic}/numa_node': input/output error",
    )


def test_an_empty_host_gives_reasons_and_no_error() -> None:
    discovery = discover(Host.from_tree("/etc/"))
    assert discovery.found == ()
    assert ("netdev", "there is no /sys/class/net") in {(s.family, s.why) for s in discovery.skipped}


def test_unknown_family_is_refused() -> None:
    with pytest.raises(UsageError, match="unknown family 'gpus'"):
        discover(Host.from_tree(""), ["gpus"])


def test_families_say_what_they_are() -> None:
    assert {name: family.kind for name, family in families().items()}.items() >= {
        ("host", "host.local/dev"),
        ("netdev", "host.local/netdev"),
    }


def test_the_port_of_a_login_stays() -> None:
    assert skipped("container-host")["eno2"] == "carries an SSH connection"
    assert "eno2" not in skipped("container-host", "eno2")


def test_default_routes_of_ipv4() -> None:
    text = """Iface Destination Gateway Flags RefCnt Use Metric Mask MTU Window IRTT
eth0 00000000 0100000A 0003 0 0 0 00000000 0 0 0
eth1 0000000A 00000000 0001 0 0 0 00FFFFFF 0 0 0
tun0 00000080 00000000 0001 0 0 0 00000080 0 0 0
dead 00000000 00000000 0201 0 0 0 00000000 0 0 0
short 00000000
"""
    assert [route.interface for route in parse_routes(text) if route.is_default] == ["eth0", "tun0"]


def test_default_routes_of_ipv6() -> None:
    zero, half, local = "0" * 32, "8" + "0" * 31, "fe80" + "0" * 28
    rows = [(zero, "00", "00000003", "eth0"), (half, "01", "00000001", "tun0"), (local, "40", "00000001", "eth1")]
    rows += [(zero, "00", "00200200", "lo"), (zero, "00", "00000201", "dead")]
    text = "".join(f"{net} {size} {zero} 00 {zero} 0 0 0 {flags} {name}\n" for net, size, flags, name in rows)
    assert [route.interface for route in parse_routes_v6(text) if route.is_default] == ["eth0", "tun0"]


def test_innermost_pci_function() -> None:
    assert parse_bdf("/sys/devices/pci0000:00/0000:00:03.0/10000:01:00.7/virtio2") == "10000:01:00.7"
    assert parse_bdf("/sys/devices/virtual/net/lo") is None


def test_what_only_root_may_see_says_so_whatever_the_family_advises() -> None:
    closed = Skipped(family="x", what="x0", why="cannot look at '/dev/x0': permission denied", hint="load the driver")
    family = Family(name="x", kind="a.b/x", summary="x", discover=lambda _host, _wanted: iter([closed]))
    discovery = discover(Host.from_tree("/sys/class/net/ ! EACCES\n"), ["x", "netdev"], more=[family])
    assert [thing.hint for thing in discovery.skipped] == ["run as root"]
    assert [problem.hint for problem in discovery.problems] == ["run as root"]


def test_a_mistyped_family_gets_the_nearest_name() -> None:
    with pytest.raises(UsageError) as caught:
        discover(Host.from_tree(""), ["nvidea"])
    assert caught.value.hint == "did you mean 'nvidia'?"


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_what_was_held_open_is_closed_at_once_and_not_when_garbage_is_looked_for() -> None:
    before = descriptors()
    gc.disable()
    try:
        found = discover(Host("/"))
        assert descriptors() == before
    finally:
        gc.enable()
    assert found.families
