"""Profiles: what they say, what is wrong with them, and what they find."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from cdi.discovery import Discovery, discover, families, host_families
from cdi.discovery.profile import Profile, ProfileInvalid, check_profile, family_of, parse_profile
from cdi.discovery.profile.format import SharedParts, Subject
from cdi.encode import to_data
from cdi.generation import generate
from cdi.host import Host

SHIPPED = sorted((Path(__file__).parent.parent / "cdi/discovery/profiles").glob("*.yaml"))
each_shipped = pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)

WHOLE = """\
version: 1
family: acme-npu
kind: acme.com/npu
summary: accelerators of Acme
devices:
  - what: Acme NPU
    sysfs: /sys/class/npu/npu{n}
    name: "{n}"
shared:
  nodes: [/dev/npu_control]
"""


def faults(text: str) -> list[str]:
    return [
        problem.render("x").removeprefix("x:").replace(" error: ", " ").removesuffix(" [profile-invalid]")
        for problem in check_profile(text.encode())[1]
    ]


def found_by(text: str, tree: str, **places: Any) -> Discovery:
    profile = parse_profile(text.encode(), source="x.yaml")
    return discover(Host.from_tree(tree, **places), [profile.family], more=[family_of(profile)])


def devices(discovery: Discovery) -> dict[str, list[str]]:
    return {one.name: [node.path for node in one.edits.device_nodes] for one in discovery.found}


def skips(discovery: Discovery) -> dict[str, str]:
    return {one.what: one.why for one in discovery.skipped}


def profile_of(*lines: str, more: str = "") -> str:
    """Return a profile with one device of these lines."""
    device = "\n    ".join(("what: Acme NPU", *lines))
    return f"version: 1\nfamily: acme-npu\nkind: acme.com/npu\nsummary: s\n{more}devices:\n  - {device}\n"


# The text of a profile.


@each_shipped
def test_a_shipped_profile_is_valid_and_called_as_its_family(path: Path) -> None:
    profile, problems = check_profile(path.read_bytes())
    assert problems == ()
    assert profile is not None
    assert profile.family == path.stem


@each_shipped
def test_the_quick_way_reads_what_the_slow_way_reads(path: Path) -> None:
    text = path.read_bytes()
    written_oddly = text.replace(b"version: 1", b"version: &one 1").replace(b"devices:", b"? devices\n:")
    assert check_profile(text.replace(b"version: 1", b"version: !!int 1")) == check_profile(text)
    assert check_profile(written_oddly) == check_profile(text)


def test_families_that_others_are_left_to_exist() -> None:
    named = {
        other
        for path in SHIPPED
        for subject in parse_profile(path.read_bytes(), source=path.name).devices
        for other in subject.except_drivers.values()
    }
    assert named <= set(families())


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("version: 1", "version: 2", ["1:10: version: expected 1, got a whole number, '2'"]),
        ("version: 1", "version: true", ["1:10: version: expected 1, got true or false, 'true'"]),
        ("version: 1", "version: 1.0", ["1:10: version: expected 1, got a number, '1.0'"]),
        ("version: 1\n", "", ["1:1: missing field 'version'"]),
        ("acme-npu", "Acme NPU", ["2:9: family: invalid family name 'Acme NPU'"]),
        ("acme.com/npu", "acme", ["3:7: kind: invalid kind 'acme'"]),
        (
            "acme.com/npu",
            "acme.com/n pu",
            ["3:7: kind: invalid class 'n pu', ' ' is not allowed (letters, digits and '._-' are)"],
        ),
        ("acme.com/npu", "a/npu", ["3:7: kind: a part of 'a/npu' has one letter"]),
        ("summary: accelerators of Acme", 'summary: ""', ["4:10: summary: not a line of text"]),
        ("what:", "waht:", ["6:5: devices[0].waht: unknown field 'waht'", "6:5: devices[0]: missing field 'what'"]),
        ("Acme NPU", "[]", ["6:11: devices[0].what: expected a string, got a list"]),
        ('name: "{n}"', "name: {n}", ["8:11: devices[0].name: expected a string, got a mapping"]),
        ('name: "{n}"', "name: 1", ["8:11: devices[0].name: expected a string, got a whole number, '1'"]),
        ('name: "{n}"', "name:", ["8:10: devices[0].name: expected a string, got null"]),
        ('name: "{n}"', 'name: "{m}"', ["8:11: devices[0].name: unknown placeholder '{m}'"]),
        ('name: "{n}"', 'name: "{n"', ["8:11: devices[0].name: a brace without its partner in '{n'"]),
        (
            'name: "{n}"',
            "name: -{n}",
            [
                "8:11: devices[0].name: invalid device name '-0', it must start with a letter or a digit",
            ],
        ),
        ("/npu{n}", "/npu*", ["8:11: devices[0].name: nothing finds {n}"]),
        ("/npu{n}", "/npu[", ["7:12: devices[0].sysfs: a bracket without its partner in '/sys/class/npu/npu['"]),
        ("/sys/class", "sys/class", ["7:12: devices[0].sysfs: 'sys/class/npu/npu{n}' is not below /sys/"]),
        ("/npu{n}", "/../npu{n}", ["7:12: devices[0].sysfs: '/sys/class/npu/../npu{n}' is not a plain path"]),
        ("/npu{n}", "/**/npu{n}", ["7:12: devices[0].sysfs: '**' in '/sys/class/npu/**/npu{n}'"]),
        ("sysfs: /sys", "node: /sys", ["7:11: devices[0].node: '/sys/class/npu/npu{n}' is not below /dev/"]),
        ("[/dev/npu_control]", "[npu_control]", ["10:11: shared.nodes[0]: 'npu_control' is not below /dev/"]),
        (
            "[/dev/npu_control]",
            "[{path: 1}]",
            ["10:18: shared.nodes[0].path: expected a string, got a whole number, '1'"],
        ),
        ("[/dev/npu_control]", "/dev/a", ["10:10: shared.nodes: expected a list, got a string, '/dev/a'"]),
        ("version: 1", "version: 1\nversion: 1", ["2:1: version: key 'version' stands on line 1 already"]),
        ("version: 1", "version: 1\n1: 2", ["2:1: a key must be a string"]),
        ("shared:", "--- {}\nshared:", ["9:1: something stands behind the profile"]),
    ],
)
def test_what_is_wrong_is_said_with_its_place(old: str, new: str, expected: list[str]) -> None:
    assert old in WHOLE
    got = faults(WHOLE.replace(old, new, 1))
    assert got[: len(expected)] == expected


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (['name: "a"'], "devices[0]: nothing says where the device is"),
        (['pci: ["17cb:a100"]'], "devices[0]: a PCI function has no node of its own"),
        (["node: /dev/a", "vfio: true"], "devices[0].vfio: only a PCI function can be used through VFIO"),
        (['pci: ["17CB:A100"]', "vfio: true"], "devices[0].pci[0]: invalid PCI id '17CB:A100'"),
        (['pci: ["17cb"]', "vfio: true"], "devices[0].pci[0]: invalid PCI id '17cb'"),
        (["node: /dev/a", 'except_pci: ["*:*"]'], "devices[0].except_pci[0]: invalid PCI id '*:*'"),
        (["pci_class: ['0x12']", "vfio: true"], "devices[0].pci_class[0]: invalid PCI class '0x12'"),
        (["drivers: [a/b]", "vfio: true"], "devices[0].drivers[0]: invalid name of a driver 'a/b'"),
        (["node: /dev/a", "except_drivers: {a/b: c}"], "devices[0].except_drivers.a/b: invalid name of a driver 'a/b'"),
        (["node: /dev/a", "permissions: wr"], "devices[0].permissions: invalid permissions 'wr'"),
        (["node: /dev/a", "permissions: ''"], "devices[0].permissions: invalid permissions ''"),
        (["node: /dev/a", "caution: ' '"], "devices[0].caution: not a line of text"),
        (["node: /dev/a", "match: {../x: a}"], "devices[0].match.../x: invalid attribute '../x'"),
        (["node: /dev/a", "match: {x: []}"], "devices[0].match.x: matches nothing"),
        (["node: /dev/a", "nodes: [/sys/b]"], "devices[0].nodes[0]: '/sys/b' is not below /dev/"),
        (["node: /dev/a", "nodes: [../b]"], "devices[0].nodes[0]: invalid path '../b'"),
        (["node: /dev/a", "nodes: [{path: 'b{c}'}]"], "devices[0].nodes[0].path: unknown placeholder '{c}'"),
        (["node: /dev/a", "attributes: {bdf: x}"], "devices[0].attributes.bdf: invalid name of an attribute 'bdf'"),
        (["node: /dev/a", "attributes: {m: /x}"], "devices[0].attributes.m: invalid path of an attribute '/x'"),
        (["node: /dev/a", "env: {A-B: x}"], "devices[0].env.A-B: invalid name of a variable 'A-B'"),
        (["node: /dev/a", "env: {A: 1}"], "devices[0].env.A: expected a string, got a whole number, '1'"),
        (["node: /dev/a", "env_lists: {A: '{x}'}"], "devices[0].env_lists.A: unknown placeholder '{x}'"),
        (["node: /dev/a", "also: [serial]"], "devices[0].also[0]: no name of the sort 'serial'"),
    ],
)
def test_what_is_wrong_with_a_device(lines: list[str], message: str) -> None:
    assert [line.partition(": ")[2] for line in faults(profile_of(*lines))] == [message]


@pytest.mark.parametrize(
    ("shared", "message"),
    [
        ("{env: {A: '{n}'}}", "shared.env.A: unknown placeholder '{n}'"),
        ("{libraries: [/usr/lib/a.so]}", "shared.libraries[0]: '/usr/lib/a.so' is no name of a library"),
        ("{mounts: [etc]}", "shared.mounts[0]: 'etc' is not below /"),
        ("{mounts: [{path: /etc/../a}]}", "shared.mounts[0].path: '/etc/../a' is not a plain path"),
        ("{mounts: [{path: /a, options: [ro, ro]}]}", "shared.mounts[0].options[1]: the option stands there twice"),
        ("{nodes: [{optional: true}]}", "shared.nodes[0]: missing field 'path'"),
        ("{devices: []}", "shared.devices: unknown field 'devices'"),
    ],
)
def test_what_is_wrong_with_what_is_shared(shared: str, message: str) -> None:
    text = profile_of("node: /dev/a", more=f"shared: {shared}\n")
    assert [line.partition(": ")[2] for line in faults(text)] == [message]


def test_everything_that_is_wrong_is_said_at_once_in_order() -> None:
    text = "version: 1\nfamily: A\nkind: b\nsumary: c\ndevices:\n  - {what: d}\n  - {what: e, node: /a, nodes: b}\n"
    assert faults(text) == [
        "1:1: missing field 'summary'",
        "2:9: family: invalid family name 'A'",
        "3:7: kind: invalid kind 'b'",
        "4:1: sumary: unknown field 'sumary'",
        "6:5: devices[0]: nothing says where the device is",
        "7:32: devices[1].nodes: expected a list, got a string, 'b'",
    ]


def test_a_hint_says_the_way_out() -> None:
    text = WHOLE.replace("version", "versoin").replace('"{n}"', "{n}")
    assert [problem.hint for problem in check_profile(text.encode())[1]] == [
        "did you mean 'version'?",
        None,
        "put it in quotes: a brace at its beginning starts a mapping",
    ]


def test_two_devices_that_look_for_the_same_are_an_error() -> None:
    text = profile_of("node: /dev/a") + "  - what: again\n    node: /dev/a\n"
    assert faults(text) == ["8:5: devices[1]: looks for the same as devices[0]"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "1:1: no profile in this file"),
        (b"[]", "1:1: expected a mapping, got a list"),
        (b"a: [", "2:1: did not find expected node content, while parsing a flow node"),
        (b"a: \xff", "1:4: "),
        (b"#" * (2 << 20), "1:1: the file has 2097152 bytes, more than the 1048576 that a profile may have"),
    ],
)
def test_a_text_that_is_no_profile(text: bytes, message: str) -> None:
    (problem,) = check_profile(text)[1]
    assert problem.render("x").removeprefix("x:").replace(" error: ", " ").startswith(message)


def test_a_profile_that_grows_by_aliases_is_refused_soon() -> None:
    nodes = "nodes: &n [" + "/dev/a, " * 200 + "]"
    text = profile_of("node: /dev/npu{n}", nodes) + "".join(
        f"  - {{what: x, node: /dev/{number}, nodes: *n}}\n" for number in range(200)
    )
    (one,) = faults(text)
    assert one.endswith("more than 10000 values with aliases written out")


@pytest.mark.parametrize("pattern", ["/dev/*a*a*a*b", "/dev/" + "x" * 1024, "/dev/" + "[" * 1020])
def test_a_pattern_that_takes_long_to_match_is_refused(pattern: str) -> None:
    (one,) = faults(profile_of(f"node: '{pattern}'"))
    assert len(one) < 300


def test_an_invalid_profile_raises_with_all_problems() -> None:
    with pytest.raises(ProfileInvalid) as caught:
        parse_profile(b"{version: 1, family: f-g, kind: ab.c/cd, summary: s, devices: [{what: 1}]}", source="x.yaml")
    expected = "x.yaml:1:71: error: devices[0].what: expected a string, got a whole number, '1' [profile-invalid]"
    assert caught.value.message == f"invalid profile x.yaml\n{expected}"
    assert caught.value.hint == "put it in quotes"
    assert caught.value.exit_code == 2


# The pages about profiles.

ROOT = Path(__file__).parent.parent


def blocks(page: str) -> list[str]:
    return re.findall(r"^```yaml\n(.*?)^```$", (ROOT / page).read_text(), re.MULTILINE | re.DOTALL)


def test_the_profiles_of_the_page_are_valid_and_the_first_is_the_example() -> None:
    shown = blocks("docs/profiles.md")
    assert [faults(text) for text in shown] == [[]] * 5
    assert shown[0] == (ROOT / "spec-examples/profiles/acme-npu.yaml").read_text()


def test_the_page_of_profiles_has_every_field() -> None:
    page = (ROOT / "docs/profiles.md").read_text()
    rows = {name for row in re.findall(r"^\| (`[^|]*) \|", page, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)}
    fields = {name for part in (Profile, Subject, SharedParts) for name in part.__struct_fields__}
    assert fields <= rows


def test_the_page_about_adding_hardware_shows_the_real_files() -> None:
    (profile,) = blocks("docs/adding-hardware.md")
    assert profile == (ROOT / "cdi/discovery/profiles/nec-ve.yaml").read_text()
    shown = re.findall(r"^```\n(/.*?)^```$", (ROOT / "docs/adding-hardware.md").read_text(), re.MULTILINE | re.DOTALL)
    tree = (ROOT / "spec-examples/hosts/nec-ve/host.tree").read_text()
    assert set("".join(shown).splitlines()) <= set(tree.splitlines())


# What a profile finds.

NPU = """
/dev/npu{n} : c 300 {n} 0660 0 200
/sys/class/npu/npu{n} -> ../../devices/virtual/npu/npu{n}
/sys/devices/virtual/npu/npu{n}/dev = 300:{n}
/sys/devices/virtual/npu/npu{n}/uevent = "MAJOR=300\\nMINOR={n}\\nDEVNAME=npu{n}\\n"
"""
FUNCTION = """
/sys/bus/pci/devices/{bdf} -> ../../../devices/pci0000:00/{bdf}
/sys/devices/pci0000:00/{bdf}/uevent = "PCI_ID={upper}\\n"
/sys/devices/pci0000:00/{bdf}/vendor = 0x{vendor}
/sys/devices/pci0000:00/{bdf}/device = 0x{device}
/sys/devices/pci0000:00/{bdf}/class = 0x{code}
"""


def npus(*numbers: int) -> str:
    return "".join(NPU.replace("{n}", str(number)) for number in numbers)


def function(bdf: str, ids: str = "1dab:0100", *, driver: str | None = None, code: str = "120000") -> str:
    vendor, device = ids.split(":")
    text = FUNCTION.format(bdf=bdf, upper=ids.upper(), vendor=vendor, device=device, code=code)
    link = f"/sys/devices/pci0000:00/{bdf}/driver -> ../../../bus/pci/drivers/{driver}\n"
    entry = f"/sys/bus/pci/drivers/{driver}/{bdf} -> ../../../../devices/pci0000:00/{bdf}\n"
    return text + (link + entry if driver else "")


def accel(bdf: str, number: int) -> str:
    place = f"/sys/devices/pci0000:00/{bdf}/accel/accel{number}"
    return f"""
