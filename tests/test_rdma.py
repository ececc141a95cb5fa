"""RDMA devices: whose nodes are whose, what is said of a device, and what is not believed."""

from __future__ import annotations

from pathlib import Path

import pytest

from cdi.discovery import Discovery, discover
from cdi.discovery.rdma import RdmaDevice, read_rdma
from cdi.host import Host

HOSTS = Path(__file__).parent.parent / "spec-examples" / "hosts"
CARD = "/sys/devices/pci0000:16/0000:16:02.0/0000:17:00.0"
PORT = {"link_layer": "InfiniBand", "state": "4: ACTIVE", "rate": "200 Gb/sec (4X HDR)"}
FUNCTION = (
    f"/sys/bus/pci/devices/0000:17:00.0 -> ../../..{CARD[4:]}\n{CARD}/class = 0x020700\n{CARD}/vendor = 0x15b3\n"
    f"{CARD}/uevent = DRIVER=mlx5_core\n"
)
CONNECTIONS = (
    "/sys/devices/virtual/misc/rdma_cm/dev = 10:122\n"
    "/sys/devices/virtual/misc/rdma_cm/uevent = DEVNAME=infiniband/rdma_cm\n"
    "/sys/class/misc/rdma_cm -> ../../devices/virtual/misc/rdma_cm\n"
    "/dev/infiniband/rdma_cm : c 10 122 0666\n"
)


def device(name: str, **port: str) -> str:
    here = f"{CARD}/infiniband/{name}"
    lines = [f"/sys/class/infiniband/{name} -> ../..{here[4:]}", f"{here}/node_type = 1: CA"]
    lines += [f"{here}/ports/1/{attribute} = {value}" for attribute, value in {**PORT, **port}.items()]
    return "\n".join([*lines, ""])


def node(leaf: str, ibdev: str, *, name: str = "", place: str = "", port: int | None = None) -> str:
    """Return the lines of a node: its kernel object, its DEVNAME, and where it is in /dev."""
    word = leaf.rstrip("0123456789")
    class_ = "infiniband_verbs" if word == "uverbs" else "infiniband_mad"
    minor = {"uverbs": 192, "umad": 0, "issm": 64}[word] + int(leaf[len(word) :])
    here = f"{CARD}/{class_}/{leaf}"
    lines = [
        f"/sys/class/{class_}/{leaf} -> ../..{here[4:]}",
        f"{here}/dev = 231:{minor}",
        f"{here}/ibdev = {ibdev}",
        f"{here}/uevent = DEVNAME={name or f'infiniband/{leaf}'}",
        f"{place or f'/dev/infiniband/{leaf}'} : c 231 {minor} 0666",
    ]
    lines += [f"{here}/port = {port}"] if port is not None else []
    return "\n".join([*lines, ""])


def read(text: str) -> dict[str, RdmaDevice]:
    return {device.name: device for device in read_rdma(Host.from_tree(text))}


def look(text: str, *families: str) -> Discovery:
    return discover(Host.from_tree(f"/sys/class/net/\n/proc/net/route = Iface\n{text}"), families or ["rdma"])


def paths(one: RdmaDevice) -> list[str]:
    return [node.path for node in one.nodes]


def why(discovery: Discovery) -> dict[str, str]:
    return {thing.what: thing.why for thing in discovery.skipped}


# Whose nodes are whose


def test_nodes_are_those_that_say_so_whatever_their_numbers() -> None:
    """Names are udev's, and numbers those of the order in which drivers came."""
    text = device("ibp23s0") + node("uverbs7", "ibp23s0") + node("umad4", "ibp23s0", port=1)
    text += node("uverbs0", "rocep65s0f0") + node("umad0", "rocep65s0f0", port=1)
    assert paths(read(text)["ibp23s0"]) == ["/dev/infiniband/uverbs7", "/dev/infiniband/umad4"]


