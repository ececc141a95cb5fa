"""What users get: the sdist, the wheel made from it, the command with and without its extra, the pre-commit hook."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.package

ROOT = Path(__file__).parent.parent.parent
VALID = """\
cdiVersion: 0.5.0
kind: vendor.com/device
devices:
- name: "0"
  containerEdits:
    env: [DEVICE=0]
"""
INVALID = VALID.replace("DEVICE=0", "DEVICE")


def run(*command: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "CDI_"))}
    return subprocess.run(command, check=False, capture_output=True, text=True, cwd=cwd, env=clean)


def done(*command: str | Path, cwd: Path) -> str:
    result = run(*command, cwd=cwd)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    done(sys.executable, "-m", "build", "--outdir", folder, cwd=ROOT)
    return folder


@pytest.fixture(scope="module")
def wheel(dist: Path) -> Path:
    (path,) = dist.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory, wheel: Path) -> Path:
    """Return the commands of an environment where the wheel is installed without any extra."""
    return environment(tmp_path_factory.mktemp("bare"), str(wheel))


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory, wheel: Path) -> Path:
    """Return the commands of an environment where the wheel is installed with what the command needs."""
    return environment(tmp_path_factory.mktemp("full"), f"{wheel}[cli]")


def environment(path: Path, requirement: str) -> Path:
    venv.create(path, with_pip=True)
    done(path / "bin/pip", "install", "-q", requirement, cwd=path)
    return path / "bin"


def files(folder: str) -> set[str]:
    """Return the files under a folder of the repository, without Python's caches."""
    found = (ROOT / folder).rglob("*")
    return {str(path.relative_to(ROOT)) for path in found if path.is_file() and "__pycache__" not in path.parts}


def test_the_wheel_holds_both_packages_and_the_schemas_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}

    library = files("cdi")
    command = {name.removeprefix("cli/") for name in files("cli/cdi_cli")}
    schemas = {f"cdi/{name}" for name in files("schemas")}
    assert names == library | command | schemas
    assert schemas
    assert "cdi/py.typed" in names


def test_the_sdist_holds_what_building_and_testing_need(dist: Path) -> None:
    (path,) = dist.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = {member.name.partition("/")[2] for member in archive.getmembers()}

    assert {"pyproject.toml", "noxfile.py", "README.md", "CHANGELOG.md", "LICENSE"} <= names
    assert files("cdi") | files("cli") | files("schemas") | files("tests") <= names


def test_the_library_works_without_extras(bare: Path, tmp_path: Path) -> None:
    code = f"import cdi; print(cdi.check({VALID!r}).minimum_version)"
    assert done(bare / "python", "-c", code, cwd=tmp_path) == "0.5.0\n"


def test_the_command_without_its_extra_says_what_to_install(bare: Path, tmp_path: Path) -> None:
    result = run(bare / "cdi", "--version", cwd=tmp_path)
    assert result.returncode == 4
    assert "cdi-tools[cli]" in result.stderr
    assert "Traceback" not in result.stderr


def test_the_command_works_where_it_is_installed(full: Path, tmp_path: Path) -> None:
    spec = tmp_path / "spec.yaml"
    spec.write_text(VALID)
    assert done(full / "cdi", "--version", cwd=tmp_path).startswith("cdi 0.1.0")
    assert done(full / "cdi", "schema", cwd=tmp_path).startswith("{")
    done(full / "cdi", "validate", spec, cwd=tmp_path)
    spec.write_text(INVALID)
    assert run(full / "cdi", "validate", spec, cwd=tmp_path).returncode == 1


def test_the_pre_commit_hook_refuses_an_invalid_spec(tmp_path: Path) -> None:
    done("git", "init", "-q", cwd=tmp_path)
    specs = tmp_path / "cdi"
    specs.mkdir()
    (specs / "good.yaml").write_text(VALID)
    (tmp_path / "other.yaml").write_text("not: a spec\n")
    done("git", "add", ".", cwd=tmp_path)
    hook = (sys.executable, "-m", "pre_commit", "try-repo", ROOT, "cdi-validate", "--all-files")
    done(*hook, cwd=tmp_path)

    (specs / "bad.yaml").write_text(INVALID)
    done("git", "add", ".", cwd=tmp_path)
    result = run(*hook, cwd=tmp_path)

    assert result.returncode == 1
    assert "cdi/bad.yaml:6:" in result.stdout
