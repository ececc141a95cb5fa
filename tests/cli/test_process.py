"""The command as a process: broken pipes, full disks, closed streams, ^C, bugs, and what start-up imports."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "cdi_cli"]
ENVIRONMENT = os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT}/cli", "COLUMNS": "80"}


def shell(line: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run a shell line in which "$@" is the command with its arguments."""
    command = ["bash", "-c", line, "bash", *COMMAND, *map(str, arguments)]
    return subprocess.run(command, check=False, capture_output=True, text=True, env=ENVIRONMENT)


def test_broken_pipe_is_silent() -> None:
    done = shell('"$@" | true; echo ${PIPESTATUS[0]}', "schema")
    assert (done.stdout, done.stderr) == ("141\n", "")


def test_full_disk_is_exit_4_with_a_line() -> None:
    done = shell('"$@" > /dev/full', "schema")
    message = "cdi: error: cannot write to standard output: no space left on device\n"
    assert (done.returncode, done.stderr) == (4, message)


def test_help_on_a_full_disk_is_exit_4() -> None:
    done = shell('"$@" > /dev/full', "--help")
    assert (done.returncode, done.stderr) == (4, "cdi: error: no space left on device\n")


def test_closed_stdout_is_exit_4_with_a_line() -> None:
    done = shell('"$@" >&-', "schema")
    assert (done.returncode, done.stderr) == (4, "cdi: error: cannot write to standard output: it is closed\n")


def test_closed_streams_never_become_a_spec_file(specs: Path, tmp_path: Path) -> None:
    done = shell('"$@" >&- <&- 2>&-', "-d", tmp_path / "cdi", "install", specs / "gpu.yaml")
    assert done.returncode == 4
    (installed,) = (tmp_path / "cdi").glob("*.yaml")
    assert shell('"$@"', "validate", installed).returncode == 0


def test_closed_stdin_is_exit_4_with_a_line() -> None:
    done = shell('"$@" <&-', "convert", "-")
    assert (done.returncode, done.stderr) == (4, "cdi: error: cannot read standard input: it is closed\n")


@contextmanager
def monitoring(directory: Path, *arguments: str) -> Generator[subprocess.Popen[bytes]]:
    """Run `cdi monitor` until it watches a directory; end it by force should it not do its work in time."""
    command = [*COMMAND, "-d", str(directory), *arguments, "monitor"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRONMENT) as process:
        late = threading.Timer(30, process.kill)
        late.start()
        assert process.stderr is not None
        assert process.stderr.readline() == f"cdi: watching {directory}; ^C ends it\n".encode()
        try:
            yield process
        finally:
            process.kill()
            late.cancel()


def test_documents_may_come_from_the_shell(specs: Path) -> None:
    line = f'"$@" diff <(sed s/GPU=1/GPU=2/ {specs}/gpu.yaml) <(cat {specs}/gpu.yaml)'
    done = shell(line)
    assert (done.returncode, done.stderr) == (1, "")
    assert "  - containerEdits.env: GPU=2\n  + containerEdits.env: GPU=1\n" in done.stdout


def test_interrupt_is_exit_130_with_a_line(tmp_path: Path) -> None:
    with monitoring(tmp_path) as process:
        process.send_signal(signal.SIGINT)
        assert process.communicate() == (b"", b"cdi: interrupted\n")
        assert process.returncode == 130


def test_monitor_tells_changes_as_they_happen(specs: Path, tmp_path: Path) -> None:
    watched = tmp_path / "watched"
    watched.mkdir()
    path = f"{watched}/fpga.json"
    with monitoring(watched, "-o", "json") as process:
        assert process.stdout is not None
        (specs / "fpga.json").rename(path)
        change = json.loads(process.stdout.readline())
        assert change == {"action": "added", "device": "vendor.com/fpga=a", "path": path, "problem": None}
        (specs / "nic.yaml").rename(path)
        change = json.loads(process.stdout.readline())
        assert change == {"action": "removed", "device": "vendor.com/fpga=a", "path": path, "problem": None}
        change = json.loads(process.stdout.readline())
        assert (change["action"], change["path"], change["problem"]["rule"]) == ("failed", path, "env")


