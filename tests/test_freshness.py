"""What is installed against what a host has become: a host before, the same host after, and what is said of it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

import cdi
from cdi.freshness import Comparison, Finding, compare
from cdi.host import Host
from cdi.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Callable

HOSTS = Path(__file__).parent.parent / "spec-examples/hosts"
OPTIONS: list[dict[str, Any]] = [
    {},
    {"names": ["bdf"], "numbers": True},
    {"hooks": False, "all_device": False},
    {"disable_hooks": ["all"]},
    {"annotations": True},
    {"max_version": "0.5.0"},
]


def tree_of(name: str) -> str:
    return (HOSTS / name / "host.tree").read_text()


def install(tree: str, directory: Path, *families: str, name: str | None = None, **options: Any) -> None:
    for spec in cdi.generate(cdi.discover(Host.from_tree(tree), families or None), **options):
        cdi.write(spec, directory, name=name)


def compared(tree: str, *directories: Path, families: tuple[str, ...] = (), **options: Any) -> tuple[Comparison, ...]:
    host = Host.from_tree(tree)
    return compare(cdi.discover(host, families or None), Registry.load(directories), host, **options)


def found(tree: str, *directories: Path, family: str, **options: Any) -> list[Finding]:
    (comparison,) = compared(tree, *directories, families=(family,), **options)
    assert comparison.fresh == (not comparison.findings)
    return list(comparison.findings)


def causes(findings: list[Finding]) -> list[tuple[str, tuple[str, ...]]]:
    return [(finding.cause, finding.devices) for finding in findings]


NVIDIA = "550.127.05"


@pytest.mark.parametrize("host", sorted(path.name for path in HOSTS.iterdir()))
def test_what_was_just_installed_is_fresh(host: str, tmp_path: Path) -> None:
    tree = tree_of(host)
    install(tree, tmp_path)
    assert [(one.kind, one.changes, one.findings, one.written) for one in compared(tree, tmp_path)] == [
        (one.kind, (), (), ()) for one in compared(tree, tmp_path)
    ]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("host", ["a100-mig", "mi210", "amd-igpu-dgpu", "flex-sriov", "cloud-vm"])
def test_a_spec_of_other_choices_is_fresh_without_them(host: str, options: dict[str, Any], tmp_path: Path) -> None:
    tree = tree_of(host)
    discovery = cdi.discover(Host.from_tree(tree))
    try:
        specs = cdi.generate(discovery, **options).specs
    except cdi.UsageError:
        pytest.skip("no device of this host has such a name")
    for spec in specs:
        cdi.write(spec, tmp_path)
    kinds = {spec.kind for spec in specs}
    assert [(one.kind, one.findings) for one in compared(tree, tmp_path) if one.kind in kinds] == [
        (kind, ()) for kind in sorted(kinds)
    ]


@pytest.mark.parametrize(
    ("host", "names"),
    [
        ("mixed-vendors", ["uuid"]),  # which AMD's and Intel's GPUs do not have
        ("gb200", ["bdf"]),  # nor do IMEX channels
        ("npu-laptop", ["index"]),
        ("npu-laptop", ["bdf", "card", "index"]),
    ],
    ids=str,
)
def test_names_that_only_some_kinds_have_are_fresh_for_all(host: str, names: list[str], tmp_path: Path) -> None:
    tree = tree_of(host)
    install(tree, tmp_path, names=names)
    compared_kinds = compared(tree, tmp_path, names=names)
    assert len(compared_kinds) > 1
    assert [one.findings for one in compared_kinds] == [()] * len(compared_kinds)


@pytest.mark.parametrize("host", ["mi210", "mi300x-cpx", "flex-sriov", "h100-8gpu", "gaudi3"])
def test_devices_of_every_name_that_they_have_are_fresh(host: str, tmp_path: Path) -> None:
    tree = tree_of(host)
    sorts = sorted({sort for one in cdi.discover(Host.from_tree(tree)).found for sort in one.names})
    assert len(sorts) > 2
    install(tree, tmp_path, names=sorts)
    assert [finding for one in compared(tree, tmp_path) for finding in one.findings] == []


def test_the_choices_that_a_spec_shows_are_named(tmp_path: Path) -> None:
    tree = tree_of("a100-mig")
    install(tree, tmp_path, "nvidia-gpu", names=["uuid"], hooks=False, all_device=False, numbers=True)
    (one,) = compared(tree, tmp_path, families=("nvidia-gpu",))
    assert one.fresh
    assert one.written == ("names by uuid", "without the device 'all'", "with numbers", "without hooks")


def test_choices_that_are_given_are_not_taken_from_the_spec(tmp_path: Path) -> None:
    tree = tree_of("a100-mig")
    install(tree, tmp_path, "nvidia-gpu", names=["uuid"], all_device=False)
    given = found(tree, tmp_path, family="nvidia-gpu", names=["index"])
    assert {finding.cause for finding in given} == {"device-gone", "device-new"}


def test_an_update_of_the_driver_is_one_finding(tmp_path: Path) -> None:
    tree = tree_of("a100-mig")
    install(tree, tmp_path)
    (finding,) = found(tree.replace(NVIDIA, "560.35.03"), tmp_path, family="nvidia-gpu")
    assert finding == Finding(
        cause="driver-version",
        severity="error",
        kind="nvidia.com/gpu",
        message=f"the driver is 560.35.03 now, the spec was made for {NVIDIA}: 8 files have another name",
        path=str(tmp_path / "nvidia.com-gpu.yaml"),
        old=(NVIDIA,),
        new=("560.35.03",),
    )


def test_a_library_that_vanished_and_one_that_came(tmp_path: Path) -> None:
    tree = tree_of("a100-mig")
    library = f"/usr/lib/x86_64-linux-gnu/libnvidia-opencl.so.{NVIDIA}"
    less = re.sub(r"^.*libnvidia-opencl.*\n", "", tree, flags=re.MULTILINE)
    install(tree, tmp_path)
    gone = found(less, tmp_path, family="nvidia-gpu")
    assert [(finding.cause, finding.old) for finding in gone] == [
        ("file-missing", (library,)),
        ("links-changed", ("/usr/lib/x86_64-linux-gnu/libnvidia-opencl.so.1",)),
    ]
    install(less, tmp_path)
    come = found(tree, tmp_path, family="nvidia-gpu")
    assert [(finding.cause, finding.severity, finding.new) for finding in come] == [
        ("file-changed", "warning", (library,)),
        ("links-changed", "warning", ("/usr/lib/x86_64-linux-gnu/libnvidia-opencl.so.1",)),
    ]


def test_another_set_of_mig_devices(tmp_path: Path) -> None:
    tree = tree_of("a100-mig")
    install(tree, tmp_path)
    made = re.sub(r'"index":1,"gpuInstance":9,', '"index":1,"gpuInstance":5,', tree)
    made = made.replace("000000000004", "0000000000ff").replace("/gi9/", "/gi5/")
    for before, after in (("219", "183"), ("220", "184")):
        made = made.replace(f"nvidia-cap{before} : c 238 {before}", f"nvidia-cap{after} : c 238 {after}")
        made = made.replace(f"DeviceFileMinor: {before}", f"DeviceFileMinor: {after}")
    made = re.sub(r"gpu1/gi5/access \d+", "gpu1/gi5/access 183", made)
    made = re.sub(r"gpu1/gi5/ci0/access \d+", "gpu1/gi5/ci0/access 184", made)
    assert [(one.cause, one.devices, one.old, one.new) for one in found(made, tmp_path, family="nvidia-gpu")] == [
        (
            "device-gone",
            ("MIG-02000000-0000-0000-0000-000000000004",),
            ("MIG-02000000-0000-0000-0000-000000000004",),
            (),
        ),
        (
            "device-new",
            ("MIG-02000000-0000-0000-0000-0000000000ff",),
            (),
            ("MIG-02000000-0000-0000-0000-0000000000ff",),
        ),
        (
            "node-renumbered",
            ("1:1", "all"),
            ("/dev/nvidia-caps/nvidia-cap219",),
            ("/dev/nvidia-caps/nvidia-cap183",),
        ),
        (
            "node-renumbered",
            ("1:1", "all"),
            ("/dev/nvidia-caps/nvidia-cap220",),
            ("/dev/nvidia-caps/nvidia-cap184",),
        ),
    ]


def test_a_mig_device_without_its_nodes_does_not_work(tmp_path: Path) -> None:
    tree = tree_of("a100-mig")
    install(tree, tmp_path)
    without = re.sub(r"^/dev/nvidia-caps/nvidia-cap219 .*\n", "", tree, flags=re.MULTILINE)
    uuid = "MIG-02000000-0000-0000-0000-000000000004"
    findings = found(without, tmp_path, family="nvidia-gpu")
    assert causes(findings) == [("device-broken", ("1:1", "all")), ("device-gone", (uuid,))]
    assert findings[0].message == (
        "1:1 does not work: there is no /dev/nvidia-caps/nvidia-cap219, and 'all' does not work without"
    )


def test_partitions_come_and_go(tmp_path: Path) -> None:
    tree = tree_of("mi300x-cpx")
    whole = re.sub(r"^.*amdgpu_xcp.*\n", "", tree, flags=re.MULTILINE)
    install(tree, tmp_path, "amd-gpu")
    findings = found(whole, tmp_path, family="amd-gpu")
    assert findings[0].cause == "device-gone"
    assert "0:1" in findings[0].devices
    install(whole, tmp_path, "amd-gpu")
    findings = found(tree, tmp_path, family="amd-gpu")
    assert {finding.cause for finding in findings} == {"device-gone", "device-moved", "device-new", "device-renamed"}
    (new,) = [finding for finding in findings if finding.cause == "device-new"]
    assert {"0:1", "7:7", "63"} <= set(new.devices)
    assert re.match(r"0:1, 0:2, 0:3, 0:4 and \d+ more are on this host and not offered$", new.message)
    moved = [finding.message for finding in findings if finding.cause == "device-moved"]
    assert moved[0] == "1 is the device at platform-amdgpu_xcp_0 now, it was that at pci-0000:22:00.0"


def test_virtual_functions_go(tmp_path: Path) -> None:
    tree = tree_of("flex-sriov")
    less = re.sub(r"^.*(?:4d:00\.2|card3|renderD130).*\n", "", tree, flags=re.MULTILINE)
    install(tree, tmp_path, "intel-gpu")
    findings = found(less, tmp_path, family="intel-gpu")
    assert causes(findings) == [("device-gone", ("0000-4d-00-2-0x56c0", "card3", "all"))]
    install(less, tmp_path, "intel-gpu")
    assert causes(found(tree, tmp_path, family="intel-gpu")) == [("device-new", ("0000-4d-00-2-0x56c0", "card3"))]


def swapped(tree: str, *pairs: tuple[str, str]) -> str:
    """Return a tree in which two names have changed their places."""
    for one, other in pairs:
        tree = tree.replace(one, "\0").replace(other, one).replace("\0", other)
    return tree


def test_renumbered_dri_nodes_are_named_by_their_address(tmp_path: Path) -> None:
    tree = tree_of("mi210")
    cards = re.findall(r"by-path/pci-(\S+)-card -> \.\./(card\d+)", tree)
    install(tree, tmp_path, "amd-gpu", names=["bdf"])
    (_, first), (address, second), *_ = [pair for pair in cards if f"pci-{pair[0]}-render" in tree]
    minors = [re.search(rf"/dev/dri/{card} : c (226 \d+)", tree) for card in (first, second)]
    assert all(minors)
    after = re.sub(rf"\b{first}\b", "\0", tree)
    after = re.sub(rf"\b{second}\b", first, after).replace("\0", second)
    findings = found(after, tmp_path, family="amd-gpu")
    assert {finding.cause for finding in findings} == {"node-renumbered"}
    (own,) = [finding for finding in findings if address in finding.devices]
    assert own.message == f"the device at pci-{address} is '/dev/dri/{first}' now, it was '/dev/dri/{second}'"
    assert (own.severity, own.old, own.new) == ("error", (f"/dev/dri/{second}",), (f"/dev/dri/{first}",))


def test_a_name_that_another_device_has_now(tmp_path: Path) -> None:
    tree = tree_of("flex-sriov")
    install(tree, tmp_path, "intel-gpu")
    after = swapped(tree, ("card1", "card2"), ("renderD128", "renderD129"))
    findings = found(after, tmp_path, family="intel-gpu")
    moved = [finding for finding in findings if finding.cause == "device-moved"]
    assert [(one.devices, one.message) for one in moved] == [
        (("card1",), "card1 is the device at pci-0000:4d:00.1 now, it was that at pci-0000:4d:00.0"),
        (("card2",), "card2 is the device at pci-0000:4d:00.0 now, it was that at pci-0000:4d:00.1"),
    ]
    assert {finding.cause for finding in findings} == {"device-moved", "node-renumbered"}


def test_a_device_that_is_called_otherwise_now(tmp_path: Path) -> None:
    tree = tree_of("flex-sriov")
    install(tree, tmp_path, "intel-gpu")
    after = re.sub(r"\bcard3\b", "card9", tree)
    findings = found(after, tmp_path, family="intel-gpu")
    assert findings[0].message == "card3 is called card9 now"
    assert causes(findings) == [
        ("device-renamed", ("card3",)),
        ("node-renumbered", ("0000-4d-00-2-0x56c0", "all")),
    ]


def test_static_numbers_that_changed(tmp_path: Path) -> None:
    tree = tree_of("a100-mig")
    install(tree, tmp_path, numbers=True)
    after = tree.replace("nvidia-uvm : c 235 0", "nvidia-uvm : c 510 0").replace("235 nvidia-uvm", "510 nvidia-uvm")
    (finding,) = found(after, tmp_path, family="nvidia-gpu")
    assert (finding.cause, finding.severity, finding.devices) == ("node-numbers", "error", ())
    assert finding.message == "'/dev/nvidia-uvm' is 510:0 on this host, the spec says 235:0"
    assert found(after, tmp_path, family="nvidia-gpu", numbers=True) == [finding]


def test_a_node_that_vanished(tmp_path: Path) -> None:
    tree = tree_of("a100-mig")
    install(tree, tmp_path)
    after = re.sub(r"^/dev/nvidia-modeset .*\n", "", tree, flags=re.MULTILINE)
    assert [(one.cause, one.old) for one in found(after, tmp_path, family="nvidia-gpu")] == [
        ("node-missing", ("/dev/nvidia-modeset",))
    ]
    install(after, tmp_path)
    assert [(one.cause, one.severity, one.new) for one in found(tree, tmp_path, family="nvidia-gpu")] == [
        ("node-changed", "warning", ("/dev/nvidia-modeset",))
    ]


def test_a_hook_whose_program_is_gone(tmp_path: Path) -> None:
    tree = tree_of("a100-mig")
    install(tree, tmp_path)
    after = tree.replace("/usr/bin/nvidia-cdi-hook : f 0755\n", "/usr/bin/cdi-hook : f 0755\n")
    (finding,) = found(after, tmp_path, family="nvidia-gpu")
    assert (finding.cause, finding.old) == ("hook-missing", ("/usr/bin/nvidia-cdi-hook",))


def test_hooks_of_an_unknown_program_are_one_finding(tmp_path: Path) -> None:
    tree = tree_of("a100-mig")
    install(tree, tmp_path, "nvidia-gpu", hook_program="/opt/bin/other")
    messages = [one.message for one in found(tree, tmp_path, family="nvidia-gpu")]
    assert messages.count("hook /opt/bin/other is not needed any more") == 1
    assert len(messages) == len(set(messages))


def test_hooks_of_another_program_that_is_there(tmp_path: Path) -> None:
    tree = tree_of("a100-mig") + "/opt/bin/cdi-hook : f 0755\n"
    install(tree, tmp_path, "nvidia-gpu", hook_program="/opt/bin/cdi-hook")
    (one,) = compared(tree, tmp_path, families=("nvidia-gpu",))
    assert (one.findings, one.written) == ((), ("with hooks of /opt/bin/cdi-hook",))


def test_a_hook_that_is_left_out_can_have_been_left_out_on_purpose(tmp_path: Path) -> None:
    tree = tree_of("a100-mig")
    install(tree, tmp_path, disable_hooks=["enable-cuda-compat"])
    (finding,) = found(tree, tmp_path, family="nvidia-gpu")
    assert finding.message == "hook enable-cuda-compat is new"
    assert finding.hint == "or it was left out on purpose: `--check --disable-hook enable-cuda-compat`"
    assert found(tree, tmp_path, family="nvidia-gpu", disable_hooks=["enable-cuda-compat"]) == []


def test_an_interface_that_is_gone(tmp_path: Path) -> None:
    tree = tree_of("cloud-vm")
    install(tree, tmp_path, "netdev")
    (finding,) = found(tree_of("minimal"), tmp_path, family="netdev")
    assert (finding.cause, finding.devices) == ("hardware-gone", ("eth1", "all"))


def test_a_device_that_a_precaution_would_hold_back_is_no_fault(tmp_path: Path) -> None:
    tree = tree_of("cloud-vm")
    for spec in cdi.generate(cdi.discover(Host.from_tree(tree), ["netdev"], include=["eth0"])):
        cdi.write(spec, tmp_path)
    (one,) = compared(tree, tmp_path, families=("netdev",))
    assert one.fresh
    assert one.written[0].startswith("with eth0, which carries the IPv4 and IPv6 default route")


def test_nothing_is_installed(tmp_path: Path) -> None:
    (finding,) = found(tree_of("cloud-vm"), tmp_path, family="netdev")
    assert (finding.cause, finding.path, finding.devices) == ("not-installed", None, ("eth1", "all"))


def old_and_ours(tmp_path: Path, tree: str, **options: Any) -> tuple[Path, Path]:
    """Install a spec under the name of another tool in a lower directory, and ours in a higher one."""
    low, high = tmp_path / "etc", tmp_path / "run"
    install(tree, low, "nvidia-gpu", name="nvidia")
    install(tree, high, "nvidia-gpu", **options)
    return low, high


def test_a_file_of_another_tool_still_offers_its_names(tmp_path: Path) -> None:
    tree = tree_of("a100-mig")
    low, high = old_and_ours(tmp_path, tree, names=["uuid"])
    (finding,) = found(tree, low, high, family="nvidia-gpu", names=["uuid"])
    assert causes([finding]) == [("other-file", ("0", "1:0", "1:1", "1:2", "1:3", "3"))]
    assert finding.message == (
        f"'{low}/nvidia.yaml' still offers 0, 1:0, 1:1, 1:2 and 2 more of nvidia.com/gpu"
        f" beside '{high}/nvidia.com-gpu.yaml', which has the others"
    )


def test_a_file_of_another_tool_that_is_hidden_is_no_fault(tmp_path: Path) -> None:
    tree = tree_of("a100-mig")
    assert found(tree, *old_and_ours(tmp_path, tree), family="nvidia-gpu") == []


def test_a_file_of_another_tool_is_held_against_the_host_only(tmp_path: Path) -> None:
    tree = tree_of("a100-mig")
    (spec,) = cdi.generate(cdi.discover(Host.from_tree(tree), ["nvidia-gpu"]))
    edits = replace(spec.container_edits, env=("NVIDIA_VISIBLE_DEVICES=void",), hooks=spec.container_edits.hooks[:1])
    cdi.write(replace(spec, container_edits=edits), tmp_path, name="nvidia")
    assert found(tree, tmp_path, family="nvidia-gpu") == []
    (finding,) = found(tree.replace(NVIDIA, "560.35.03"), tmp_path, family="nvidia-gpu")
    assert finding.cause == "driver-version"
    path = str(tmp_path / "nvidia.yaml")
    assert finding.hint == f"write '{path}' anew with the tool that made it, or replace it by ours"
    cdi.write(replace(spec, container_edits=edits), tmp_path)
    assert [one.cause for one in found(tree, tmp_path, family="nvidia-gpu")] == ["conflict"]


def test_a_version_that_runtimes_do_not_load_is_an_error_of_its_own(tmp_path: Path) -> None:
    tree = tree_of("amd-igpu-dgpu")
    install(tree, tmp_path, "amd-gpu")
    (finding,) = found(tree, tmp_path, family="amd-gpu", max_version="0.6.0")
    assert (finding.cause, finding.severity, finding.old, finding.new) == ("version", "error", ("0.7.0",), ("0.6.0",))
    install(tree, tmp_path, "amd-gpu", max_version="0.6.0")
    assert found(tree, tmp_path, family="amd-gpu", max_version="0.6.0") == []


def test_what_cannot_be_lowered_is_not_gone(tmp_path: Path) -> None:
    tree = tree_of("cloud-vm")
    install(tree, tmp_path, "netdev")
    (finding,) = found(tree, tmp_path, family="netdev", max_version="1.0.0")
    assert (finding.cause, finding.old, finding.new) == ("version", ("1.1.0",), ("1.0.0",))
    assert finding.hint.startswith("nothing of it is left then: cdi uninstall host.local/netdev; ")


def changed_env(spec: cdi.Spec) -> cdi.Spec:
    return replace(spec, container_edits=replace(spec.container_edits, env=("A=1",)))


def changed_order(spec: cdi.Spec) -> cdi.Spec:
    return replace(spec, devices=tuple(reversed(spec.devices)))


def changed_mount(spec: cdi.Spec) -> cdi.Spec:
    first, *rest = spec.container_edits.mounts
    mounts = (replace(first, options=("rw", "bind")), *rest)
    return replace(spec, container_edits=replace(spec.container_edits, mounts=mounts))


def changed_node(spec: cdi.Spec) -> cdi.Spec:
    first, *rest = spec.container_edits.device_nodes
    nodes = (replace(first, permissions="r"), *rest)
    return replace(spec, container_edits=replace(spec.container_edits, device_nodes=nodes))


def higher_version(spec: cdi.Spec) -> cdi.Spec:
    return replace(spec, cdi_version="0.8.0")


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (changed_env, {"environment"}),
        (changed_order, set()),
        (changed_mount, {"file-changed"}),
        (changed_node, {"node-changed"}),
        (higher_version, {"version"}),
    ],
)
def test_a_spec_that_was_changed_by_hand(
    change: Callable[[cdi.Spec], cdi.Spec], cause: set[str], tmp_path: Path
) -> None:
    tree = tree_of("a100-mig")
    (spec,) = cdi.generate(cdi.discover(Host.from_tree(tree), ["nvidia-gpu"]))
    cdi.write(change(spec), tmp_path)
    assert {finding.cause for finding in found(tree, tmp_path, family="nvidia-gpu")} == cause


def test_groups_that_changed(tmp_path: Path) -> None:
    tree = tree_of("amd-igpu-dgpu")
    install(tree, tmp_path, "amd-gpu")
    after = tree.replace("0660 0 39", "0660 0 44")
    (finding,) = found(after, tmp_path, family="amd-gpu")
    assert (finding.cause, finding.old, finding.new) == ("groups", ("39",), ("44",))