/dev/accel/accel{number} : c 261 {number} 0666
/sys/class/accel/accel{number} -> ../../devices/pci0000:00/{bdf}/accel/accel{number}
{place}/dev = 261:{number}
{place}/uevent = "MAJOR=261\\nMINOR={number}\\nDEVNAME=accel/accel{number}\\n"
{place}/device -> ../../../{bdf}
"""


def test_a_number_matches_digits_only_and_sorts_as_a_number() -> None:
    tree = npus(10, 2) + "/dev/npu_manager : c 300 99 0666\n/dev/npu7a : c 300 98 0666\n"
    assert devices(found_by(profile_of("node: /dev/npu{n}", "name: 'x{n}'"), tree)) == {
        "x2": ["/dev/npu2"],
        "x10": ["/dev/npu10"],
    }


def test_a_device_has_its_number_as_index_and_its_address_as_bdf() -> None:
    tree = function("0000:00:05.0", driver="npu") + accel("0000:00:05.0", 3)
    (one,) = found_by(profile_of('pci: ["1dab:*"]', "nodes: ['accel/accel{n}']", "also: [bdf]"), tree).found
    assert (one.name, one.names, one.also) == ("0000:00:05.0", {"index": "3", "bdf": "0000:00:05.0"}, ("bdf",))
    assert one.attributes == {
        "node": "/dev/accel/accel3",
        "numbers": "261:3",
        "mode": "0666",
        "uid": 0,
        "gid": 0,
        "pciAddress": "0000:00:05.0",
        "driver": "npu",
    }


def test_a_function_without_driver_says_so() -> None:
    tree = function("0000:00:05.0")
    text = profile_of('pci: ["1dab:0100"]', "nodes: ['accel/accel{n}']", more="driver: acme\n")
    (one,) = found_by(text, tree).skipped
    assert (one.what, one.hint) == ("0000:00:05.0", "load the driver acme")
    assert one.why == ("there is no accel/accel{n} in /sys/devices/pci0000:00/0000:00:05.0, no driver is bound to it")


def test_hardware_without_a_class_says_that_its_driver_is_not_loaded() -> None:
    text = profile_of("sysfs: /sys/class/npu/npu{n}", more='driver: acme\nhardware: ["1dab:0100"]\n')
    (one,) = found_by(text, function("0000:00:05.0")).skipped
    assert (one.what, one.hint, one.absent) == ("0000:00:05.0", "load the driver acme", False)
    assert one.why == "PCI function 0000:00:05.0 is one, but there is no /sys/class/npu/npu{n}"


def test_nothing_at_all_is_absent() -> None:
    (one,) = found_by(profile_of("sysfs: /sys/class/npu/npu{n}", "node: /dev/npu{n}"), "/etc/").skipped
    assert (one.what, one.why, one.absent) == ("acme-npu", "there is no /sys/class/npu/npu{n}", True)


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (['pci: ["1dab:0100"]'], ["accel0"]),
        (['pci: ["1dab:*"]'], ["accel0", "accel1"]),
        (['pci: ["1dab:*"]', 'except_pci: ["1dab:0100"]'], ["accel1"]),
        (['except_pci: ["1dab:*"]'], ["accel2"]),
        (["pci_class: ['12']"], ["accel0", "accel2"]),
        (["pci_class: ['1180', '120001']"], ["accel1"]),
        (["drivers: [acme]"], ["accel0"]),
        (["drivers: ['acm*']"], ["accel0", "accel1"]),
        (["match: {DEVNAME: '*l1'}"], ["accel1"]),
        (["match: {PCI_ID: ['1DAB:*', '8086:*']}"], ["accel0", "accel1", "accel2"]),
        (["match: {device/vendor: '0x1dab'}"], ["accel0", "accel1"]),
        (["match: {device/none: '*'}"], []),
    ],
)
def test_what_is_meant_of_the_things_at_a_place(lines: list[str], expected: list[str]) -> None:
    tree = function("0000:00:05.0", driver="acme") + accel("0000:00:05.0", 0)
    tree += function("0000:00:06.0", "1dab:0200", driver="acme2", code="118000") + accel("0000:00:06.0", 1)
    tree += function("0000:00:07.0", "8086:0100", driver="other") + accel("0000:00:07.0", 2)
    text = profile_of("sysfs: /sys/class/accel/accel{n}", *lines)
    assert list(devices(found_by(text, tree))) == expected


def test_a_subsystem_tells_two_functions_apart() -> None:
    tree = function("0000:00:05.0", driver="a") + accel("0000:00:05.0", 0)
    tree += "/sys/devices/pci0000:00/0000:00:05.0/subsystem_vendor = 0x1dab\n"
    tree += "/sys/devices/pci0000:00/0000:00:05.0/subsystem_device = 0x004f\n"
    assert devices(found_by(profile_of('pci: ["1dab:0100:1dab:004f"]', "nodes: ['accel/*']"), tree))
    assert not devices(found_by(profile_of('pci: ["1dab:0100:1dab:004e"]', "nodes: ['accel/*']"), tree))


def test_functions_of_a_driver_are_found_by_it_alone() -> None:
    tree = function("0000:00:05.0", driver="acme") + accel("0000:00:05.0", 0) + function("0000:00:06.0")
    assert devices(found_by(profile_of("drivers: [acme]", "nodes: ['accel/accel{n}']", "name: '{n}'"), tree)) == {
        "0": ["/dev/accel/accel0"]
    }


def test_what_another_family_knows_is_left_to_it_and_said_so() -> None:
    tree = function("0000:00:05.0", driver="habanalabs") + accel("0000:00:05.0", 0)
    discovery = discover(Host.from_tree(tree), ["accel"])
    assert devices(discovery) == {}
    assert skips(discovery) == {"accel0": "its driver habanalabs has a family of its own, intel-gaudi"}


def test_partitions_of_amd_are_no_graphics_devices_of_their_own() -> None:
    """Their platform devices have no driver, but its name."""
    place = "/sys/devices/platform/amdgpu_xcp_0"
    tree = f"""
