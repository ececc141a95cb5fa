"""`cdi pools`, and `--pools FILE`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.cli.harness import Cdi

EXAMPLES = Path(__file__).parents[2] / "spec-examples"
HOST = EXAMPLES / "hosts/e810-64vf"
GOOD, OVERLAPPING = EXAMPLES / "pools/e810.yaml", EXAMPLES / "pools/overlapping.yaml"
BROKEN = EXAMPLES / "pools/invalid/configmap.yaml"


def test_a_good_file_shows_what_each_pool_has(cdi: Cdi) -> None:
    done = cdi("--root", HOST, "pools", GOOD)
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[:3] == [
        f"{GOOD}: valid: 2 pools",
        "intel.com/e810_net (pool-e810_net): 17 devices",
        "  0000:3b:01.0: PCI function 0000:3b:01.0 of 0000:3b:00.0, driver iavf: virtual function enp59s0v0",
    ]
    assert lines[19] == "intel.com/e810_dpdk (pool-e810_dpdk): 9 devices"


def test_a_broken_file_hides_no_other(cdi: Cdi) -> None:
    done = cdi("--root", HOST, "pools", BROKEN, GOOD, "-q")
    assert (done.code, done.err) == (1, "")
    assert done.out.endswith(
        f"""\
{BROKEN}:5:1: error: data: unknown field 'data' [pools-invalid]
    hint: this is a ConfigMap: write what is in its `data` into a file, `config.json` for example
"""
    )
    (broken, good) = cdi("--root", HOST, "pools", BROKEN, GOOD, "-o", "json").json["files"]
    assert (broken["valid"], good) == (False, {"path": str(GOOD), "valid": True, "problems": []})


def test_pools_in_json(cdi: Cdi) -> None:
    answer = cdi("--root", HOST, "pools", OVERLAPPING, "-o", "json").json
    assert answer.keys() == {"version", "files", "pools", "problems"}
    first, middle = answer["pools"]
    assert (first["path"], first["family"], first["kind"]) == (
        str(OVERLAPPING),
        "pool-first_half",
        "host.local/first_half",
    )
    assert first["found"][0] == {
        "name": "0000:3b:01.0",
        "how": "PCI function 0000:3b:01.0 of 0000:3b:00.0, driver iavf: virtual function enp59s0v0",
        "warnings": [],
    }
    assert middle["skipped"][0]["why"] == "is in the pool host.local/first_half"
    assert [problem["rule"] for problem in answer["problems"]] == ["pools-overlap"]


def test_pools_that_overlap_are_said_to(cdi: Cdi) -> None:
    said = (
        f"cdi: {OVERLAPPING}:4:5: the pool host.local/middle selects 0000:3b:03.0 and 15 more too, "
        f"which the pool host.local/first_half has ({OVERLAPPING}:2:5) "
        "(the first pool has it: narrow one of them, with pfNames, rootDevices or pciAddresses for example)\n"
    )
    for command in (("pools", OVERLAPPING), ("discover", "pool", "--pools", OVERLAPPING)):
        done = cdi("--root", HOST, *command)
        assert (done.code, done.err) == (0, said)


def test_files_that_have_one_kind_are_refused(cdi: Cdi, tmp_path: Path) -> None:
    twin = tmp_path / "twin.yaml"
    twin.write_text(GOOD.read_text())
    done = cdi("--root", HOST, "pools", GOOD, twin, "-q")
    assert (done.code, done.err) == (1, "")
    advice = "(give it another resourceName or resourcePrefix)"
    assert done.out.splitlines() == [
        f"error: {twin}:2:5: the kind 'intel.com/e810_net' is that of {GOOD}:2:5 already {advice}",
        f"error: {twin}:7:5: the kind 'intel.com/e810_dpdk' is that of {GOOD}:7:5 already {advice}",
    ]


def test_a_file_from_stdin_and_one_that_cannot_be_read(cdi: Cdi) -> None:
    assert cdi("--root", HOST, "pools", "-", stdin=GOOD.read_bytes()).out.startswith("-: valid: 2 pools\n")
    done = cdi("pools", "nowhere.json")
    assert done.code == 4
    assert done.out == "nowhere.json: error: cannot read 'nowhere.json': no such file or directory [unreadable]\n"


def test_without_a_file_the_hosts_own_are_meant(cdi: Cdi, tmp_path: Path) -> None:
    assert (cdi("--root", tmp_path, "pools").code, cdi("--root", tmp_path, "pools").out) == (0, "")
    place = tmp_path / "etc/cdi-tools/pools.d"
    place.mkdir(parents=True)
    (place / "config.json").write_text((EXAMPLES / "pools/operator.json").read_text())
    assert cdi("--root", tmp_path, "pools").out == (
        "host.local/sriovnics (pool-sriovnics): nothing on this host\n"
        "  skipped pool-sriovnics: there is no network function\n"
    )
    rows = {row["name"]: row for row in cdi("--root", tmp_path, "profile", "list", "-o", "json").json["families"]}
    assert rows["pool-sriovnics"]["path"] == "/etc/cdi-tools/pools.d/config.json"
    (place / "config.json").write_text("{}")
    done = cdi("--root", tmp_path, "pools")
    assert (done.code, done.err) == (1, "")
    assert done.out == "error: /etc/cdi-tools/pools.d/config.json:1:1: missing field 'resourceList'\n"


def test_a_broken_file_keeps_a_command_from_running(cdi: Cdi) -> None:
    for command in ("discover", "generate"):
        done = cdi("--root", HOST, command, "--pools", EXAMPLES / "pools/invalid/empty.yaml")
        assert (done.code, done.out) == (2, "")
        assert done.err.startswith("cdi: error: invalid list of pools ")


def test_each_pool_is_installed_as_a_file_and_stays_fresh(cdi: Cdi, tmp_path: Path) -> None:
    options = ("--root", HOST, "--spec-dir", tmp_path, "generate", "pool", "--pools", GOOD, "--compat", "none")
    written = cdi("--root", HOST, "generate", "pool", "--pools", GOOD, "--output-dir", tmp_path)
    assert (written.code, sorted(path.name for path in tmp_path.iterdir())) == (
        0,
        ["intel.com-e810_dpdk.yaml", "intel.com-e810_net.yaml"],
    )
    assert json.loads(cdi(*options, "--check", "-o", "json").out)["fresh"] is True
    (tmp_path / "intel.com-e810_net.yaml").unlink()
    assert cdi(*options, "--check").code == 1
