"""Commands on the spec directories of another root."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.cli.harness import GPU

if TYPE_CHECKING:
    from tests.cli.harness import Cdi


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a root whose spec directory has a link to a spec in it, and one to a spec outside."""
    directory = tmp_path / "root/etc/cdi"
    directory.mkdir(parents=True)
    (tmp_path / "root/etc/real.yaml").write_text(GPU)
    (tmp_path / "outside.yaml").write_text(GPU.replace("vendor.com", "outside.com"))
    (directory / "in.yaml").symlink_to("/etc/real.yaml")
    (directory / "out.yaml").symlink_to(tmp_path / "outside.yaml")
    return tmp_path / "root"


def test_devices_are_those_inside(cdi: Cdi, root: Path) -> None:
    result = cdi("--root", root, "devices", "-o", "json")
    assert [device["name"] for device in result.json["devices"]] == ["vendor.com/gpu=0", "vendor.com/gpu=1"]
    assert f"{root}/etc/cdi/out.yaml: error: cannot be read: no such file or directory" in result.err


def test_show_reads_the_lines_inside(cdi: Cdi, root: Path) -> None:
    assert cdi("--root", root, "-q", "show", "vendor.com/gpu=0").out.startswith(
        f"vendor.com/gpu=0  {root}/etc/cdi/in.yaml:4\n"
    )


@pytest.mark.parametrize("named", [False, True])
def test_validate_reads_what_devices_does(cdi: Cdi, root: Path, *, named: bool) -> None:
    result = cdi("--root", root, "validate", "-o", "json", *([root / "etc/cdi"] if named else []))
    assert result.code == 4
    files = {Path(file["path"]).name: (file["valid"], file["kind"]) for file in result.json["files"]}
    assert files == {"in.yaml": (True, "vendor.com/gpu"), "out.yaml": (False, None)}


def test_install_sees_conflicts_inside_only(cdi: Cdi, root: Path, tmp_path: Path) -> None:
    new = tmp_path / "new.yaml"
    new.write_text(GPU)
    result = cdi("--root", root, "-d", root / "etc/cdi", "install", new)
    assert (result.code, "'in.yaml' and 'new.yaml' would both define" in result.err) == (5, True)
    new.write_text((tmp_path / "outside.yaml").read_text())
    assert cdi("--root", root, "-d", root / "etc/cdi", "install", new).code == 0


def test_install_follows_a_link_above_the_directory_inside(cdi: Cdi, root: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (root / "etc/link").symlink_to(tmp_path / "outside")
    assert cdi("--root", root, "-d", root / "etc/link/cdi", "install", tmp_path / "outside.yaml").code == 0
    assert not any((tmp_path / "outside").iterdir())
    assert Path(f"{root}{tmp_path}/outside/cdi/outside.yaml").is_file()


def test_a_directory_that_is_a_link_is_refused_and_followed_by_force_inside(
    cdi: Cdi, root: Path, tmp_path: Path
) -> None:
    (tmp_path / "outside").mkdir()
    (root / "etc/link").symlink_to(tmp_path / "outside")
    install = ("--root", root, "-d", root / "etc/link", "install", tmp_path / "outside.yaml")
    result = cdi(*install)
    assert (result.code, "is a link to" in result.err, "use --force" in result.err) == (5, True, True)
    assert not list(Path(f"{root}{tmp_path}/outside").glob("*.yaml"))
    assert cdi(*install, "--force").code == 0
    assert not any((tmp_path / "outside").iterdir())
    assert Path(f"{root}{tmp_path}/outside/outside.yaml").is_file()


def test_a_directory_that_is_nowhere_is_exit_4(cdi: Cdi, root: Path) -> None:
    (root / "var").symlink_to("var")
    result = cdi("--root", root, "devices")
    assert result.code == 4
    assert result.err.startswith(f"cdi: error: cannot look at '{root}/var/run/cdi': too many levels of symbolic links")


def test_validate_looks_at_the_files_inside(cdi: Cdi, root: Path) -> None:
    (root / "etc/real.yaml").chmod(0o600)
    (root / "etc/cdi").chmod(0o700)
    (root / "etc/cdi/out.yaml").unlink()
    problems = cdi("--root", root, "validate", "--host", "-o", "json").json["files"][0]["problems"]
    assert [(one["message"], one["hint"]) for one in problems if one["rule"].startswith("host-file")] == [
        (
            "the file is not world-readable, its mode is 0600: other users' runtimes do not see it",
            f"chmod a+r {root}/etc/cdi/in.yaml",
        ),
        (
            f"directory '{root}/etc/cdi' is closed to other users: their runtimes do not see the file",
            f"chmod a+x {root}/etc/cdi",
        ),
    ]
