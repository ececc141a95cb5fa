"""The house keeps its floors: imports go down, the lower floors are pure, every module says what it is."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import cdi

ROOT = Path(__file__).parent.parent
FLOORS = {
    "compat": 2,
    "hooks": 2,
    "hook": 6,
    "errors": 0,
    "problem": 0,
    "scalars": 0,
    "names": 0,
    "model": 1,
    "document": 1,
    "patches": 1,
    "syntax": 1,
    "versions": 2,
    "shapes": 2,
    "decode": 2,
    "yaml_text": 2,
    "encode": 2,
    "edits": 2,
    "rules": 3,
    "oci": 3,
    "report": 4,
    "schema": 4,
    "files": 5,
    "nodes": 5,
    "reader": 5,
    "rooted": 5,
    "scan": 5,
    "watch": 5,
    "registry": 5,
    "store": 5,
    "walk": 5,
    "differing": 3,
    "releasecheck": 3,
    "host": 6,
    "hostcheck": 7,
    "discovery": 7,
    "disk_redaction": 8,
    "recording": 8,
    "redaction": 8,
    "freshness": 10,
    "generation": 9,
    "naming": 9,
    "runtimes": 10,
    "diagnosis": 10,
    "upkeep": 10,
    "cdi_cli": 11,
}
PURE = 4
IMPURE = {"os", "subprocess", "shutil", "tempfile"}
READS_ITS_OWN_FILES = {"schema"}  # the JSON Schemas that come with the package
MODULES = sorted(
    path for top in ("cdi", "cli/cdi_cli") for path in (ROOT / top).rglob("*.py") if path != ROOT / "cdi/__init__.py"
)


def home(path: Path) -> str:
    """Return the name in FLOORS that a file belongs to."""
    if path.is_relative_to(ROOT / "cli"):
        return "cdi_cli"
    return path.relative_to(ROOT / "cdi").parts[0].removesuffix(".py")


def imports(path: Path) -> set[str]:
    """Return every module that a file imports, wherever the import stands."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found.add(node.module or "")
            found |= {f"{node.module}.{alias.name}" for alias in node.names if node.module == "cdi"}
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_go_down_the_floors(path: Path) -> None:
    floor = FLOORS[home(path)]
    for name in imports(path):
        parts = name.split(".")
        if parts[0] == "cdi" and len(parts) > 1 and parts[1] in FLOORS:
            assert FLOORS[parts[1]] <= floor, f"{path.relative_to(ROOT)} is below {name}"
        assert parts[0] != "cdi_cli" or floor == FLOORS["cdi_cli"]


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_lower_floors_are_pure(path: Path) -> None:
    if FLOORS[home(path)] <= PURE and home(path) not in READS_ITS_OWN_FILES:
        assert not {name.split(".")[0] for name in imports(path)} & IMPURE


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_module_says_in_one_line_what_it_is(path: Path) -> None:
    docstring = ast.get_docstring(ast.parse(path.read_text()))
    assert docstring
    assert docstring.splitlines()[0].endswith((".", ":"))
    assert len(docstring.splitlines()) == 1 or docstring.splitlines()[1] == ""


def test_click_is_never_imported() -> None:
    assert not [path for path in MODULES if any(name.split(".")[0] == "click" for name in imports(path))]


def loaded_by(code: str) -> set[str]:
    command = [sys.executable, "-c", f"{code}; import sys; print(*sys.modules)"]
    path = f"{ROOT}:{ROOT / 'cli'}"
    output = subprocess.run(command, check=True, capture_output=True, text=True, env={"PYTHONPATH": path}).stdout
    return set(output.split())


def test_importing_cdi_is_light() -> None:
    heavy = {"yaml", "msgspec", "typer", "rich", "jsonschema", "pynvml", "pyudev", "inotify_simple", "grpc"}
    assert not loaded_by("import cdi") & heavy


def test_checking_a_spec_needs_no_optional_package() -> None:
    code = "import cdi; cdi.check('a: 1'); cdi.Registry.load([])"
    assert not loaded_by(code) & {"typer", "rich", "jsonschema", "pynvml", "pyudev", "inotify_simple"}


def test_every_exported_name_exists() -> None:
    assert all(getattr(cdi, name) is not None for name in cdi.__all__)
    assert sorted(cdi.__all__) == sorted(vars(cdi)["_HOME"])
