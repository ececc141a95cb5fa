"""Network interfaces that `cdi` offers, moved into containers by the runtimes that can, and seen there.

Engines that read CDI 1.1.0 are in no release of Debian: `cdi inject` writes into the configuration of crun and runc.
"""

from __future__ import annotations

import json
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from cdi.host import Host
from cdi.runtimes.low_level import find_low_level
from cdi.runtimes.programs import Programs
from tests.e2e.bundle import Bundle
from tests.e2e.conftest import started
from tests.e2e.machine import PROJECT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from tests.e2e.busybox import Busybox
    from tests.e2e.machine import Machine

    Machines = Callable[[str | None], Machine]

pytestmark = pytest.mark.e2e

MOVERS = ("crun", "runc")  # of the root `newest`
CARDS = PROJECT / "spec-examples/hosts/cx6-roce/host.tree"
MAC = "02:00:00:00:0c:d1"
# What a container sees: a line for each interface with its MAC and MTU, then the addresses and routes that it has.
LOOK = """
cd /sys/class/net
for name in *; do echo "$name $(cat $name/address) $(cat $name/mtu)"; done
ip -o -4 addr show | while read -r _ name _ address _; do echo "$name $address"; done
ip route
"""
ERRORS = {"crun": "interface `nic0`: No such device", "runc": "interface nic0 on runtime namespace: Link not found"}
LOOPBACK = ["lo 00:00:00:00:00:00 65536", "lo 127.0.0.1/8"]
# How each type is made, where `far` is the other end of a veth pair; the kernel may lack some.
TYPES = {
    "dummy": "ip link add nic0 type dummy",
    "ipvlan": "ip link add nic0 link far type ipvlan",
    "macvlan": "ip link add nic0 link far type macvlan",
    "veth": "ip link add nic0 type veth peer name nic1",
    "VLAN": "ip link add nic0 link far type vlan id 7",
}


@pytest.fixture
def machines(
    roots: Mapping[str | None, Path], tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Machines]:
    """Yield what starts the machine of a test from a suite's root."""
    with ExitStack() as running:
        yield lambda suite: running.enter_context(started(roots[suite], tmp_path, tmp_path_factory))


@pytest.fixture
def mover(machines: Machines) -> Machine:
    """Return a machine whose crun and runc move interfaces."""
    return machines("newest")


def ip(machine: Machine, *lines: str) -> None:
    """Run `ip` with each of these lines."""
    done = machine.execute("ip", "-batch", "-", input="\n".join(lines))
    assert done.returncode == 0, done.stderr


def interfaces(machine: Machine, *namespace: str) -> set[str]:
    """Return the names of the machine's interfaces, or of those in a namespace that it has named."""
    select = ("-netns", *namespace) if namespace else ()
    return {one["ifname"] for one in json.loads(machine.execute("ip", *select, "-json", "link").stdout)}


def gone(machine: Machine, name: str) -> bool:
    """Return whether an interface goes in a second: the kernel ends a network a little after its last process."""
    end = time.monotonic() + 1
    while name in interfaces(machine) and time.monotonic() < end:
        time.sleep(0.02)
    return name not in interfaces(machine)


def generate(machine: Machine, *options: str) -> dict[str, dict[str, str]]:
    """Install a spec of the machine's interfaces; return its devices with their interfaces by name in the container."""
    done = machine.cdi("generate", "netdev", *options, "-o", "json")
    assert done.returncode == 0, done.stderr
    (machine.etc / "netdev.json").write_text(done.stdout)
    return {
        device["name"]: {net["name"]: net["hostInterfaceName"] for net in device["containerEdits"]["netDevices"]}
        for device in json.loads(done.stdout)["devices"]
    }


def rename(machine: Machine, old: str, new: str) -> None:
    """Give an interface another name in containers, as who edits the spec does."""
    path = machine.etc / "netdev.json"
    path.write_text(path.read_text().replace(f'"name":"{old}"}}', f'"name":"{new}"}}'))


def test_what_the_host_needs_is_not_offered_unless_it_is_named(mover: Machine) -> None:
    ip(
        mover,
        "link add spare type veth peer name other",
        "link add uplink type veth peer name wire",
        "link add port type veth peer name guest",
        "link add br0 type bridge",
        "link set port master br0",
        "link add sub link other type macvlan",
        "link set uplink up",
        "addr add 192.0.2.2/24 dev uplink",
        "route add default via 192.0.2.1",
    )
    assert generate(mover) == {
        "guest": {"guest": "guest"},
        "spare": {"spare": "spare"},
        "sub": {"sub": "sub"},
        "wire": {"wire": "wire"},
        "all": {name: name for name in ("guest", "spare", "sub", "wire")},
    }
    named = generate(mover, "--include", "port", "--include", "uplink", "--include", "br0", "--include", "lo")
    assert sorted(named) == ["all", "guest", "port", "spare", "sub", "uplink", "wire"]
    assert sorted(named["all"]) == ["guest", "spare", "sub", "wire"]


