"""`cdi discover`, `generate` and `snapshot` on the example hosts."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

if TYPE_CHECKING:
    from tests.cli.harness import Cdi

HOSTS = sorted((Path(__file__).parents[2] / "spec-examples/hosts").iterdir())
SERVER = next(host for host in HOSTS if host.name == "kvm-server")
GOLDEN = {host: sorted(host.glob("*.yaml"), key=lambda path: path.stem.split("-", 1)) for host in HOSTS}
SOME = [host for host in HOSTS if GOLDEN[host]]
BARE = [host for host in HOSTS if not GOLDEN[host]]


def name_of(host: Path) -> str:
    return host.name


def arguments(host: Path) -> list[str]:
    """Return the arguments that an example host is meant to be read with, from its `options.json`."""
    options = host / "options.json"
    given: dict[str, Any] = json.loads(options.read_text()) if options.exists() else {}
    families: list[str] = given.pop("families", [])
    return families + [f"--{name.replace('_', '-')}={value}" for name, value in given.items()]


@pytest.mark.parametrize("host", SOME, ids=name_of)
def test_generate_gives_the_golden_specs_as_a_stream(host: Path, cdi: Cdi) -> None:
    result = cdi("--root", host, "generate", *arguments(host))
    assert (result.code, result.out) == (0, "---\n".join(path.read_text() for path in GOLDEN[host]))


@pytest.mark.parametrize("host", BARE, ids=name_of)
def test_nothing_found_is_exit_3_with_reasons(host: Path, cdi: Cdi) -> None:
    result = cdi("--root", host, "generate", "netdev")
    assert (result.code, result.out) == (3, "")
    assert result.err.startswith("cdi: error: found nothing for netdev\nhint: ")
    assert cdi("--root", host, "discover", "netdev").code == 3


def test_json_is_one_document_a_line(cdi: Cdi) -> None:
    lines = cdi("--root", SERVER, "generate", "-o", "json").out.splitlines()
    assert [json.loads(line) for line in lines] == [yaml.safe_load(path.read_text()) for path in GOLDEN[SERVER]]


def test_output_dir_gets_a_file_for_each_kind(cdi: Cdi, tmp_path: Path) -> None:
    result = cdi("--root", SERVER, "generate", "--output-dir", tmp_path)
    assert (result.code, result.out) == (0, "")
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {
        path.name: path.read_text() for path in GOLDEN[SERVER]
    }


def test_output_file_takes_one_kind(cdi: Cdi, tmp_path: Path) -> None:
    target = tmp_path / "net.json"
    assert cdi("--root", SERVER, "generate", "netdev", "--output-file", target) == (0, "", f"cdi: wrote {target}\n")
    assert json.loads(target.read_text())["kind"] == "host.local/netdev"
    result = cdi("--root", SERVER, "generate", "--output-file", tmp_path / "all.yaml")
    assert result.code == 2
    assert "--output-dir writes a file for each" in result.err


def test_installed_specs_are_fresh_until_something_differs(cdi: Cdi, tmp_path: Path) -> None:
    shared = ["--root", SERVER, "-d", tmp_path / "cdi"]
    stale = cdi(*shared, "generate", "--check")
    assert stale.code == 1
    assert stale.out.startswith("host.local/dev: warning: ")
    assert "are on this host, and no spec of this kind is installed (`cdi generate --install` writes " in stale.out
    whole = cdi(*shared, "generate", "--check", "-v").out
    assert "--- host.local/dev (not installed)\n+++ host.local/dev (this host)\n" in whole
    assert cdi(*shared, "generate", "--install").code == 0
    assert cdi(*shared, "generate", "--check") == (0, "", "")
    assert cdi(*shared, "generate", "--check", "-o", "json").json["fresh"] is True
    dev = tmp_path / "cdi/host.local-dev.yaml"
    dev.write_text(dev.read_text().replace("/dev/kvm", "/dev/kvn"))
    stale = cdi(*shared, "generate", "host", "--check")
    assert stale.code == 1
    assert stale.out == (
        "host.local/dev: error: there is no '/dev/kvn' (is its driver loaded? `cdi generate` writes what is there)"
        " [node-missing]\n"
        "host.local/dev: warning: '/dev/kvm' is new (`cdi generate --install` writes what is there now)"
        " [node-changed]\n"
    )
    whole = cdi(*shared, "generate", "host", "--check", "-v").out
    assert whole.startswith(f"{stale.out}--- {dev}\n")
    assert 'device kvm:\n  - containerEdits.deviceNodes: {"path":"/dev/kvn",' in whole


def test_a_kind_that_runtimes_cannot_use_is_stale(cdi: Cdi, tmp_path: Path) -> None:
    shared = ["--root", SERVER, "-d", tmp_path]
    assert cdi(*shared, "generate", "netdev", "--install").code == 0
    file, copy = tmp_path / "host.local-netdev.yaml", tmp_path / "copy.yaml"
    copy.write_text(file.read_text())
    assert cdi(*shared, "devices", "-o", "json").json["devices"] == []
    stale = cdi(*shared, "generate", "netdev", "--check", "-v")
    count = len(yaml.safe_load(file.read_text())["devices"])
    assert stale.code == 1
    assert stale.out.startswith(f"host.local/netdev: error: '{copy}' and '{file}' both define host.local/netdev=")
    assert f" and {count - 1} more, so runtimes use neither (remove one of the files) [conflict]\n" in stale.out
    assert stale.out.count("  + device: ") == count
    assert cdi(*shared, "generate", "netdev", "--check", "-o", "json").json["fresh"] is False


def test_a_kind_from_several_files_is_stale(cdi: Cdi, tmp_path: Path) -> None:
    low, high = tmp_path / "low", tmp_path / "high"
    for directory in (low, high):
        assert cdi("--root", SERVER, "-d", directory, "generate", "netdev", "--install").code == 0
    shared = ["--root", SERVER, "-d", low, "-d", high, "generate", "netdev", "--check"]
    assert cdi(*shared) == (0, "", "")  # all devices of the lower directory are overridden
    file = high / "host.local-netdev.yaml"
    spec = yaml.safe_load(file.read_text())
    file.write_text(yaml.safe_dump({**spec, "devices": spec["devices"][1:]}))
    name = spec["devices"][0]["name"]
    why = f"'{low}/{file.name}' still offers {name} of host.local/netdev beside '{file}', which has the others"
    way_out = f"if these names are not wanted: cdi uninstall {low}/{file.name}"
    line = f"host.local/netdev={name}: warning: {why} ({way_out}) [other-file]\n"
    assert cdi(*shared) == (1, line, "")
    assert cdi(*shared, "-o", "json").json["specs"][0]["problems"] == [why]


def test_a_broken_file_of_ours_is_uninstalled_and_made_anew(cdi: Cdi, tmp_path: Path) -> None:
    file = tmp_path / "host.local-netdev.yaml"
    file.write_text("x")
    shared = ["--root", SERVER, "-d", tmp_path]
    result = cdi(*shared, "generate", "netdev", "--install")
    assert (result.code, result.err) == (
        5,
        f"cdi: error: '{file}' does not hold a CDI spec\nhint: uninstall it, or force replaces it\n",
    )
    assert cdi(*shared, "uninstall", file.name).code == 0
    assert cdi(*shared, "generate", "netdev", "--install").code == 0


def test_specs_of_hardware_that_is_gone_are_stale(cdi: Cdi, tmp_path: Path) -> None:
    assert cdi("--root", SERVER, "-d", tmp_path, "generate", "netdev", "--install").code == 0
    result = cdi("--root", BARE[0], "-d", tmp_path, "generate", "netdev", "--check", "-o", "json")
    assert result.code == 1
    (comparison,) = result.json["specs"]
    assert comparison["kind"] == "host.local/netdev"
    assert {change["new"] for change in comparison["changes"]} == {None}


def test_a_spec_is_compared_as_it_was_written(cdi: Cdi, tmp_path: Path) -> None:
    shared = ["--root", SERVER, "-d", tmp_path, "generate", "host"]
    assert cdi(*shared, "--install", "--no-all", "--numbers").code == 0
    said = "cdi: host.local/dev: compared as it was written, without the device 'all', with numbers\n"
    assert cdi(*shared, "--check") == (0, "", said)
    assert cdi(*shared, "--check", "-o", "json").json["specs"][0]["written"] == [
        "without the device 'all'",
        "with numbers",
    ]


def test_explain_says_how_and_why_not(cdi: Cdi) -> None:
    result = cdi("--root", SERVER, "generate", "netdev", "--explain")
    assert yaml.safe_load(result.out)["kind"] == "host.local/netdev"
    assert "cdi: host.local/netdev=ens1f1v0: /sys/class/net/ens1f1v0: " in result.err
    assert "cdi: skipped netdev lo: the loopback interface" in result.err


def test_options_of_generation(cdi: Cdi) -> None:
    arguments = [
        "--root",
        SERVER,
        "generate",
        "netdev",
        "--include",
        "ens1f0",
        "--name",
        "bdf",
        "--no-all",
        "-o",
        "json",
    ]
    names = [device["name"] for device in cdi(*arguments).json["devices"]]
    assert "0000:3b:00.0" in names
    assert "all" not in names
    capped = cdi("--root", SERVER, "generate", "host", "--cdi-version", "0.3.0", "-o", "json")
    assert capped.json["cdiVersion"] == "0.3.0"
    assert cdi("--root", SERVER, "generate", "--cdi-version", "0.9.0").code == 2
    assert cdi("--root", SERVER, "generate", "nothing").code == 2


def test_compat_writes_what_a_runtime_reads_and_names_the_cost(cdi: Cdi) -> None:
    result = cdi(
        "--root",
        SERVER,
        "generate",
        "host",
        "netdev",
        "--compat",
        "podman-4.9",
        "--compat",
        "docker-29.2",
        "-o",
        "json",
    )
    assert json.loads(result.out)["kind"] == "host.local/dev"
    assert "cdi: host.local/netdev=ens1f1v0: left out: " in result.err
    result = cdi("--root", SERVER, "generate", "--compat", "lxd-5")
    assert result.code == 2
    assert "hint: name a runtime and its release, as podman-4.9: " in result.err


def test_numbers_are_written_when_they_are_asked_for(cdi: Cdi) -> None:
    choice = ("--root", SERVER, "generate", "host", "--device-id", "kvm", "--no-all-device", "-o", "json")
    node = {"path": "/dev/kvm", "type": "c", "permissions": "rw"}
    (plain,) = cdi(*choice).json["devices"]
    (numbered,) = cdi(*choice, "--numbers").json["devices"]
    assert plain == {"name": "kvm", "containerEdits": {"deviceNodes": [node]}}
    assert numbered["containerEdits"]["deviceNodes"] == [node | {"major": 10, "minor": 232}]


def test_kind_and_devices_can_be_chosen(cdi: Cdi) -> None:
    spec = cdi("--root", SERVER, "generate", "host", "--vendor", "a.org", "--class", "kernel", "-o", "json").json
    assert spec["kind"] == "a.org/kernel"
    assert cdi("--root", SERVER, "generate", "--class", "kernel").code == 2
    result = cdi("--root", SERVER, "generate", "host", "--device-id", "kvm0")
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("cdi: error: found no device 'kvm0'\nhint: found ")


def test_a_relative_root_of_a_driver_is_refused(cdi: Cdi) -> None:
    result = cdi("--root", SERVER, "generate", "--driver-root", "run/driver")
    assert (result.code, result.err.splitlines()[0]) == (2, "cdi: error: 'run/driver' is not absolute")


PROFILE = """
version: 1
family: my-gpu
kind: my.org/gpu
summary: a card
devices:
  - {sysfs: "/sys/class/misc/kvm", what: a card}