/dev/dri/card2 : c 226 2 0660 0 44
/sys/class/drm/card2 -> ../../devices/platform/amdgpu_xcp_0/drm/card2
{place}/uevent = "MODALIAS=platform:amdgpu_xcp_0\\n"
{place}/drm/card2/dev = 226:2
{place}/drm/card2/uevent = "MAJOR=226\\nMINOR=2\\nDEVNAME=dri/card2\\n"
{place}/drm/card2/device -> ../../../amdgpu_xcp_0
"""
    why = "its driver amdgpu_xcp_0 has a family of its own, amd-gpu"
    assert skips(discover(Host.from_tree(tree), ["drm"])) == {"card2": why}


def test_a_thing_belongs_to_the_first_that_takes_it() -> None:
    text = profile_of("sysfs: /sys/class/npu/npu0", "name: first") + (
        "  - what: others\n    sysfs: /sys/class/npu/npu{n}\n    name: other-{n}\n"
    )
    assert list(devices(found_by(text, npus(0, 1)))) == ["first", "other-1"]


def test_further_nodes_follow_the_number_and_missing_ones_are_warned_of() -> None:
    tree = npus(1, 10) + "".join(
        f"/dev/npu/{name} : c 301 {minor} 0666\n" for minor, name in enumerate(["1a", "1b", "10a"])
    )
    text = profile_of(
        "sysfs: /sys/class/npu/npu{n}",
        "nodes: ['/dev/npu/{n}[ab]', '/dev/{name}ctl', {path: /dev/none, optional: true}]",
    )
    discovery = found_by(text, tree)
    assert devices(discovery) == {
        "npu1": ["/dev/npu1", "/dev/npu/1a", "/dev/npu/1b"],
        "npu10": ["/dev/npu10", "/dev/npu/10a"],
    }
    assert [one.warnings for one in discovery.found] == [("there is no /dev/npu1ctl",), ("there is no /dev/npu10ctl",)]


def test_a_node_with_the_numbers_of_another_device_is_skipped() -> None:
    tree = npus(0).replace("c 300 0", "c 300 5")
    assert skips(found_by(profile_of("sysfs: /sys/class/npu/npu{n}"), tree)) == {
        "npu0": "/dev/npu0 is 300:5, but the kernel has the device as 300:0"
    }


A_LINK = "a symbolic link, which runtimes do not follow to a device"


def test_a_link_in_dev_is_no_node() -> None:
    tree = "/dev/npu0 -> npu1\n" + npus(1)
    discovery = found_by(profile_of("node: /dev/npu{n}"), tree)
    assert (list(devices(discovery)), skips(discovery)) == (["npu1"], {"npu0": f"/dev/npu0 is {A_LINK}"})


def test_a_node_in_dev_knows_its_function_by_its_numbers() -> None:
    tree = function("0000:00:05.0", driver="acme") + accel("0000:00:05.0", 0)
    tree += "/sys/dev/char/261:0 -> ../../devices/pci0000:00/0000:00:05.0/accel/accel0\n"
    tree += "/dev/accel/accel1 : c 261 1 0666\n"
    discovery = found_by(profile_of("node: /dev/accel/accel{n}", 'pci: ["1dab:*"]'), tree)
    assert [one.names for one in discovery.found] == [{"index": "0", "bdf": "0000:00:05.0"}]


def test_a_device_beside_the_root_keeps_its_path() -> None:
    tree = "".join(f"/host{line}\n" if line.startswith("/dev") else line + "\n" for line in npus(0).splitlines())
    text = profile_of("node: /dev/npu{n}", more="shared: {nodes: ['/dev/npu*']}\n")
    (spec,) = generate(found_by(text, tree, dev_root="/host"))
    node = {"path": "/dev/npu0", "hostPath": "/host/dev/npu0", "type": "c", "permissions": "rw"}
    assert to_data(spec)["devices"][0]["containerEdits"]["deviceNodes"] == [node]
    assert to_data(spec)["containerEdits"]["deviceNodes"] == [node]


def test_groups_are_those_of_nodes_that_not_everybody_may_open() -> None:
    tree = npus(0) + "/dev/npu_control : c 302 0 0660 0 201\n"
    more = "shared: {nodes: [/dev/npu_control]}\n"
    (spec,) = generate(found_by(profile_of("node: /dev/npu{n}", more=f"groups: true\n{more}"), tree))
    assert (spec.container_edits.additional_gids, spec.devices[0].container_edits.additional_gids) == ((201,), (200,))
    (spec,) = generate(found_by(profile_of("node: /dev/npu{n}", more=more), tree))
    assert (spec.container_edits.additional_gids, spec.devices[0].container_edits.additional_gids) == ((), ())


def test_a_control_node_that_is_missing_is_a_problem() -> None:
    more = "shared: {nodes: [/dev/npu_control, {path: /dev/npu_more, optional: true}]}\n"
    discovery = found_by(profile_of("node: /dev/npu{n}", more=more), npus(0))
    assert [(problem.severity, problem.message) for problem in discovery.problems] == [
        ("warning", "acme-npu: every device needs /dev/npu_control, but there is no /dev/npu_control")
    ]
    assert discovery.shared == ()


def test_what_is_no_node_hides_no_other() -> None:
    tree = npus(0) + "".join(f"/dev/ctl/{name}\n" for name in ("a/", "b -> a", "c : c 300 9 0666", "d = text"))
    text = profile_of("node: /dev/npu{n}", "nodes: [/dev/ctl/*]", more="shared: {nodes: [/dev/ctl/*]}\n")
    discovery = found_by(text, tree)
    assert devices(discovery) == {"npu0": ["/dev/npu0", "/dev/ctl/c"]}
    assert [node.path for part in discovery.shared for node in part.edits.device_nodes] == ["/dev/ctl/c"]
    what = ["/dev/ctl/a is no device node", f"/dev/ctl/b is {A_LINK}", "/dev/ctl/d is no device node"]
    assert discovery.found[0].warnings == tuple(what)
    assert [problem.message for problem in discovery.problems] == [
        f"acme-npu: every device needs /dev/ctl/*, but {why}" for why in what
    ]


def test_a_driver_root_that_is_not_there_is_a_problem() -> None:
    text = profile_of("node: /dev/npu{n}", more="shared: {libraries: ['lib*'], nodes: ['/dev/npu*']}\n")
    discovery = found_by(text, npus(0), driver_root="/nowhere")
    assert [problem.message for problem in discovery.problems] == [
        "acme-npu: cannot resolve '/nowhere': no such file or directory"
    ]
    assert len(discovery.shared) == 1


def test_what_is_shared_needs_a_device() -> None:
    discovery = found_by(profile_of("node: /dev/npu{n}", more="shared: {env: {A: b}}\n"), "/etc/")
    assert (discovery.shared, discovery.problems) == ((), ())


def test_files_are_looked_for_below_the_driver_root() -> None:
    tree = (
        npus(0)
        + """