def test_a_device_with_two_ports_has_management_nodes_for_both() -> None:
    one = read_rdma(Host.load(HOSTS / "old-mlx4"))[0]
    leaves = [path.rpartition("/")[2] for path in paths(one)]
    assert leaves == ["uverbs0", "umad0", "issm0", "umad1", "issm1", "ucm0"]
    assert (one.attributes["linkLayer"], one.attributes["ports"]) == ("InfiniBand, Ethernet", 2)
    assert one.attributes["portState"] == "active"


def test_nodes_are_found_beside_the_device_where_there_are_no_classes() -> None:
    text = "\n".join(
        line
        for line in (device("mlx4_0") + node("uverbs0", "mlx4_0") + node("uverbs1", "mlx4_1")).splitlines()
        if not line.startswith("/sys/class/infiniband_")
    )
    assert paths(read(text)["mlx4_0"]) == ["/dev/infiniband/uverbs0"]


def test_a_node_that_does_not_say_whose_it_is_belongs_to_none() -> None:
    text = device("mlx5_0") + node("uverbs0", "mlx5_0") + f"{CARD}/infiniband_verbs/uverbs1/ibdev ! EIO\n"
    text += "/sys/class/infiniband_verbs/uverbs1 -> ../.." + f"{CARD[4:]}/infiniband_verbs/uverbs1\n"
    one = read(text)["mlx5_0"]
    assert (paths(one), one.faults) == (["/dev/infiniband/uverbs0"], ())


def test_a_device_without_nodes_says_which_could_not_be_read() -> None:
    verbs = node("uverbs0", "mlx5_0").replace("/ibdev = mlx5_0", "/ibdev ! EIO")
    assert "/ibdev" in why(look(device("mlx5_0") + verbs))["mlx5_0"]


def test_a_class_with_entries_that_are_no_nodes_is_read_all_the_same() -> None:
    text = device("mlx5_0") + node("uverbs0", "mlx5_0") + "/sys/class/infiniband_verbs/abi_version = 6\n"
    text += "/sys/class/infiniband_cm/mlx5_0/1/cm_tx_msgs/req = 3\n"
    assert paths(read(text)["mlx5_0"]) == ["/dev/infiniband/uverbs0"]


# Where nodes are


def test_a_rule_of_udev_puts_the_nodes_of_old_kernels_into_their_directory() -> None:
    text = device("mlx4_0") + node("uverbs0", "mlx4_0", name="uverbs0")
    assert paths(read(text)["mlx4_0"]) == ["/dev/infiniband/uverbs0"]


def test_a_link_to_the_node_of_an_old_kernel_is_a_node_in_containers() -> None:
    text = device("mlx4_0") + node("uverbs0", "mlx4_0", name="uverbs0", place="/dev/uverbs0")
    (one,) = read(text + "/dev/infiniband/uverbs0 -> ../uverbs0\n")["mlx4_0"].nodes
    assert (one.path, one.host_path) == ("/dev/infiniband/uverbs0", "/dev/uverbs0")


def test_where_dev_is_not_to_be_seen_the_nodes_of_old_kernels_are_where_rules_put_them() -> None:
    lines = (device("mlx4_0") + node("uverbs0", "mlx4_0", name="uverbs0")).splitlines()
    host = Host.from_tree("\n".join(line for line in lines if not line.startswith("/dev/"))).with_nodes()
    (one,) = read_rdma(host)[0].nodes
    assert (one.path, one.host_path) == ("/dev/infiniband/uverbs0", "/dev/infiniband/uverbs0")


@pytest.mark.parametrize("name", ["infiniband/uverbs0", "uverbs0"])
def test_the_node_of_another_device_is_not_taken_for_it(name: str) -> None:
    text = device("mlx5_0") + node("uverbs0", "mlx5_0", name=name)
    text = text.replace("/dev/infiniband/uverbs0 : c 231 192", "/dev/infiniband/uverbs0 : c 231 193")
    assert why(look(text))["mlx5_0"].startswith("uverbs0: ")


