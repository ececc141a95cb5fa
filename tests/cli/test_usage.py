"""The command line itself: help, options before and after the command, and what wrong usage says."""

from __future__ import annotations

import importlib
import inspect
import shlex
from typing import TYPE_CHECKING

import pytest

from cdi_cli.commands import COMMANDS

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.harness import Cdi


@pytest.mark.parametrize("name", COMMANDS)
def test_help_says_what_it_does_with_an_example(name: str, cdi: Cdi) -> None:
    result = cdi(name, "--help")
    module = importlib.import_module(f"cdi_cli.commands.{COMMANDS[name].module}")
    assert (result.code, result.err) == (0, "")
    assert f"Usage: cdi {name} " in result.out
    assert "Example:\n    cdi " in result.out or "Example:\n    runc " in result.out
    for line in module.EXAMPLES[name].splitlines():
        assert f"    {line}\n" in result.out
        assert f"cdi {name}" in line or f" {name}" in line or "cdi" in line
    assert inspect.getdoc(getattr(module, name)).partition("\n")[0] in result.out.replace("\n  ", " ")  # type: ignore[union-attr]


@pytest.mark.parametrize("name", COMMANDS)
def test_help_has_no_flag_that_nobody_reads(name: str, cdi: Cdi) -> None:
    lines = cdi(name, "--help").out.splitlines()
    takes = COMMANDS[name].takes
    assert any("--spec-dir" in line for line in lines if line.startswith("  -")) is ("spec_dir" in takes)
    assert any(line.startswith("  --root") for line in lines) is ("root" in takes)


def test_examples_of_help_parse() -> None:
    for entry in COMMANDS.values():
        module = importlib.import_module(f"cdi_cli.commands.{entry.module}")
        for text in module.EXAMPLES.values():
            for line in text.splitlines():
                assert shlex.split(line, comments=True)


def test_help_of_all_lists_every_command(cdi: Cdi) -> None:
    out = cdi("-h").out
    for name, entry in COMMANDS.items():
        assert f"  {name} " in out
        assert entry.help.split(maxsplit=3)[2] in out


def test_no_command_shows_help_on_stderr_and_is_exit_2(cdi: Cdi) -> None:
    result = cdi()
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("Usage: cdi [OPTIONS] COMMAND [ARGS]...\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["valdate"], "cdi: error: no such command 'valdate'\nhint: did you mean 'validate'?\n"),
        (["zzz"], "cdi: error: no such command 'zzz'\nhint: 'cdi --help' lists all\n"),
        (["show"], "cdi: error: missing argument 'DEVICE...'\nhint: 'cdi show --help' shows how it is used\n"),
        (
            ["devices", "-o", "out.json"],
            (
                "cdi: error: unknown output format 'out.json' for 'devices'\n"
                "hint: --output is a format, as in kubectl: write to a file with > out.json\n"
            ),
        ),
        (
            ["generate", "-o", "/etc/cdi/a.yaml"],
            (
                "cdi: error: unknown output format '/etc/cdi/a.yaml' for 'generate'\n"
                "hint: --output is a format, as in kubectl: write to a file with --output-file /etc/cdi/a.yaml\n"
            ),
        ),
        (
            ["-o", "sarif", "devices"],
            "cdi: error: unknown output format 'sarif' for 'devices'\nhint: devices has the formats text, json, yaml\n",
        ),
        (
            ["generate", "--install", "--check"],
            "cdi: error: --install and --check exclude each other\n",
        ),
    ],
)
def test_wrong_usage_says_what_to_do(arguments: list[str], message: str, cdi: Cdi) -> None:
    assert cdi(*arguments) == (2, "", message)


def test_unknown_option_names_near_ones(cdi: Cdi) -> None:
    result = cdi("validate", "--strct")
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("cdi: error: no such option")
    assert "--strict" in result.err


def test_shared_options_go_before_and_after_the_command(cdi: Cdi, specs: Path) -> None:
    before = cdi("-d", specs, "-o", "json", "-q", "devices")
    after = cdi("devices", "-d", specs, "-o", "json", "-q")
    assert before == after
    assert [device["name"] for device in after.json["devices"]] == [
        "vendor.com/fpga=a",
        "vendor.com/gpu=0",
        "vendor.com/gpu=1",
    ]


def test_later_option_wins_and_directories_add_up(cdi: Cdi, specs: Path, tmp_path: Path) -> None:
    result = cdi("-o", "yaml", "-d", specs, "dirs", "-d", tmp_path, "-o", "json")
    assert [(entry["path"], entry["priority"]) for entry in result.json["dirs"]] == [
        (str(specs), 0),
        (str(tmp_path), 1),
    ]


def test_spec_directories_come_from_the_environment(
    cdi: Cdi, specs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CDI_SPEC_DIRS", f"{tmp_path}:{specs}")
    paths = [entry["path"] for entry in cdi("dirs", "-o", "json").json["dirs"]]
    assert paths == [str(tmp_path), str(specs)]
    paths = [entry["path"] for entry in cdi("dirs", "-o", "json", "-d", "/x").json["dirs"]]
    assert paths == ["/x"]


def test_empty_directory_name_is_wrong_usage(cdi: Cdi) -> None:
    message = "cdi: error: empty name of a spec directory\nhint: the current directory is .\n"
    assert cdi("-d", "", "devices") == (2, "", message)


def test_default_directories_lie_below_the_root(cdi: Cdi, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "var").mkdir()
    (tmp_path / "var/run").symlink_to("/run")
    paths = [entry["path"] for entry in cdi("--root", tmp_path, "dirs", "-o", "json").json["dirs"]]
    assert paths == [f"{tmp_path}/etc/cdi", f"{tmp_path}/run/cdi"]


def test_colour_only_where_it_is_wanted(cdi: Cdi, specs: Path) -> None:
    assert "\x1b[" not in cdi("validate", specs).out
    assert ": \x1b[31merror\x1b[0m: " in cdi("validate", specs, "--color", "always").out
    assert "\x1b[" not in cdi("--color", "always", "validate", specs, "--color", "never").out


def test_version(cdi: Cdi) -> None:
    result = cdi("--version")
    assert (result.code, result.err) == (0, "")
    assert result.out.startswith("cdi ")
    assert result.out.endswith(", CDI 1.1.0\n")