/driver/opt/npu/lib/liba.so.1 = a
/driver/opt/npu/lib/liba.so -> /opt/npu/lib/liba.so.1
/driver/usr/lib64/libnpu.so.1 = a
/driver/lib64 -> usr/lib64
/extra/libnpu.so.1 = no
/driver/extra/libnpu.so.2 = a
/opt/npu/lib/other = no
/etc/npu.conf = yes
"""
    )
    more = """shared:
  mounts: ["/opt/npu/lib/*", /opt/none, {path: /etc/npu.conf, options: [ro, rbind], driver_root: false}]
  libraries: ["libnpu.so.*"]
  env: {NPU: "1"}
"""
    text = profile_of("node: /dev/npu{n}", more=more)
    (spec,) = generate(found_by(text, tree, driver_root="/driver", library_dirs=("/extra",)))
    assert [(mount.host_path, mount.container_path) for mount in spec.container_edits.mounts] == [
        ("/etc/npu.conf", "/etc/npu.conf"),
        ("/driver/extra/libnpu.so.2", "/extra/libnpu.so.2"),
        ("/driver/opt/npu/lib/liba.so.1", "/opt/npu/lib/liba.so"),
        ("/driver/opt/npu/lib/liba.so.1", "/opt/npu/lib/liba.so.1"),
        ("/driver/usr/lib64/libnpu.so.1", "/usr/lib64/libnpu.so.1"),
    ]
    assert spec.container_edits.mounts[0].options == ("ro", "rbind")
    assert spec.container_edits.mounts[1].options == ("ro", "nosuid", "nodev", "rbind", "rprivate")
    assert spec.container_edits.env == ("NPU=1",)


def test_variables_and_names_are_filled_from_the_device() -> None:
    tree = npus(0, 1) + "/sys/devices/virtual/npu/npu0/serial = S7\n/sys/devices/virtual/npu/npu1/serial ! EACCES\n"
    text = profile_of(
        "sysfs: /sys/class/npu/npu{n}",
        "env: {NPU_SERIAL: '{serial}'}",
        "env_lists: {NPU_VISIBLE: '{n}'}",
        "names: {serial: 'sn-{serial}'}",
        "also: [serial]",
        "attributes: {serial: serial, model: model}",
    )
    first, second = found_by(text, tree).found
    assert (first.names, first.edits.env, first.env_lists) == (
        {"index": "0", "serial": "sn-S7"},
        ("NPU_SERIAL=S7",),
        {"NPU_VISIBLE": "0"},
    )
    assert (second.names, second.edits.env) == ({"index": "1"}, ())
    assert second.warnings == (
        "nothing gives what NPU_SERIAL needs",
        "cannot read '/sys/devices/virtual/npu/npu1/serial': permission denied",
    )


def test_a_caution_keeps_a_device_out_of_all() -> None:
    (one,) = found_by(profile_of("node: /dev/npu{n}", "caution: burns"), npus(0)).found
    assert (one.in_all, one.warnings) == (False, ("burns",))


VFIO = """
/dev/vfio/vfio : c 10 196 0666
/dev/vfio/42 : c 240 0 0600
/sys/devices/pci0000:00/0000:00:05.0/iommu_group -> ../../../kernel/iommu_groups/42
/sys/kernel/iommu_groups/42/devices/0000:00:05.0 -> ../../../../devices/pci0000:00/0000:00:05.0
"""


def test_a_function_under_vfio_has_its_group_and_shares_the_container_of_groups() -> None:
    tree = function("0000:00:05.0", driver="vfio-pci") + VFIO
    (spec,) = generate(found_by(profile_of('pci: ["1dab:*"]', "drivers: [vfio-pci]", "vfio: true"), tree))
    assert [node.path for node in spec.devices[0].container_edits.device_nodes] == ["/dev/vfio/42"]
    assert [node.path for node in spec.container_edits.device_nodes] == ["/dev/vfio/vfio"]


def test_a_function_that_is_not_under_vfio_says_what_to_do() -> None:
    tree = function("0000:00:05.0", driver="acme") + VFIO.replace("/dev/vfio/42", "/dev/vfio/41")
    (one,) = found_by(profile_of('pci: ["1dab:*"]', "vfio: true"), tree).skipped
    assert (one.what, one.why, one.hint) == ("0000:00:05.0", "there is no /dev/vfio/42", "bind it to vfio-pci")


def test_an_experimental_family_looks_only_when_it_is_named() -> None:
    family = family_of(parse_profile(profile_of("node: /dev/npu{n}", more="experimental: true\n").encode(), source="x"))
    host = Host.from_tree(npus(0))
    assert "acme-npu" not in {one.family for one in discover(host, more=[family]).found}
    assert [one.name for one in discover(host, ["acme-npu"], more=[family]).found] == ["npu0"]


def test_a_thing_that_cannot_be_looked_at_hides_no_other() -> None:
    tree = (
        npus(0, 1) + "/sys/class/npu/npu2 -> ../../devices/virtual/npu/npu2\n/sys/devices/virtual/npu/npu2/ ! EACCES\n"
    )
    discovery = found_by(profile_of("sysfs: /sys/class/npu/npu{n}", "match: {DEVNAME: 'npu*'}"), tree)
    assert list(devices(discovery)) == ["npu0", "npu1"]
    assert skips(discovery) == {"npu2": "cannot list '/sys/devices/virtual/npu/npu2': permission denied"}


def test_further_nodes_that_cannot_be_looked_at_are_a_warning() -> None:
    tree = npus(0) + "/dev/npu/ ! EACCES\n"
    (one,) = found_by(profile_of("sysfs: /sys/class/npu/npu{n}", "nodes: ['/dev/npu/{n}*']"), tree).found
    assert one.warnings == ("cannot list '/dev/npu': permission denied",)


def test_a_directory_that_cannot_be_listed_is_said() -> None:
    tree = "/sys/class/npu/ ! EACCES\n"
    assert skips(found_by(profile_of("sysfs: /sys/class/npu/npu{n}"), tree)) == {
        "acme-npu": "cannot list '/sys/class/npu': permission denied"
    }


# The profiles of a host.


def test_profiles_of_the_host_are_read_and_a_wrong_one_hides_no_other() -> None:
    good = profile_of("node: /dev/npu{n}").replace("\n", "\\n").replace('"', '\\"')
    place = "/etc/cdi-tools/profiles.d"
    tree = (
        npus(0)
        + f"""
{place}/a.yaml = "{good}"
{place}/b.yaml = "version: 1\\n"
{place}/c.yaml : p 0644
{place}/d.yaml ! EACCES
{place}/e.yaml -> nowhere
{place}/.f.yaml = no
{place}/README = no
{place}/g.yaml/
"""
    )
    discovery = discover(Host.from_tree(tree), ["acme-npu"])
    assert list(devices(discovery)) == ["npu0"]
    assert [problem.message for problem in discovery.problems] == [
        f"{place}/b.yaml:1:1: missing field 'family'",
        f"{place}/b.yaml:1:1: missing field 'kind'",
        f"{place}/b.yaml:1:1: missing field 'summary'",
        f"{place}/b.yaml:1:1: missing field 'devices'",
        f"cannot read '{place}/c.yaml': not a regular file",
        f"cannot read '{place}/d.yaml': permission denied",
        f"cannot read '{place}/e.yaml': no such file or directory",
        f"cannot read '{place}/g.yaml': is a directory",
    ]
    assert [path for path, _ in host_families(Host.from_tree(tree))[0]] == [f"{place}/a.yaml"]


def test_profiles_that_cannot_be_listed_are_a_problem() -> None:
    families, problems = host_families(Host.from_tree("/etc/cdi-tools/profiles.d/ ! EACCES\n"))
    assert families == ()
    assert [problem.message for problem in problems] == ["cannot list '/etc/cdi-tools/profiles.d': permission denied"]


def test_a_profile_of_the_host_takes_the_place_of_ours() -> None:
    own = profile_of("node: /dev/npu{n}").replace("acme-npu", "nec-ve").replace("\n", "\\n")
    tree = npus(0) + f'/etc/cdi-tools/profiles.d/nec-ve.yaml = "{own}"\n'
    assert [one.kind for one in discover(Host.from_tree(tree), ["nec-ve"]).found] == ["acme.com/npu"]


GOOD_ENV = """
version: 1
family: acme
kind: acme.example/npu
summary: NPUs
devices:
  - {what: NPU, node: "/dev/acme{n}", name: "{n}", env: {ACME: VALUE}}