@pytest.mark.parametrize("program", MOVERS)
def test_a_moved_interface_keeps_its_mac_mtu_and_address_and_loses_its_routes(
    program: str, mover: Machine, busybox: Busybox
) -> None:
    ip(
        mover,
        f"link add nic0 mtu 1400 address {MAC} type veth peer name far",
        "addr add 192.0.2.2/24 dev nic0",
        "link set nic0 up",
        "route add 198.51.100.0/24 via 192.0.2.1 dev nic0",
    )
    generate(mover)

    container = Bundle(mover, busybox, program).run("host.local/netdev=nic0", script=f"{LOOK}cat nic0/flags")

    seen = [" ".join(line.split()) for line in container.stdout.splitlines()]
    assert (container.returncode, container.stderr) == (0, "")
    route = "192.0.2.0/24 dev nic0 scope link src 192.0.2.2"
    assert seen == [LOOPBACK[0], f"nic0 {MAC} 1400", LOOPBACK[1], "nic0 192.0.2.2/24", route, "0x1003"]  # up
    assert gone(mover, "far")  # with its other end: the container's network has ended, and no card is behind it
    assert interfaces(mover) == {"lo"}


@pytest.mark.parametrize("program", MOVERS)
def test_two_interfaces_one_under_another_name(program: str, mover: Machine, busybox: Busybox) -> None:
    ip(
        mover,
        "link add far type veth peer name lower",
        "link add nic0 link lower mtu 1300 type macvlan",
        f"link add nic1 address {MAC} type veth peer name nic2",
    )
    generate(mover)
    rename(mover, "nic1", "net1")
    bundle = Bundle(mover, busybox, program)
    devices = ("host.local/netdev=nic0", "host.local/netdev=nic1")
    assert bundle.injected(*devices)["linux"]["netDevices"] == {"nic0": {"name": "nic0"}, "nic1": {"name": "net1"}}

    inside = bundle.run(*devices, script="cd /sys/class/net; echo *; cat nic0/mtu net1/address").stdout

    assert inside.splitlines() == ["lo net1 nic0", "1300", MAC]
    assert gone(mover, "nic2")
    assert interfaces(mover) == {"lo", "far", "lower"}


@pytest.mark.parametrize("what", TYPES)
def test_each_type_that_is_offered_is_moved(what: str, mover: Machine, busybox: Busybox) -> None:
    ip(mover, "link add far type veth peer name near")
    made = mover.execute(*TYPES[what].split())
    if made.returncode:
        pytest.skip(f"this kernel has no {what}: {made.stderr.strip()}")
    found = json.loads(mover.cdi("discover", "netdev", "-o", "json").stdout)["found"]
    (kind,) = (one["attributes"]["type"] for one in found if one["name"] == "nic0")
    assert kind.startswith(what)
    generate(mover)
    container = Bundle(mover, busybox, "crun").run("host.local/netdev=nic0", script="ls /sys/class/net")
    assert (container.stdout.split(), container.stderr) == (["lo", "nic0"], "")
    assert "nic0" not in interfaces(mover)


@pytest.mark.parametrize("program", MOVERS)
def test_a_name_that_the_container_has_already_is_an_error(program: str, mover: Machine, busybox: Busybox) -> None:
    """As `eth0`, which engines make in a container's network first. The kernel moves, and then cannot rename."""
    ip(mover, "link add nic0 type veth peer name far", "netns add pod", "link add eth0 netns pod type veth")
    generate(mover)
    rename(mover, "nic0", "eth0")
    refused = Bundle(mover, busybox, program).run("host.local/netdev=nic0", script="true", network="/run/netns/pod")
    assert refused.returncode != 0
    assert "file exists" in refused.stderr.lower()
    assert "nic0" in interfaces(mover, "pod")


@pytest.mark.parametrize("program", MOVERS)
def test_an_interface_stays_with_the_network_of_a_pod_so_its_next_container_does_not_start(
    program: str, mover: Machine, busybox: Busybox
) -> None:
    ip(mover, "link add nic0 type veth peer name far", "netns add pod")
    generate(mover)
    bundle = Bundle(mover, busybox, program)

    first = bundle.run("host.local/netdev=nic0", script="ls /sys/class/net", network="/run/netns/pod")
    assert first.stdout.split() == ["lo", "nic0"]
    assert interfaces(mover, "pod") >= {"lo", "nic0"}
    assert "nic0" not in interfaces(mover)

    again = bundle.run("host.local/netdev=nic0", script="true", network="/run/netns/pod")
    assert again.returncode != 0
    assert ERRORS[program] in again.stderr
    assert mover.cdi("validate", "--host", "/etc/cdi/netdev.json").returncode == 1

    ip(mover, "netns delete pod")
    assert gone(mover, "far")


