"""`cdi install` and `cdi uninstall`."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

from tests.cli.harness import GPU

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.harness import Cdi


def test_installed_in_the_last_directory_for_all_to_read(cdi: Cdi, specs: Path, tmp_path: Path) -> None:
    target = tmp_path / "last"
    result = cdi("-d", tmp_path / "first", "-d", target, "install", specs / "gpu.yaml")
    assert result == (0, f"{target}/gpu.yaml\n", "")
    assert stat.S_IMODE((target / "gpu.yaml").stat().st_mode) == 0o644
    assert cdi("-d", target, "devices").out == "vendor.com/gpu=0\nvendor.com/gpu=1\n"


def test_one_invalid_file_keeps_all_out(cdi: Cdi, specs: Path, tmp_path: Path) -> None:
    target = tmp_path / "target"
    result = cdi("-d", target, "install", specs / "gpu.yaml", specs / "nic.yaml")
    assert (result.code, result.out) == (1, "")
    assert result.err == (
        f"cdi: error: invalid spec {specs}/nic.yaml\n"
        f"    {specs}/nic.yaml:7:7: error: devices[0].containerEdits.env[0]: invalid environment entry 'NIC' [env]\n"
        "hint: write NAME=value\n"
    )
    assert not target.exists()


def test_stdin_is_installed_under_the_name_of_its_kind(cdi: Cdi, tmp_path: Path) -> None:
    result = cdi("-d", tmp_path, "install", "-", "-o", "json", stdin=GPU.encode())
    assert result.json == {"version": 1, "installed": [f"{tmp_path}/vendor.com-gpu.yaml"]}


def test_names_that_crash_runtimes_are_refused_without_force(cdi: Cdi, tmp_path: Path) -> None:
    spec = GPU.replace("vendor.com/gpu", "vendor.com/g").encode()
    result = cdi("-d", tmp_path, "install", "-", stdin=spec)
    assert result.code == 1
    assert "[short-name]" in result.err
    assert list(tmp_path.iterdir()) == []
    assert cdi("-d", tmp_path, "install", "--force", "-q", "-", stdin=spec).code == 0


def test_file_of_another_kind_is_a_conflict(cdi: Cdi, specs: Path, tmp_path: Path) -> None:
    (tmp_path / "gpu.yaml").write_text(GPU.replace("/gpu", "/other"))
    result = cdi("-d", tmp_path, "install", specs / "gpu.yaml")
    assert (result.code, result.out) == (5, "")
    assert "vendor.com/other" in result.err


def test_directory_without_permission_is_exit_4(cdi: Cdi, specs: Path) -> None:
    result = cdi("-d", "/proc/cdi", "install", specs / "gpu.yaml")
    assert (result.code, result.out) == (4, "")
    assert result.err.startswith("cdi: error: cannot ")


def test_uninstall_by_name_path_and_kind(cdi: Cdi, specs: Path) -> None:
    result = cdi("-d", specs, "uninstall", "nic", specs / "fpga.json", "vendor.com/gpu")
    assert result == (0, f"{specs}/nic.yaml\n{specs}/fpga.json\n{specs}/gpu.yaml\n", "")
    assert [path.name for path in specs.iterdir()] == ["README.md"]


def test_uninstall_of_what_is_not_there_is_exit_3_and_removes_nothing(cdi: Cdi, specs: Path) -> None:
    result = cdi("-d", specs, "uninstall", "gpu.yaml", "none")
    assert (result.code, result.out) == (3, "")
    assert result.err == f"cdi: error: no spec file or kind 'none' in {specs}\nhint: 'cdi specs' lists what there is\n"
    assert (specs / "gpu.yaml").exists()


def test_uninstall_leaves_files_elsewhere_alone(cdi: Cdi, specs: Path, tmp_path: Path) -> None:
    result = cdi("-d", tmp_path, "uninstall", specs / "gpu.yaml")
    assert result.code == 2
    assert "is not in a spec directory" in result.err
    assert (specs / "gpu.yaml").exists()


def test_a_device_that_another_file_defines_is_not_installed_twice(cdi: Cdi, specs: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.yaml"
    other.write_bytes((specs / "gpu.yaml").read_bytes())
    result = cdi("-d", specs, "install", other)
    assert (result.code, result.out) == (5, "")
    assert "'gpu.yaml' and 'other.yaml' would both define vendor.com/gpu=" in result.err
    assert not (specs / "other.yaml").exists()
    assert cdi("-d", specs, "install", specs / "gpu.yaml").code == 0
    assert cdi("-d", specs, "install", "--force", other).code == 0


def test_two_files_of_one_name_are_refused(cdi: Cdi, specs: Path, tmp_path: Path) -> None:
    (tmp_path / "gpu.yaml").write_bytes((specs / "gpu.yaml").read_bytes())
    result = cdi("-d", tmp_path / "to", "install", specs / "gpu.yaml", tmp_path / "gpu.yaml")
    assert (result.code, result.out) == (2, "")
    assert not (tmp_path / "to").exists()