def test_a_device_without_verbs_says_how_to_get_them() -> None:
    (thing, *_) = look(device("mlx5_0")).skipped
    assert (thing.why, thing.hint, thing.broken) == ("it has no uverbs node", "modprobe ib_uverbs makes it", True)


def test_a_missing_management_node_is_a_warning_and_no_obstacle() -> None:
    text = device("mlx5_0") + node("uverbs0", "mlx5_0") + node("umad0", "mlx5_0", port=1)
    (one,) = look(text.replace("/dev/infiniband/umad0 : c 231 0 0666\n", "")).found
    assert [node.path for node in one.edits.device_nodes] == ["/dev/infiniband/uverbs0"]
    assert one.warnings == ("umad0: the kernel has it as 231:0, but there is no /dev/infiniband/umad0",)


# What is said of a device


def test_a_port_that_is_down_is_one_that_is_offered() -> None:
    text = device("mlx5_0", state="1: DOWN", rate="10 Gb/sec (4X SDR)") + node("uverbs0", "mlx5_0")
    (one,) = look(text).found
    assert one.attributes["portState"] == "down"


def test_what_is_not_known_is_absent_and_never_zero() -> None:
    attributes = {one.name: one.attributes for one in discover(Host.load(HOSTS / "cx6-roce"), ["rdma"]).found}
    assert "nodeGuid" not in attributes["rocep65s0f0v3"]
    assert attributes["rocep65s0f0v1"]["nodeGuid"] == "0200:0000:0041:0101"
    efa = discover(Host.load(HOSTS / "aws-efa"), ["rdma"]).found[0].attributes
    assert not efa.keys() & {"linkLayer", "firmware", "model"}


def test_an_unreadable_attribute_is_a_warning() -> None:
    text = device("mlx5_0") + node("uverbs0", "mlx5_0")
    (one,) = look(text.replace("/rate = 200 Gb/sec (4X HDR)", "/rate ! EIO")).found
    assert "rate" not in one.attributes
    assert [warning for warning in one.warnings if "ports/1/rate" in warning]


def test_an_interface_of_infiniband_is_that_of_the_function() -> None:
    """The kernel names the interfaces of addresses for RoCE alone."""
    (one,) = discover(Host.load(HOSTS / "cx4-infiniband"), ["rdma"]).found
    assert (one.names["interface"], one.attributes["interface"]) == ("ib0", "ib0")


def test_a_bond_of_two_ports_is_one_device_over_the_bond() -> None:
    text = FUNCTION + device("mlx5_bond_0", link_layer="Ethernet") + node("uverbs0", "mlx5_bond_0")
    (one,) = look(text + f"{CARD}/infiniband/mlx5_bond_0/ports/1/gid_attrs/ndevs/0 = bond0\n").found
    assert one.attributes["interface"] == "bond0"


# What is not there, or not for containers


def test_interfaces_are_offered_where_rdma_devices_cannot_be_read() -> None:
    text = FUNCTION + f"/sys/class/net/ib0 -> ../..{CARD[4:]}/net/ib0\n{CARD}/net/ib0/type = 32\n"
    text += f"{CARD}/net/ib0/device -> ../../../0000:17:00.0\n/sys/class/infiniband/ ! EACCES\n"
    discovery = look(text, "netdev", "nic", "rdma")
    assert [(one.family, one.name) for one in discovery.found] == [("netdev", "ib0"), ("nic", "0000:17:00.0")]
    assert [problem.message.partition(":")[0] for problem in discovery.problems] == ["rdma"]


def test_a_class_entry_that_leads_nowhere_is_no_device() -> None:
    assert read(f"/sys/class/infiniband/mlx5_0 -> ../..{CARD[4:]}/infiniband/mlx5_0\n") == {}