"""


def test_braces_in_a_variable_are_doubled_and_brackets_are_text() -> None:
    text = GOOD_ENV.replace("VALUE", """'{{"n": {n}, "x": [0}}'""")
    discovery = discover(
        Host.from_tree("/dev/acme7 : c 250 7 0666\n"),
        ["acme"],
        more=[family_of(parse_profile(text.encode(), source="acme.yaml"))],
    )
    (found,) = discovery.found
    assert found.edits.env == ('ACME={"n": 7, "x": [0}',)


VIRTUAL_GAUDI = """
/dev/accel/accel0 : c 261 0 0666
/sys/bus/pci/devices/0000:19:00.0 -> ../../../devices/pci0000:18/0000:19:00.0
/sys/devices/pci0000:18/0000:19:00.0/vendor = 0x1da3
/sys/devices/pci0000:18/0000:19:00.0/device = 0x1020
/sys/devices/pci0000:18/0000:19:00.0/driver -> ../../../bus/pci/drivers/habanalabs
/sys/class/accel/accel0 -> ../../devices/virtual/accel/accel0
/sys/devices/virtual/accel/accel0/dev = 261:0
/sys/devices/virtual/accel/accel0/uevent = "MAJOR=261\\nMINOR=0\\nDEVNAME=accel/accel0\\n"
/sys/devices/virtual/accel/accel0/device/pci_addr = 0000:19:00.0
"""


def test_a_virtual_object_that_names_its_function_belongs_to_it() -> None:
    discovery = discover(Host.from_tree(VIRTUAL_GAUDI), ["accel", "intel-gaudi"])
    assert [found.kind for found in discovery.found] == ["intel.com/gaudi"]


def test_profiles_with_another_ending_are_ignored_and_that_is_said() -> None:
    discovery = discover(Host.from_tree("/etc/cdi-tools/profiles.d/acme.yml = x\n"), ["host"])
    assert [problem.message for problem in discovery.problems] == [
        "/etc/cdi-tools/profiles.d/acme.yml is ignored: profiles end in .yaml"
    ]
