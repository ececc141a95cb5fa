"""`cdi devices`, `specs`, `vendors`, `classes`, `dirs`, `show`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.cli.harness import GPU

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.harness import Cdi

NOTE = "cdi: {}/nic.yaml:7:7: error: devices[0].containerEdits.env[0]: invalid environment entry 'NIC' [env]\n"


def test_devices_one_a_line_and_broken_files_on_stderr(cdi: Cdi, specs: Path) -> None:
    (specs / "nic2.yaml").write_text(GPU.replace("gpu", "nic").replace('"1"', '"10"').replace('"0"', '"2"'))
    out = "vendor.com/fpga=a\nvendor.com/gpu=0\nvendor.com/gpu=1\nvendor.com/nic=2\nvendor.com/nic=10\n"
    assert cdi("-d", specs, "devices") == (0, out, NOTE.format(specs))
    assert cdi("-d", specs, "devices", "-q") == (0, out, "")


def test_verbose_devices_say_from_where_and_what(cdi: Cdi, specs: Path) -> None:
    (specs / "fpga.json").unlink()
    assert cdi("-d", specs, "devices", "-v", "-q").out == (
        "DEVICE            FILE" + " " * (len(str(specs)) + 7) + "ADDS\n"
        f"vendor.com/gpu=0  {specs}/gpu.yaml  1 device node, 1 mount, 1 variable\n"
        f"vendor.com/gpu=1  {specs}/gpu.yaml  1 mount, 1 variable\n"
    )


def test_devices_json_has_all_that_a_device_brings(cdi: Cdi, specs: Path) -> None:
    device = cdi("-d", specs, "devices", "-o", "json").json["devices"][2]
    assert device == {
        "name": "vendor.com/gpu=1",
        "path": f"{specs}/gpu.yaml",
        "priority": 0,
        "annotations": {},
        "containerEdits": {
            "env": ["GPU=1"],
            "mounts": [
                {
                    "hostPath": "/usr/lib/libgpu.so",
                    "containerPath": "/usr/lib/libgpu.so",
                    "options": ["ro", "bind"],
                }
            ],
        },
    }


def test_nothing_installed_is_an_empty_list_and_a_note(cdi: Cdi, tmp_path: Path) -> None:
    assert cdi("-d", tmp_path, "devices") == (0, "", f"cdi: no devices found in {tmp_path}\n")
    assert cdi("-d", tmp_path, "devices", "-o", "json").json == {"version": 1, "devices": []}


def test_specs_and_what_is_wrong_with_others(cdi: Cdi, specs: Path) -> None:
    result = cdi("-d", specs, "specs", "-o", "json").json
    assert result["specs"] == [
        {
            "path": f"{specs}/fpga.json",
            "priority": 0,
            "kind": "vendor.com/fpga",
            "cdiVersion": "0.6.0",
            "minimumVersion": "0.3.0",
            "devices": ["a"],
        },
        {
            "path": f"{specs}/gpu.yaml",
            "priority": 0,
            "kind": "vendor.com/gpu",
            "cdiVersion": "0.5.0",
            "minimumVersion": "0.5.0",
            "devices": ["0", "1"],
        },
    ]
    assert [(entry["path"], entry["problem"]["rule"]) for entry in result["problems"]] == [(f"{specs}/nic.yaml", "env")]


def test_vendors_and_classes(cdi: Cdi, specs: Path) -> None:
    assert cdi("-d", specs, "vendors", "-q").out == (
        "VENDOR      CLASSES   SPECS  DEVICES\nvendor.com  fpga gpu  2      3\n"
    )
    assert cdi("-d", specs, "classes", "-q").out == (
        "CLASS  VENDORS     DEVICES\nfpga   vendor.com  1\ngpu    vendor.com  2\n"
    )


def test_dirs_say_which_are_missing(cdi: Cdi, specs: Path) -> None:
    assert cdi("dirs", "-d", specs, "-d", "/nowhere", "-o", "json", "-q").json == {
        "version": 1,
        "dirs": [
            {"path": str(specs), "priority": 0, "exists": True, "specs": 2},
            {"path": "/nowhere", "priority": 1, "exists": False, "specs": 0},
        ],
    }


def test_show_says_what_a_device_adds_and_which_line_says_so(cdi: Cdi, specs: Path) -> None:
    result = cdi("-d", specs, "-q", "show", "vendor.com/gpu=0")
    assert (result.code, result.err) == (0, "")
    assert result.out == (
        f"vendor.com/gpu=0  {specs}/gpu.yaml:4\n"
        "  ADDS         WHAT                          FROM\n"
        "  device node  /dev/null (rw)                gpu.yaml:9\n"
        "  variable     GPU=0                         gpu.yaml:7\n"
        "  mount        /usr/lib/libgpu.so (ro,bind)  gpu.yaml:17 (all devices)\n"
    )


def test_show_takes_patterns(cdi: Cdi, specs: Path) -> None:
    shown = cdi("-d", specs, "show", "vendor.com/gpu=*", "-o", "json").json["devices"]
    assert [(device["name"], device["line"]) for device in shown] == [("vendor.com/gpu=0", 4), ("vendor.com/gpu=1", 11)]


def test_show_of_an_unknown_device_is_exit_1_with_a_near_name(cdi: Cdi, specs: Path) -> None:
    result = cdi("-d", specs, "show", "vendor.com/gpu=0", "vendor.com/gqu=1")
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith(
        "cdi: error: unresolvable CDI devices vendor.com/gqu=1\nhint: did you mean vendor.com/gpu"
    )
