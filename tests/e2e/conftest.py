"""Machines of the tests' own, with the real container runtimes of this and other releases of Debian."""

from __future__ import annotations

import contextlib
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.e2e.busybox import Busybox
from tests.e2e.engines import ENGINES, Engine, Podman
from tests.e2e.machine import Machine, bury
from tests.e2e.roots import RUNTIMES, root_of, sizes

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping

PACKAGES = {
    "busybox": "busybox-static",
    "crun": "crun",
    "ip": "iproute2",
    "mmdebstrap": "mmdebstrap",
    "nsenter": "util-linux",
    "podman": "podman",
    "runc": "runc",
    "systemd-nspawn": "systemd-container",
}


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if config.option.markexpr == "e2e":
        for root, size in sizes(*RUNTIMES):
            terminalreporter.write_line(f"{root}: {size / 2**20:.0f} MiB on disk")


@pytest.fixture(scope="session", autouse=True)
def _requirements() -> None:
    missing = [f"the Debian package {package}" for tool, package in PACKAGES.items() if not shutil.which(tool)]
    if os.geteuid() != 0:
        missing.insert(0, "root")
    if missing:
        message = f"real containers need {', '.join(missing)}"
        if "CI" in os.environ:
            pytest.fail(message)
        pytest.skip(message)
    bury()


@pytest.fixture(scope="session")
def busybox(tmp_path_factory: pytest.TempPathFactory, _requirements: None) -> Busybox:
    return Busybox.make(tmp_path_factory.mktemp("busybox"))


@pytest.fixture(scope="session")
def roots(_requirements: None) -> Mapping[str | None, Path]:
    """Return the root file systems with runtimes; None stands for this machine's own."""
    with ThreadPoolExecutor() as pool:
        return {None: Path("/"), **dict(zip(RUNTIMES, pool.map(root_of, RUNTIMES), strict=True))}


@pytest.fixture
def machine(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, _requirements: None) -> Iterator[Machine]:
    """Yield a machine that has what this one has."""
    with started(Path("/"), tmp_path, tmp_path_factory) as machine:
        yield machine


@pytest.fixture
def podman(machine: Machine, busybox: Busybox) -> Podman:
    return Podman(machine, busybox)


@pytest.fixture(params=ENGINES)
def engine(
    request: pytest.FixtureRequest,
    roots: Mapping[str | None, Path],
    busybox: Busybox,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Engine]:
    """Yield each runtime as Debian sets it up, not started, on a machine of its own."""
    suite, kind = ENGINES[request.param]
    with started(roots[suite], tmp_path, tmp_path_factory) as machine:
        yield kind(machine, busybox)


@pytest.fixture
def ready(engine: Engine) -> Engine:
    """Return each runtime, running, with CDI switched on."""
    if engine.is_off:
        done = engine.machine.cdi("runtime", "enable", engine.name)
        assert done.returncode == 0, done.stderr
    engine.start()
    return engine


@contextlib.contextmanager
def started(root: Path, tmp_path: Path, factory: pytest.TempPathFactory) -> Generator[Machine]:
    """Yield a machine in which the files of the tests have the same paths."""
    directory = tmp_path / "machine"
    directory.mkdir()
    machine = Machine(root, directory, shared=(factory.getbasetemp(),))
    try:
        yield machine
    finally:
        machine.close()
