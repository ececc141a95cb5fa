"""Asking real programs: nothing of ours reaches them, and they cannot keep us waiting."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from cdi.host import Host
from cdi.host.trust import is_trusted
from cdi.runtimes.asking import ask_program

if TYPE_CHECKING:
    from pathlib import Path


def script(path: Path, text: str) -> str:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def test_a_program_gets_its_words_and_an_environment_of_its_own(tmp_path: Path) -> None:
    program = script(tmp_path / "program", 'echo "$1" "$PWD"; env')
    said = ask_program([program, "a; b"])
    assert said is not None
    first, *variables = said.splitlines()
    assert first == "a; b /"
    names = {line.partition("=")[0] for line in variables}
    assert names - {"PWD", "SHLVL", "_", "OLDPWD"} == {"LANG", "PATH"}


def test_no_answer_is_none(tmp_path: Path) -> None:
    assert ask_program([script(tmp_path / "fails", "echo x; exit 1")]) is None
    assert ask_program([str(tmp_path / "missing")]) is None
    (tmp_path / "text").write_text("no program")
    assert ask_program([str(tmp_path / "text")]) is None


def test_stdin_is_empty_and_odd_bytes_do_no_harm(tmp_path: Path) -> None:
    assert ask_program([script(tmp_path / "cat", "cat; printf 'a\\377'")]) == "a\ufffd"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_only_what_root_alone_can_change_is_trusted(tmp_path: Path) -> None:
    host = Host(tmp_path)
    tmp_path.chmod(0o755)
    directory = tmp_path / "bin"
    directory.mkdir()
    (directory / "program").write_text("")
    (tmp_path / "link").symlink_to("bin/program")
    assert is_trusted(host, "/bin/program")
    assert is_trusted(host, "/link")
    assert not is_trusted(host, "/bin/missing")
    directory.chmod(0o777)
    assert not is_trusted(host, "/bin/program")
    assert not is_trusted(host, "/link")
    directory.chmod(0o755)
    os.chown(directory / "program", 1, 1)
    assert not is_trusted(host, "/bin/program")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_a_link_that_another_user_may_change_on_the_way_is_not_trusted(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir(mode=0o755)
    (tmp_path / "bin/program").touch(mode=0o755)
    (tmp_path / "home").mkdir(mode=0o755)
    (tmp_path / "home/link").symlink_to("../bin/program")
    (tmp_path / "bin/link").symlink_to("/home/link")
    assert is_trusted(Host(tmp_path), "/bin/link")
    os.chown(tmp_path / "home", 4711, 4711)
    assert not is_trusted(Host(tmp_path), "/bin/link")