def test_bug_is_exit_70_with_a_short_report() -> None:
    script = """
import sys
from cdi_cli.commands import COMMANDS, Entry
from cdi_cli.main import main
COMMANDS["broken"] = Entry("broken", "Fail.")
sys.exit(main(["broken", *sys.argv[1:]]))
"""
    short = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True, text=True, env=ENVIRONMENT)
    assert (short.returncode, short.stdout) == (70, "")
    assert short.stderr.startswith("cdi: bug: ModuleNotFoundError: No module named 'cdi_cli.commands.broken'\n")
    assert short.stderr.endswith("hint: this is a fault of cdi, not yours: please report it, with the output of -v\n")
    long = subprocess.run(
        [sys.executable, "-c", script, "-v"], check=False, capture_output=True, text=True, env=ENVIRONMENT
    )
    assert long.stderr.startswith("Traceback (most recent call last):\n")


def test_file_names_are_written_as_the_bytes_they_are(tmp_path: Path) -> None:
    name = os.fsencode(tmp_path) + b"/\xff.json"
    Path(os.fsdecode(name)).write_text("{}")
    done = subprocess.run([*COMMAND, "validate", name], check=False, capture_output=True, env=ENVIRONMENT)
    assert done.returncode == 1
    assert done.stdout.startswith(name + b":1:1: error: ")


def test_terminal_gets_colours_and_tables_that_fit(specs: Path) -> None:
    assert "\x1b[31merror" in on_terminal("validate", specs)
    assert "\x1b[31merror" not in on_terminal("validate", specs, "--color", "never")
    lines = on_terminal("-d", specs, "-q", "specs").splitlines()
    assert lines[0].startswith("\x1b[1mFILE")
    assert max(len(re.sub("\x1b[^m]*m", "", line)) for line in lines) <= 80


def on_terminal(*arguments: object) -> str:
    """Return what a command line writes to a terminal of 80 columns."""
    ours, theirs = pty.openpty()
    environment = {key: value for key, value in ENVIRONMENT.items() if key != "NO_COLOR"} | {"TERM": "xterm"}
    command = [*COMMAND, *map(str, arguments)]
    subprocess.run(command, check=False, stdout=theirs, stderr=subprocess.DEVNULL, env=environment)
    os.close(theirs)
    shown = b""
    while True:
        try:
            part = os.read(ours, 4096)
        except OSError:  # the end, on Linux
            break
        if not part:
            break
        shown += part
    os.close(ours)
    return shown.decode()


SLOW = {
    "jsonschema",
    "multiprocessing",
    "pickle",
    "pynvml",
    "pyudev",
    "rich",
    "typer.rich_utils",
}


@pytest.mark.parametrize(
    ("arguments", "unwanted"),
    [
        (["validate", "{specs}/fpga.json"], {"cdi.registry", "cdi.host", "cdi.discovery"}),
        (["validate", "{specs}/gpu.yaml"], {"cdi.registry", "cdi.host", "cdi.discovery"}),
        (["--help"], {"cdi.report", "cdi.store", "cdi.registry", "cdi_cli.commands.validate"}),
        (["-d", "{specs}", "devices"], {"cdi.host", "cdi.discovery"}),
    ],
)
def test_commands_import_only_what_they_need(arguments: list[str], unwanted: set[str], specs: Path) -> None:
    script = "import sys; from cdi_cli.main import main; main(sys.argv[1:]); print(*sys.modules, file=sys.stderr)"
    given = [argument.format(specs=specs) for argument in arguments]
    command = [sys.executable, "-c", script, *given]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=ENVIRONMENT)
    modules = set(done.stderr.splitlines()[-1].split())
    assert modules & (SLOW | unwanted) == set()


def test_clean_json_needs_no_yaml(tmp_path: Path) -> None:
    spec = tmp_path / "a.json"
    spec.write_text(
        '{"cdiVersion":"0.3.0","kind":"v1.com/x1","devices":[{"name":"a","containerEdits":{"env":["A=B"]}}]}'
    )
    script = "import sys; from cdi_cli.main import main; main(sys.argv[1:]); print(*sys.modules)"
    command = [sys.executable, "-c", script, "validate", "-q", str(spec)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=ENVIRONMENT)
    assert {"yaml", "json"} & set(done.stdout.split()) == set()