def test_a_device_whose_function_is_not_on_the_bus_is_a_device() -> None:
    (one,) = look(device("mlx5_0") + node("uverbs0", "mlx5_0")).found
    assert (one.attributes["pciAddress"], dict(one.names)) == ("0000:17:00.0", {})


def test_planes_of_a_port_have_no_verbs_and_stay() -> None:
    """The device of management beside that of a port with several planes (XDR): pull request 17 of rdmamap."""
    text = FUNCTION + device("mlx5_0") + node("uverbs0", "mlx5_0") + node("umad0", "mlx5_0", port=1)
    text += device("smi1") + node("umad1", "smi1", port=1) + node("issm1", "smi1", port=1)
    discovery = look(text + CONNECTIONS, "rdma", "nic")
    assert why(discovery)["smi1"] == "it has no verbs, only what manages the fabric: umad1, issm1"
    assert [(one.family, one.names["rdma"]) for one in discovery.found if one.family == "nic"] == [("nic", "mlx5_0")]
    assert [one.name for one in discovery.found if one.family == "rdma"] == ["mlx5_0"]


def test_connections_are_shared_by_all_and_missed_where_they_are_made() -> None:
    text = device("mlx5_0") + node("uverbs0", "mlx5_0")
    (shared,) = look(text + CONNECTIONS).shared
    assert [node.path for node in shared.edits.device_nodes] == ["/dev/infiniband/rdma_cm"]
    assert "no /dev/infiniband/rdma_cm" in why(look(text))["rdma_cm"]


def test_nobody_misses_connections_for_efa() -> None:
    discovery = discover(Host.load(HOSTS / "aws-efa"), ["nic", "rdma"])
    assert (discovery.shared, "rdma_cm" in why(discovery)) == ((), False)
    assert not any(one.warnings for one in discovery.found)


def test_devices_that_are_in_one_network_namespace_each_are_a_problem_said_once() -> None:
    text = FUNCTION + device("mlx5_0") + node("uverbs0", "mlx5_0") + CONNECTIONS
    exclusive = look(text + "/sys/module/ib_core/parameters/netns_mode = N\n", "rdma", "nic")
    shared = look(text + "/sys/module/ib_core/parameters/netns_mode = Y\n", "rdma", "nic")
    assert [problem.rule for problem in exclusive.problems] == ["rdma-exclusive"]
    assert shared.problems == ()
    assert exclusive.found == shared.found


def test_an_interface_stays_while_an_rdma_device_in_software_works_over_it() -> None:
    host = Host.load(HOSTS / "soft-roce")
    reasons = why(discover(host, ["nic", "netdev"]))
    assert reasons["ens4"] == "the RDMA device rxe0 works over it, and is removed when it is moved"
    assert reasons["0000:00:04.0"] == reasons["ens4"]
    (asked,) = (one for one in discover(host, ["nic"], include=["ens4"]).found if one.name == "0000:00:04.0")
    assert asked.edits.device_nodes == ()


def test_the_device_of_a_function_that_a_container_has_stays_in_the_spec_and_is_not_offered_anew() -> None:
    host = Host.load(HOSTS / "switchdev")
    discovery = discover(host, ["rdma"])
    assert why(discovery)["rocep8s0f0v2"].startswith("has its interface in another network namespace")
    assert set(discovery.lent["host.local/rdma"]) == {"rocep8s0f0v2", "0000:08:00.4", "enp8s0f0np0-vf2"}
    (asked,) = (one for one in discover(host, ["rdma"], include=["0000:08:00.4"]).found if not one.in_all)
    assert (asked.name, len(asked.edits.device_nodes)) == ("rocep8s0f0v2", 2)


def test_a_device_below_an_auxiliary_one_is_that_of_the_function() -> None:
    names = {one.name: one.names for one in discover(Host.load(HOSTS / "soft-roce"), ["nic"]).found}
    assert names["0000:2f:00.0"]["rdma"] == "rocep47s0f0"
