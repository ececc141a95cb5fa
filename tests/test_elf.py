"""SONAMEs: of a library that this test compiles, and of what is no library."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from cdi.discovery.nvidia.driver import read_driver
from cdi.discovery.nvidia.elf import ElfUnread, read_soname
from cdi.hooks import links_of
from cdi.host import Host


def compile_library(path: Path, soname: str | None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    options = [f"-Wl,-soname,{soname}"] if soname is not None else []
    command = ["cc", "-shared", "-fPIC", "-x", "c", "-", "-o", str(path), *options]
    subprocess.run(command, input=b"int answer(void) { return 42; }\n", check=True)


def test_library_says_its_soname(tmp_path: Path) -> None:
    compile_library(tmp_path / "lib" / "libcuda.so.550.54.15", "libcuda.so.1")
    assert read_soname(Host(tmp_path), "/lib/libcuda.so.550.54.15") == "libcuda.so.1"


def test_library_may_have_none(tmp_path: Path) -> None:
    compile_library(tmp_path / "libplain.so", None)
    assert read_soname(Host(tmp_path), "/libplain.so") is None


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("text", "'/lib.so' is no ELF file"),
        ('"\\u007fELF"', "'/lib.so' is a damaged ELF file"),
        ('"\\u007fELF\\u0002\\u0001\\u0001"', "'/lib.so' is a damaged ELF file"),
    ],
)
def test_what_is_no_library_says_why(content: str, why: str) -> None:
    host = Host.from_tree(f"/lib.so = {content}\n")
    with pytest.raises(ElfUnread, match=why):
        read_soname(host, "/lib.so")


def test_file_that_is_not_there_is_unread() -> None:
    with pytest.raises(ElfUnread, match="no such file"):
        read_soname(Host.from_tree(""), "/lib.so")


def test_library_is_asked_where_links_disagree(tmp_path: Path) -> None:
    """A driver that is not the newest one: the links lead to the newer, and only the library knows its SONAME."""
    place = tmp_path / "usr/lib64"
    for version in ("550.54.15", "560.35.03"):
        compile_library(place / f"libcuda.so.{version}", "libcuda.so.1")
    (place / "libcuda.so.1").symlink_to("libcuda.so.560.35.03")
    (place / "libcuda.so.0").symlink_to("libcuda.so.560.35.03")
    (place / "libcuda.so").symlink_to("libcuda.so.1")
    driver = read_driver(Host(tmp_path), "550.54.15")
    assert links_of(driver.edits.hooks[0]) == (
        ("libcuda.so.1", "/usr/lib64/libcuda.so"),
        ("libcuda.so.550.54.15", "/usr/lib64/libcuda.so.1"),
    )
    assert driver.warnings == ()


WITHOUT_READER = """
import sys
sys.modules["elftools"] = None
from cdi.discovery.nvidia.driver import read_driver
from cdi.host import Host
print(*read_driver(Host(sys.argv[1]), "550.54.15").warnings, sep="\\n")
"""


def test_without_a_reader_the_links_are_taken_and_that_is_said(tmp_path: Path) -> None:
    place = tmp_path / "usr/lib64"
    for version in ("550.54.15", "560.35.03"):
        compile_library(place / f"libcuda.so.{version}", "libcuda.so.1")
    (place / "libcuda.so.1").symlink_to("libcuda.so.560.35.03")
    command = [sys.executable, "-c", WITHOUT_READER, str(tmp_path)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=Path(__file__).parent.parent)
    assert done.stdout == (
        "/usr/lib64/libcuda.so.550.54.15: pyelftools is not installed (pip install 'cdi-tools[nvidia]'), "
        "its links are those of its directory\n"
    )
