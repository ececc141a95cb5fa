"""Every check of the project: `nox` runs what a change must pass, `nox -l` lists all."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import nox

PROJECT = nox.project.load_toml("pyproject.toml")
SUPPORTED = ("3.10", "3.11", "3.12", "3.13")
# What cannot run without the optional dependencies.
NEED_EXTRAS = (
    "tests/cli",
    "tests/deploy",
    "tests/e2e",
    "tests/nvml",
    "tests/package",
    "tests/property",
    "tests/test_elf.py",
    "tests/test_profile_schema.py",
    "tests/test_runtime_plans.py",
    "tests/test_runtime_texts.py",
    "tests/test_schema.py",
    "tests/test_schema_agreement.py",
    "tests/test_udev_agreement.py",
    "tests/test_uevents.py",
    "tests/test_watch.py",
    "tests/vm",
)

E2E = ("-n", "auto", "-m", "e2e", "tests/e2e")
VM = ("-m", "vm", "tests/vm")

nox.options.default_venv_backend = "uv|venv"  # uv makes an environment in seconds, not in a minute
nox.options.reuse_venv = "yes"
os.environ.setdefault("UV_PYTHON_DOWNLOADS", "never")  # the Pythons are this machine's own
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # the tests start hundreds of commands, each would compile all anew


def _installed() -> list[str]:
    """Return the supported Pythons that this machine has, at least the one that runs nox."""
    if shutil.which("pyenv"):  # its `python3.X` commands answer only for the versions that are switched on
        versions = subprocess.run(["pyenv", "versions", "--bare"], check=True, capture_output=True, text=True)
        known = [line for line in versions.stdout.split() if line.startswith(SUPPORTED)]
        os.environ["PYENV_VERSION"] = ":".join([*known, "system"])
    running = f"{sys.version_info.major}.{sys.version_info.minor}"
    return [version for version in SUPPORTED if version == running or _answers(f"python{version}")]


def _answers(python: str) -> bool:
    command = [python, "-c", "import ensurepip, venv"]
    try:
        return subprocess.run(command, check=False, capture_output=True).returncode == 0
    except FileNotFoundError:
        return False


def _group(name: str) -> tuple[str, ...]:
    return nox.project.dependency_groups(PROJECT, name)


INSTALLED = _installed()
OLDEST, NEWEST = INSTALLED[0], INSTALLED[-1]
# To keep it near ten minutes on two cores: every test runs on the oldest Python, those that need no extras and the
# wheel on the newest, containers and the virtual machine on one between them. `nox -s tests` runs every test on each.
BETWEEN = (INSTALLED[1:-1] or INSTALLED)[-1]
nox.options.sessions = ["lint", "types", "package", f"tests-{OLDEST}", "minimal", "machines"]


@nox.session
def lint(session: nox.Session) -> None:
    """Ruff: the rules and the format."""
    session.install(*_group("lint"))
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")


@nox.session
def types(session: nox.Session) -> None:
    """Mypy and pyright, over the tests too."""
    session.install("-e", ".[all]", *_group("types"), "nox")
    with subprocess.Popen([f"{session.bin}/mypy"]) as mypy:  # beside pyright: each keeps one core busy
        session.run("pyright")
    if mypy.returncode:
        session.error("mypy has found something")


@nox.session(python=INSTALLED)
def tests(session: nox.Session) -> None:
    """The tests, on every installed Python from 3.10 to 3.13."""
    session.install("-e", ".[all]", *_group("test"))
    session.run("pytest", "-n", "auto", "-m", "not e2e and not package and not vm", *session.posargs)


@nox.session(python=NEWEST)
def minimal(session: nox.Session) -> None:
    """The library's tests, without the optional dependencies."""
    session.install("-e", ".", *_group("minimal"))
    ignored = [f"--ignore={path}" for path in NEED_EXTRAS]
    session.run("pytest", "-n", "auto", "-m", "not slow", *ignored, *session.posargs)


@nox.session
def property(session: nox.Session) -> None:  # noqa: A001 - the name of the session
    """Property tests, for minutes instead of seconds."""
    session.install("-e", ".[all]", *_group("test"))
    session.run("pytest", "-n", "auto", "tests/property", "--hypothesis-profile=long", *session.posargs)


@nox.session(python=NEWEST)
def package(session: nox.Session) -> None:
    """Build the sdist and the wheel, and use them as others would."""
    session.install(*_group("package"))
    session.run("pytest", "-m", "package", "tests/package", *session.posargs)


@nox.session(python=BETWEEN)
def machines(session: nox.Session) -> None:
    """The sessions `e2e` and `vm` beside each other: the emulator keeps one core busy, and containers wait a lot."""
    _install_for_machines(session)
    told = Path(session.virtualenv.location) / "vm.log"
    with (
        told.open("wb") as log,
        subprocess.Popen([f"{session.bin}/pytest", *VM], stdout=log, stderr=subprocess.STDOUT) as guest,
    ):
        try:
            session.run("pytest", *E2E)
        finally:
            guest.wait()
            session.log(f"pytest {' '.join(VM)}\n{told.read_text()}")
    if guest.returncode:
        session.error("a test in the virtual machine has failed")


@nox.session(python=BETWEEN)
def e2e(session: nox.Session) -> None:
    """Real containers, by runtimes of several releases of Debian; needs root and what .ci/run installs."""
    _install_for_machines(session)
    session.run("pytest", *E2E, *session.posargs)


@nox.session(python=BETWEEN)
def vm(session: nox.Session) -> None:
    """A real kernel with emulated hardware, in QEMU; needs root and what .ci/run installs."""
    _install_for_machines(session)
    session.run("pytest", *VM, *session.posargs)


def _install_for_machines(session: nox.Session) -> None:
    # What is not compiled yet is compiled under emulation, which takes twenty times as long.
    session.install(".[all]", *_group("e2e"), env={"UV_COMPILE_BYTECODE": "1"})


@nox.session
def bench(session: nox.Session) -> None:
    """Print the table of budgets, as ratios measured in one run; `-- --strict` fails when one is over."""
    session.install(".[all]")
    session.run("python", "-m", "tests.benchmarks.budgets", *session.posargs)