"""


def test_a_profile_of_the_user_is_a_family(cdi: Cdi, tmp_path: Path) -> None:
    profile = tmp_path / "my-gpu.yaml"
    profile.write_text(PROFILE)
    result = cdi("--root", SERVER, "generate", "my-gpu", "--profile", profile, "-o", "json")
    assert result.json["kind"] == "my.org/gpu"
    assert cdi("--root", SERVER, "discover", "--profile", profile).out.count("my-gpu") == 1
    assert cdi("--root", SERVER, "generate", "my-gpu", "--profile", tmp_path / "none.yaml").code == 4


def test_discover_lists_found_and_skipped(cdi: Cdi) -> None:
    result = cdi("--root", SERVER, "discover", "netdev")
    assert (result.code, result.err) == (0, "")
    found, _, skipped = result.out.partition("\n\n")
    assert found.startswith(
        "FAMILY  DEVICE     FOUND BY\nnetdev  enp94s0v0  /sys/class/net/enp94s0v0: virtual function, "
    )
    assert skipped.startswith("FAMILY  SKIPPED ")
    assert "the loopback interface" in skipped


def test_discover_shows_names_and_attributes_when_asked_for_more(cdi: Cdi) -> None:
    line = "nic: 0000:3b:01.3: bdf=0000:3b:01.3, interface=enp59s0v3, vf=enp59s0np0-vf3, pciAddress=0000:3b:01.3, "
    server = SERVER.parent / "e810-64vf"
    assert line in cdi("--root", server, "-v", "discover", "nic").out
    assert line not in cdi("--root", server, "discover", "nic").out


def test_discover_json(cdi: Cdi) -> None:
    result = cdi("--root", SERVER, "discover", "netdev", "-o", "json").json
    assert list(result) == ["version", "families", "kinds", "found", "shared", "skipped", "problems", "unsure", "lent"]
    first = result["found"][0]
    assert (first["family"], first["kind"], first["name"]) == ("netdev", "host.local/netdev", "enp94s0v0")
    assert first["containerEdits"] == {"netDevices": [{"hostInterfaceName": "enp94s0v0", "name": "enp94s0v0"}]}


def test_snapshot_stands_in_for_the_host(cdi: Cdi, tmp_path: Path) -> None:
    tree = tmp_path / "host.tree"
    assert cdi("--root", SERVER, "snapshot", "--output-file", tree) == (0, "", f"cdi: wrote {tree}\n")
    assert cdi("--root", SERVER, "snapshot").out == tree.read_text()
    assert cdi("--root", tree, "generate").out == cdi("--root", SERVER, "generate").out


def test_missing_root_is_exit_4(cdi: Cdi, tmp_path: Path) -> None:
    result = cdi("--root", tmp_path / "none", "discover")
    assert (result.code, result.out) == (4, "")
    assert result.err == f"cdi: error: cannot read host '{tmp_path}/none': no such directory or text tree\n"


NODE = Path(__file__).parents[2] / "spec-examples/runtimes/node.tree"


@pytest.fixture
def node(tmp_path: Path) -> Path:
    """Return a host with hardware, and with containerd 1.7 (CDI off), Docker 26 and Podman 5.4."""
    tree = tmp_path / "node.tree"
    tree.write_text(f"{(SERVER / 'host.tree').read_text()}\n{NODE.read_text()}")
    return tree


def test_what_is_installed_is_what_all_runtimes_read(cdi: Cdi, node: Path, tmp_path: Path) -> None:
    shared = ["--root", node, "-d", tmp_path / "cdi", "generate", "host", "netdev"]
    result = cdi(*shared, "--install")
    assert result.code == 0
    assert result.err.startswith(
        "cdi: containerd 1.7.24~ds1 does not count: CDI is off (default of containerd 1.7.24~ds1)\n"
        "cdi: docker 26.1.5+dfsg1 reads CDI 0.6.0 (by its release)\n"
        "cdi: podman 5.4.2+ds1 reads CDI 0.8.0 (by its release)\n"
        "cdi: host.local/netdev=enp94s0v0: left out: device 'enp94s0v0' is nothing without what CDI 0.6.0 lacks"
    )
    assert [path.name for path in (tmp_path / "cdi").glob("*.yaml")] == ["host.local-dev.yaml"]
    check = cdi(*shared, "--check")
    assert (check.code, check.out, "reads CDI" in check.err) == (0, "", False)
    assert "podman 5.4.2+ds1 reads CDI 0.8.0" in cdi(*shared, "--check", "--explain").err


def test_compat_none_or_a_version_asks_no_runtime(cdi: Cdi, node: Path, tmp_path: Path) -> None:
    for number, given in enumerate((["--compat", "none"], ["--cdi-version", "1.1.0"], ["--compat", "podman-6"])):
        directory = tmp_path / str(number)
        result = cdi("--root", node, "-d", directory, "generate", "netdev", "--install", *given)
        assert (result.code, result.err) == (0, f"cdi: wrote {directory}/host.local-netdev.yaml\n")
    result = cdi("--root", node, "generate", "--compat", "none", "--compat", "auto")
    assert (result.code, result.err) == (2, "cdi: error: --compat none and --compat auto exclude each other\n")


def test_compat_auto_is_only_one_of_the_caps(cdi: Cdi, node: Path) -> None:
    lower = cdi("--root", node, "generate", "netdev", "--compat", "auto", "--compat", "podman-4.3")
    assert "lacks, it cannot be lowered" in lower.err
    assert "CDI 0.5.0 lacks" in lower.err
    higher = cdi("--root", node, "generate", "netdev", "--compat", "auto", "--compat", "podman-6")
    assert "CDI 0.6.0 lacks" in higher.err


def test_a_low_level_runtime_that_ignores_interfaces_is_named(cdi: Cdi, node: Path) -> None:
    text = node.read_text().replace("5.4.2+ds1-2+b2", "6.0.1-1").replace('\\"cdi\\": true', '\\"cdi\\": false')
    node.write_text(text)
    result = cdi("--root", node, "generate", "netdev", "--compat", "auto", "--device-id", "ens1f1v0", "--no-all")
    assert "cdi: host.local/netdev=ens1f1v0: podman 6.0.1 starts crun 1.21, which ignores netDevices\n" in result.err
    every = cdi("--root", node, "generate", "netdev", "--compat", "auto")
    assert re.search(r"cdi: host.local/netdev=\S+ and \d+ more: podman 6.0.1 starts crun 1.21, which", every.err)


CARD = """
/proc/net/route = Iface
/sys/bus/pci/devices/0000:3b:00.{n} -> ../../../devices/pci0000:3a/0000:3b:00.{n}
/sys/devices/pci0000:3a/0000:3b:00.{n}/uevent = PCI_CLASS=20000
/sys/devices/pci0000:3a/0000:3b:00.{n}/net/
"""
INTERFACE = """
/sys/class/net/eth{n} -> ../../devices/pci0000:3a/0000:3b:00.{n}/net/eth{n}
/sys/devices/pci0000:3a/0000:3b:00.{n}/net/eth{n}/device -> ../../../0000:3b:00.{n}
/sys/devices/pci0000:3a/0000:3b:00.{n}/net/eth{n}/type = 1
/sys/devices/pci0000:3a/0000:3b:00.{n}/net/eth{n}/ifindex = 1{n}
"""


def test_what_a_container_has_stays_in_the_spec_that_is_installed_anew(cdi: Cdi, tmp_path: Path) -> None:
    tree = tmp_path / "host.tree"
    both = [(CARD + INTERFACE).format(n=number) for number in (0, 1)]
    lines = dict.fromkeys("".join(both).splitlines())
    tree.write_text("\n".join(lines))
    shared = ["--root", tree, "-d", tmp_path / "cdi", "generate", "nic"]
    assert cdi(*shared, "--install").code == 0
    (path,) = (tmp_path / "cdi").iterdir()
    before = path.read_text()

    tree.write_text("\n".join(line for line in lines if "eth1" not in line))
    again = cdi(*shared, "--install")
    assert again.code == 0
    assert "host.local/nic: kept as installed: 0000:3b:00.1\n" in again.err
    assert path.read_text() == before
    assert cdi(*shared, "--check").code == 0

    assert cdi(*shared, "--install", "--device-id", "0000:3b:00.0").code == 0
    assert "0000:3b:00.1" not in path.read_text()


def test_what_is_kept_as_installed_has_the_version_and_the_kind_that_are_asked_for(cdi: Cdi, tmp_path: Path) -> None:
    whole = next(host for host in HOSTS if host.name == "switchdev") / "host.tree"
    place = "/sys/devices/pci0000:00/0000:00:03.0/0000:08:00.2/net/"
    lines = [line for line in whole.read_text().splitlines() if "enp8s0f0v0" not in line]
    without = tmp_path / "without.tree"
    without.write_text("\n".join([*lines, place]))
    for given, note in (
        (("--cdi-version", "0.7.0"), "host.local/nic: not kept as installed, since CDI 0.7.0 cannot say it: "),
        (("--vendor", "acme.com"), "acme.com/nic: kept as installed: "),
        (("--no-all",), "host.local/nic: kept as installed: "),
    ):
        directory = tmp_path / given[-1]
        shared = ["-d", directory, "generate", "nic", "--install"]
        vendor = given if given[0] == "--vendor" else ()
        assert cdi("--root", whole, *shared, *vendor).code == 0
        again = cdi("--root", without, *shared, *given)
        assert (again.code, f"{note}0000:08:00.2" in again.err) == (0, True), again.err
        (path,) = directory.iterdir()
        spec = yaml.safe_load(path.read_text())
        assert ("all" in {device["name"] for device in spec["devices"]}) is (given != ("--no-all",))
        assert (spec["cdiVersion"] == "1.1.0") is (given[0] != "--cdi-version")
