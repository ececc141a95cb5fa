"""`cdi watch` as a process: what it says, whom it tells, how it ends, and that no kill leaves anything wrong."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from cdi.store import load
from tests.acme import FPGA, NPU, Acme

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from tests.cli.harness import Cdi

ROOT = Path(__file__).parents[2]
FAST = ("--interval", "2", "--grace", "1")


@pytest.fixture
def acme(tmp_path: Path) -> Acme:
    host = Acme(tmp_path / "host")
    host.add_npu(0)
    return host


def start(acme: Acme, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "cdi_cli", "--root", str(acme.root), "watch", *FAST, *arguments]
    own = {"PYTHONPATH": f"{ROOT}:{ROOT}/cli", "PATH": os.environ["PATH"]} | environment
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=own)


@contextmanager
def watching(acme: Acme, *arguments: str, **environment: str) -> Generator[subprocess.Popen[str]]:
    """Run the service; kill it should the test fail."""
    with start(acme, *arguments, **environment) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_for(condition: Callable[[], Any], *, seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


def installed(acme: Acme) -> dict[str, Any]:
    return {spec.kind: spec for spec in map(load, acme.installed.glob("*.yaml"))}


def test_changes_of_files_and_hardware_reach_the_specs(acme: Acme) -> None:
    with watching(acme, "--interval", "600", "acme-npu", "acme-fpga") as process:
        wait_for(lambda: installed(acme) == acme.specs())
        acme.add_npu(1)  # its node tells
        wait_for(lambda: installed(acme) == acme.specs())
        acme.load_driver("2")  # its library tells
        wait_for(lambda: installed(acme) == acme.specs())
        (acme.installed / "acme.example-npu.yaml").unlink()
        wait_for(lambda: installed(acme) == acme.specs())
        acme.add_fpga(0)  # a class that was not there before
        wait_for(lambda: set(installed(acme)) == {FPGA, NPU})
        acme.remove_npu(0)
        acme.remove_npu(1)
        wait_for(lambda: set(installed(acme)) == {FPGA})
        process.terminate()
        out, err = process.communicate(timeout=5)
    assert (process.returncode, out) == (0, "")
    lines = err.splitlines()
    assert re.fullmatch(r"\S+Z info: wrote acme.example/npu: 2 devices \[time has passed\]", lines[0])
    assert any("removed acme.example/npu, whose 3 devices are gone" in line for line in lines)
    assert lines[-1].endswith("info: stopping; the specs stay as they are")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_within_a_second(acme: Acme, number: int) -> None:
    with watching(acme, "acme-npu") as process:
        wait_for(lambda: installed(acme))
        assert process.stderr is not None
        while "watching" not in process.stderr.readline():
            pass
        began = time.monotonic()
        process.send_signal(number)
        assert process.wait(5) == 0
        assert time.monotonic() - began < 1


def test_the_service_manager_is_told(acme: Acme, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(15)
        environment = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "600000"}
        with watching(acme, "acme-npu", **environment) as process:
            assert manager.recv(4096) == b"READY=1\nSTATUS=specs: 1, devices: 2"
            seen = {manager.recv(4096) for _ in range(5)}
            assert b"WATCHDOG=1" in seen
            process.send_signal(signal.SIGHUP)
            while not (message := manager.recv(4096)).startswith(b"RELOADING=1\nMONOTONIC_USEC="):
                assert message.startswith((b"WATCHDOG=1", b"STATUS="))
            while not manager.recv(4096).startswith(b"READY=1"):
                pass
            process.terminate()
            while manager.recv(4096) != b"STOPPING=1":
                pass


def test_an_abstract_socket_is_told_too(acme: Acme) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        name = f"cdi-watch-{os.getpid()}"
        manager.bind(f"\0{name}")
        manager.settimeout(15)
        with watching(acme, "acme-npu", NOTIFY_SOCKET=f"@{name}"):
            assert manager.recv(4096).startswith(b"READY=1\n")


def test_the_log_is_json_lines_when_wanted_and_metrics_are_kept(acme: Acme, tmp_path: Path) -> None:
    metrics = tmp_path / "metrics" / "cdi.prom"
    with watching(acme, "acme-npu", "--log-format", "json", "--metrics-file", str(metrics)) as process:
        wait_for(metrics.exists)
        assert process.stderr is not None
        entry = json.loads(process.stderr.readline())
        process.terminate()
        process.communicate(timeout=5)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", entry.pop("time"))
    assert entry == {
        "level": "info",
        "event": "wrote",
        "message": "wrote acme.example/npu: 2 devices",
        "kind": "acme.example/npu",
        "path": str(acme.installed / "acme.example-npu.yaml"),
        "devices": 2,
        "reason": "time has passed",
    }
    assert 'cdi_watch_devices{kind="acme.example/npu"} 2\n' in metrics.read_text()
    assert [path.name for path in metrics.parent.iterdir()] == ["cdi.prom"]


def test_the_journal_gets_priorities(acme: Acme, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with log.open("w") as stream:
        status = os.fstat(stream.fileno())
        command = [sys.executable, "-m", "cdi_cli", "--root", str(acme.root), "watch", "acme-npu"]
        environment = {"PYTHONPATH": f"{ROOT}:{ROOT}/cli", "JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"}
        with subprocess.Popen(command, stderr=stream, env=environment) as process:
            wait_for(lambda: "watching" in log.read_text())
            process.terminate()
    assert log.read_text().startswith("<6>wrote acme.example/npu: 2 devices [time has passed]\n")


def test_without_packages_the_clock_and_a_glance_are_left(acme: Acme, tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    missing.mkdir()
    for package in ("pyudev", "inotify_simple"):
        (missing / f"{package}.py").write_text(f"raise ImportError('no {package} here')\n")
    path = f"{missing}:{ROOT}:{ROOT}/cli"
    with watching(acme, "acme-npu", PYTHONPATH=path) as process:
        wait_for(lambda: installed(acme))
        acme.add_npu(1)
        wait_for(lambda: installed(acme) == acme.specs())
        process.terminate()
        _, err = process.communicate(timeout=5)
    warnings = [line for line in err.splitlines() if "warning: no " in line]
    assert [line.partition("warning: ")[2].partition(" (")[0] for line in warnings] == [
        "no uevents: no pyudev here",
        "no word of changed files: watching directories needs the Python package inotify_simple",
    ]
    assert "watching 0 paths and no uevents" in err


UEVENT = Path("/sys/class/mem/null/uevent")


@pytest.mark.skipif(not os.access(UEVENT, os.W_OK), reason="needs root, and a /sys that is not read-only")
def test_a_uevent_of_this_machine_makes_it_look(acme: Acme) -> None:
    pytest.importorskip("pyudev")
    profile = acme.root / "etc/cdi-tools/profiles.d/mem.yaml"  # what a profile looks at is no noise
    profile.write_text(
        "version: 1\nfamily: mem\nkind: acme.example/mem\nsummary: memory\n"
        "devices: [{what: memory, sysfs: '/sys/class/mem/*', name: '{name}'}]\n"
    )
    with watching(acme, "mem", "-v", "--interval", "600") as process:
        assert process.stderr is not None
        while "more to watch" not in process.stderr.readline():
            pass
        UEVENT.write_text("change")
        assert "nothing to do [change of mem null]" in process.stderr.readline()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothing"], "unknown family 'nothing'"),
        (["--interval", "0"], "--interval 0 is too short"),
        (["--grace", "nan"], "--grace nan is no time"),
        (["--compat", "podman"], "podman"),
    ],
)
def test_a_request_that_makes_no_sense_is_exit_2(arguments: list[str], message: str, acme: Acme, cdi: Cdi) -> None:
    result = cdi("--root", acme.root, "watch", *arguments)
    assert (result.code, result.out) == (2, "")
    assert message in result.err


def test_a_text_tree_is_refused(cdi: Cdi) -> None:
    result = cdi("--root", ROOT / "spec-examples/hosts/minimal", "watch")
    assert (result.code, result.err.splitlines()[0]) == (2, "cdi: error: a text tree does not change")


def test_no_kill_leaves_a_wrong_spec_or_a_temporary_file(acme: Acme) -> None:
    """The real service, with real inotify, killed at random moments while hardware comes and goes."""
    random = Random(5)
    end = time.monotonic() + 5
    kills = 0
    while time.monotonic() < end:
        with watching(acme, "acme-npu", "acme-fpga") as process:
            lives = time.monotonic() + random.uniform(0.25, 1.8)
            while time.monotonic() < lives:
                acme.shake(random)
                time.sleep(random.choice((0, 0.01, 0.1)))
            process.kill()
            kills += 1
        assert all(load(path).devices for path in acme.installed.glob("*.yaml"))
    assert kills > 2
    acme.add_npu(9)
    acme.load_driver()
    with watching(acme, "acme-npu", "acme-fpga") as process:
        wait_for(lambda: installed(acme) == acme.specs())
        process.terminate()
        process.communicate(timeout=5)
    names = {f"{kind.replace('/', '-')}.yaml" for kind in acme.specs()}
    assert {path.name for path in acme.installed.iterdir()} == names
