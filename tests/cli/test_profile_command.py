"""`cdi profile`, `cdi schema --profile`, and `--profile FILE`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from cdi.discovery import families
from cdi.schema import profile_schema

if TYPE_CHECKING:
    from tests.cli.harness import Cdi

ROOT = Path(__file__).parents[2]
PROFILES = ROOT / "spec-examples/profiles"
GOOD, TREE, BROKEN = PROFILES / "acme-npu.yaml", PROFILES / "acme-npu.tree", PROFILES / "broken.yaml"


def test_a_good_profile_shows_what_it_gives(cdi: Cdi) -> None:
    done = cdi("profile", "check", GOOD, "--root", TREE)
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[:4] == [
        f"{GOOD}: valid: acme-npu, acme.example/npu: 1 device",
        "  0: /dev/npu/npu0 (/sys/devices/pci0000:00/0000:05:00.0/npu/npu0): Acme NPU",
        "  spec:",
        "    cdiVersion: 0.7.0",
    ]


def test_the_spec_that_a_profile_gives_is_the_one_that_generate_writes(cdi: Cdi) -> None:
    (verdict,) = cdi("profile", "check", GOOD, "--root", TREE, "-o", "json").json["profiles"]
    written = cdi("--root", TREE, "generate", "acme-npu", "--profile", GOOD, "-o", "json")
    assert verdict["spec"] == written.json
    assert {key: verdict[key] for key in ("path", "valid", "family", "kind", "problems", "skipped", "found")} == {
        "path": str(GOOD),
        "valid": True,
        "family": "acme-npu",
        "kind": "acme.example/npu",
        "problems": [],
        "skipped": [],
        "found": [
            {
                "name": "0",
                "how": "/dev/npu/npu0 (/sys/devices/pci0000:00/0000:05:00.0/npu/npu0): Acme NPU",
                "warnings": [],
            }
        ],
    }


def test_a_profile_that_finds_nothing_is_valid_all_the_same(cdi: Cdi) -> None:
    done = cdi("profile", "check", GOOD, "--root", ROOT / "spec-examples/hosts/minimal")
    assert (done.code, done.err) == (0, "")
    assert done.out == (
        f"{GOOD}: valid: acme-npu, acme.example/npu: nothing found on this host\n"
        "  skipped acme-npu: there is no /sys/class/npu/npu{n}\n"
    )


def test_a_broken_profile_says_all_that_is_wrong(cdi: Cdi) -> None:
    done = cdi("profile", "check", BROKEN, GOOD, "--root", TREE, "-q")
    assert (done.code, done.err) == (1, "")
    assert (
        done.out
        == f"""\
{BROKEN}:8:11: error: devices[0].name: expected a string, got a mapping [profile-invalid]
    hint: put it in quotes: a brace at its beginning starts a mapping
{BROKEN}:9:5: error: devices[0].node_path: unknown field 'node_path' [profile-invalid]
    hint: did you mean 'by_path'?
{BROKEN}:11:11: error: devices[1].pci[0]: invalid PCI id '1DAB:0100' [profile-invalid]
    hint: write vendor:device in small hexadecimal digits, as in '17cb:a100' or '17cb:*'
"""
    )


def test_a_broken_profile_in_json(cdi: Cdi) -> None:
    done = cdi("profile", "check", BROKEN, "-o", "json")
    (verdict,) = done.json["profiles"]
    assert (done.code, verdict["valid"], verdict["family"], verdict["spec"]) == (1, False, None, None)
    assert [(problem["line"], problem["column"], problem["where"]) for problem in verdict["problems"]] == [
        (8, 11, "devices[0].name"),
        (9, 5, "devices[0].node_path"),
        (11, 11, "devices[1].pci[0]"),
    ]


def test_a_profile_from_stdin(cdi: Cdi) -> None:
    done = cdi("profile", "check", "-", "--root", TREE, stdin=GOOD.read_bytes())
    assert (done.code, done.out.partition(": ")[0]) == (0, "-")


def test_a_profile_that_cannot_be_read(cdi: Cdi) -> None:
    done = cdi("profile", "check", "nowhere.yaml", GOOD, "--root", TREE)
    assert done.code == 4
    assert done.out.startswith(
        "nowhere.yaml: error: cannot read 'nowhere.yaml': no such file or directory [unreadable]\n"
    )


def test_profile_needs_to_be_told_what_to_do(cdi: Cdi) -> None:
    assert cdi("profile", "check").err == (
        "cdi: error: no profile named\nhint: write the file: cdi profile check npu.yaml\n"
    )
    assert (cdi("profile").code, cdi("profile", "list", "x").code, cdi("profile", "chek").code) == (2, 2, 2)


def test_a_broken_profile_keeps_a_command_from_running(cdi: Cdi) -> None:
    for command in ("discover", "generate"):
        done = cdi("--root", TREE, command, "--profile", BROKEN)
        assert (done.code, done.out) == (2, "")
        assert (
            done.err
            == f"""\
cdi: error: invalid profile {BROKEN}
    {BROKEN}:8:11: error: devices[0].name: expected a string, got a mapping [profile-invalid]
    {BROKEN}:9:5: error: devices[0].node_path: unknown field 'node_path' [profile-invalid]
    {BROKEN}:11:11: error: devices[1].pci[0]: invalid PCI id '1DAB:0100' [profile-invalid]
hint: 'cdi profile check {BROKEN}' says what to do about each
"""
        )
    assert cdi("discover", "--profile", "nowhere.yaml").code == 4


def test_a_broken_profile_of_the_host_is_a_note(cdi: Cdi, tmp_path: Path) -> None:
    place = tmp_path / "etc/cdi-tools/profiles.d"
    place.mkdir(parents=True)
    (place / "npu.yaml").write_text("version: 1\nfamily: acme-npu\nkind: acme.example/npu\nsummary: s\ndevices: []\n")
    advice = "say where they are, with `sysfs`, `node`, `pci` or `drivers`"
    said = f"cdi: /etc/cdi-tools/profiles.d/npu.yaml:5:10: devices: no devices ({advice})\n"
    assert cdi("--root", tmp_path, "discover", "netdev").err == said
    assert cdi("--root", tmp_path, "profile", "list").err == said
    assert cdi("--root", tmp_path, "profile", "check", GOOD).err == ""


def test_list_has_all_families_and_those_of_the_host(cdi: Cdi, tmp_path: Path) -> None:
    place = tmp_path / "etc/cdi-tools/profiles.d"
    place.mkdir(parents=True)
    (place / "npu.yaml").write_text(GOOD.read_text().replace("groups", "experimental"))
    rows = {row["name"]: row for row in cdi("--root", tmp_path, "profile", "list", "-o", "json").json["families"]}
    assert rows.keys() == {"acme-npu", *families()}
    assert rows["acme-npu"] == {
        "name": "acme-npu",
        "kind": "acme.example/npu",
        "summary": "accelerators of Acme",
        "onRequest": True,
        "path": "/etc/cdi-tools/profiles.d/npu.yaml",
    }
    lines = cdi("--root", tmp_path, "profile", "list").out.splitlines()
    assert lines[0].split() == ["FAMILY", "KIND", "WHAT"]
    assert lines[2].split(maxsplit=2) == ["acme-npu", "acme.example/npu", "accelerators of Acme (only when named)"]


def test_the_schema_of_profiles(cdi: Cdi) -> None:
    assert json.loads(cdi("schema", "--profile", "-o", "json").out) == profile_schema()
    assert cdi("schema", "--profile", "0.7.0").code == 2