def test_before_the_runtime_fails_doctor_says_that_an_interface_is_gone(mover: Machine) -> None:
    ip(mover, "link add nic0 type veth peer name far")
    generate(mover)
    ip(mover, "link delete nic0")

    said = json.loads(mover.cdi("doctor", "host.local/netdev=nic0", "-o", "json").stdout)["findings"]

    problems = [one for one in said if one["status"] == "problem"]
    assert "there is no network interface 'nic0'" in {one["message"] for one in problems}


def test_without_a_network_of_its_own_runc_refuses_the_container_and_crun_moves_nothing(
    mover: Machine, busybox: Busybox
) -> None:
    ip(mover, "link add nic0 type veth peer name far")
    generate(mover)
    rename(mover, "nic0", "net1")

    bundle = Bundle(mover, busybox, "runc")
    runc = bundle.run("host.local/netdev=nic0", script="true", network="")
    assert runc.returncode != 0
    assert "unable to move network devices without a NET namespace" in runc.stderr
    assert interfaces(mover) == {"lo", "far", "nic0"}

    bundle.program = "crun"
    crun = bundle.run("host.local/netdev=nic0", script="ls /sys/class/net", network="")
    assert (crun.returncode, crun.stderr) == (0, "")
    assert set(crun.stdout.split()) == interfaces(mover) == {"lo", "far", "net1"}  # but renamed it, on the host


@pytest.mark.parametrize(("suite", "program"), [(None, "crun"), (None, "runc"), ("forky", "runc")])
def test_older_releases_start_the_container_without_and_are_said_to(
    suite: str | None, program: str, machines: Machines, busybox: Busybox
) -> None:
    machine = machines(suite)
    assert "netDevices" in lacks(machine, program)
    ip(machine, "link add nic0 type veth peer name far")
    generate(machine)

    container = Bundle(machine, busybox, program).run("host.local/netdev=nic0", script="ls /sys/class/net")

    assert (container.returncode, container.stdout.split(), container.stderr) == (0, ["lo"], "")
    assert interfaces(machine) == {"lo", "far", "nic0"}


@pytest.mark.parametrize("program", MOVERS)
def test_those_that_move_are_not_said_to_ignore_it(program: str, mover: Machine) -> None:
    assert "netDevices" not in lacks(mover, program)


def lacks(machine: Machine, program: str) -> tuple[str, ...]:
    """Return what `cdi` says that a low-level runtime ignores, the same whether asked or judged by its release."""
    asked, unasked = (
        find_low_level(Programs(Host(machine.root), ask), program)
        for ask in (lambda command: machine.execute(*command).stdout, None)
    )
    assert asked.lacks == unasked.lacks
    return asked.lacks


@pytest.mark.parametrize("program", MOVERS)
def test_a_card_comes_with_its_interface_its_nodes_and_its_address(
    program: str, mover: Machine, busybox: Busybox
) -> None:
    """The spec is that of a host with ConnectX cards; a veth has the name of the card's interface."""
    ip(mover, f"link add enp65s0f1np1 address {MAC} type veth peer name far")
    spec = mover.cdi("--root", CARDS, "generate", "nic", "--numbers", "-o", "json")
    (mover.etc / "nic.json").write_text(spec.stdout)
    look = """
        cat /sys/class/net/enp65s0f1np1/address
        stat -c '%n %F %t:%T' /dev/infiniband/*
        echo $PCIDEVICE_HOST_LOCAL_NIC; echo $PCIDEVICE_HOST_LOCAL_NIC_INFO
    """

    card = Bundle(mover, busybox, program).run("host.local/nic=0000:41:00.1", script=look)

    assert (card.returncode, card.stderr) == (0, "")
    *lines, info = card.stdout.splitlines()
    nodes = {"rdma_cm": "a:7a", "umad1": "e7:1", "uverbs1": "e7:c1"}
    files = [f"/dev/infiniband/{name} character special file {numbers}" for name, numbers in nodes.items()]
    assert lines == [MAC, *files, "0000:41:00.1"]
    assert json.loads(info)["0000:41:00.1"]["rdma"]["uverbs"] == "/dev/infiniband/uverbs1"
    assert "enp65s0f1np1" not in interfaces(mover)
