"""Switchdev: the host's ends of functions, failover interfaces, and what is given away behind them."""

from __future__ import annotations

from pathlib import Path

import pytest

from cdi.discovery import discover
from cdi.host import Host

HOSTS = Path(__file__).parent.parent / "spec-examples" / "hosts"
PF = "/sys/devices/pci0000:00/0000:03:00.0"


def interface(name: str, port: str, *more: str) -> str:
    lines = [
        f"/sys/class/net/{name} -> ../..{PF[4:]}/net/{name}",
        f"{PF}/vendor = 0x15b3",
        f"{PF}/net/{name}/device -> ../../../0000:03:00.0",
        f"{PF}/net/{name}/type = 1",
        f"{PF}/net/{name}/phys_port_name {port}",
        "/proc/net/route =",
    ]
    return "\n".join([*lines, *(f"{PF}/net/{name}/{line}" for line in more), ""])


def skipped(host: Host, *include: str) -> dict[str, str]:
    return {thing.what: thing.why for thing in discover(host, ["netdev"], include=include).skipped}


@pytest.mark.parametrize(
    ("port", "what"),
    [
        ("pf0vf3", "virtual function 3"),
        ("c1pf0vf12", "virtual function 12"),
        ("pf1sf88", "subfunction 88"),
        ("pf1", "physical function 1"),
        ("c1pf0", "physical function 0"),
    ],
)
def test_a_representor_is_never_offered_whatever_is_asked_for(port: str, what: str) -> None:
    host = Host.from_tree(interface("eth5", f"= {port}"))
    assert skipped(host, "eth5") == {"eth5": f"the switch port of {what}, not the function itself"}


@pytest.mark.parametrize("port", ["= p0", "= p0s1", "= n0", "=", "! ENOTSUP"])
def test_a_port_of_the_card_is_no_representor(port: str) -> None:
    assert skipped(Host.from_tree(interface("eth5", port))) == {}


def test_the_kernel_keeps_an_interface_that_fails_over_to_a_standby() -> None:
    host = Host.load(HOSTS / "virtio-vm")
    fact = "combines enp3s0nsby, enp4s0, which the kernel keeps in its network namespace"
    assert skipped(host, "enp3s0")["enp3s0"] == fact
    assert skipped(host)["enp4s0"] == "member of enp3s0"


def test_the_fast_path_of_a_synthetic_interface_stays_with_it() -> None:
    """As hv_netvsc does it on Azure: the lower interface is a slave, the upper one can be moved."""
    host = Host.load(HOSTS / "azure-vm")
    assert skipped(host) == {
        "eth0": "carries the IPv4 default route",
        "enP35237s1": "carries eth0, which has a default route",
        "enP53316s2": "member of eth1",
        "lo": "the loopback interface, each container has its own",
    }
