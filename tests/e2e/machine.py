"""A machine to try container runtimes on: its own root file system, processes, network, mounts and cgroups.

What is written there never reaches the real machine or the root file system that it started from, and everything that
runs there ends with it, or with the tests. It sees the Python that runs the tests and the installed `cdi`.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import subprocess
import sys
import sysconfig
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PROJECT = Path(__file__).parents[2]
MACHINE = Path(__file__).with_name("machine.sh")
CDI = Path(sys.executable).with_name("cdi")  # the installed command, as users start it
HOOK = CDI.with_name("cdi-hook")
CGROUPS = Path("/sys/fs/cgroup")
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
ENVIRONMENT = {"PATH": PATH, "HOME": "/root", "LANG": "C.UTF-8"}
# A process that enters namespaces stays in its old cgroup, which has no path in the new ones.
JOIN = """
if [ -d /sys/fs/cgroup/init ]; then
    echo $$ >/sys/fs/cgroup/init/cgroup.procs
else
    for procs in /sys/fs/cgroup/*/cgroup.procs; do echo $$ >"$procs"; done
fi
exec "$@"
"""
_numbers = itertools.count(1)


class Machine:
    """A running machine. `root` is its root file system as the tests see it: they read and write files below."""

    def __init__(self, lower: Path, directory: Path, *, shared: tuple[Path, ...] = ()) -> None:
        self.directory = directory
        self._cgroup = f"cdi-tools-e2e-{os.getpid()}-{next(_numbers)}"
        for hierarchy in _hierarchies():
            _make_cgroup(hierarchy / self._cgroup)
        command: list[str | Path] = [MACHINE, lower, directory, self._cgroup, *shared, *python_paths()]
        self._init = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._daemons: list[Daemon] = []
        process = self._stdout.readline().strip()
        if not process:
            self.close()
            message = "the machine did not start: its errors are above"
            raise RuntimeError(message)
        self.process = int(process)
        self.root = Path(f"/proc/{process}/root")
        for program in (CDI, HOOK):  # where an installation has them, and hooks are looked for
            link = self.root / "usr/bin" / program.name
            link.unlink(missing_ok=True)
            link.symlink_to(program)

    @property
    def _stdout(self) -> IO[str]:
        assert self._init.stdout is not None
        return self._init.stdout

    @property
    def etc(self) -> Path:
        return self.root / "etc/cdi"

    @property
    def run(self) -> Path:
        return self.root / "run/cdi"

    def specs(self) -> list[Path]:
        """Return what is installed, as paths of the machine."""
        return [Path("/") / file.relative_to(self.root) for file in (*self.etc.iterdir(), *self.run.iterdir())]

    def execute(self, *command: str | Path, input: str | None = None) -> subprocess.CompletedProcess[str]:  # noqa: A002 - as in subprocess
        """Run a command in the machine; any exit code will do."""
        return subprocess.run(
            self._entering(*command),
            check=False,
            capture_output=True,
            text=True,
            timeout=120,
            input=input,
            env=ENVIRONMENT,
        )

    def cdi(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        return self.execute(CDI, *arguments)

    def daemon(self, *command: str | Path, ready: Callable[[], bool]) -> Daemon:
        """Start a program that goes on running, and wait until it is ready; `RuntimeError` when it ends instead."""
        daemon = Daemon(self, command)
        self._daemons.append(daemon)
        daemon.wait(ready)
        return daemon

    def popen(self, *command: str | Path, log: IO[str]) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self._entering(*command), stdin=subprocess.DEVNULL, stdout=log, stderr=log, text=True, env=ENVIRONMENT
        )

    def _entering(self, *command: str | Path) -> list[str | Path]:
        namespaces = ("--mount", "--pid", "--cgroup", "--ipc", "--net", "--uts")
        return ["nsenter", "--target", str(self.process), *namespaces, "--", "/bin/sh", "-c", JOIN, "sh", *command]

    def close(self) -> None:
        """End everything that runs in the machine; show what its daemons had to say."""
        self._init.kill() if self._init.stdin is None else self._init.stdin.close()
        self._init.wait(timeout=30)
        self._stdout.close()
        for daemon in self._daemons:
            daemon.ended()
        for hierarchy in _hierarchies():
            _remove_cgroup(hierarchy / self._cgroup)


class Daemon:
    """A program that goes on running in a machine."""

    def __init__(self, machine: Machine, command: tuple[str | Path, ...]) -> None:
        self._machine = machine
        self.name = Path(command[0]).name
        self._pid = f"run/{self.name}.test-pid"
        (machine.root / self._pid).unlink(missing_ok=True)
        self._path = machine.directory.with_name(f"{machine.directory.name}-{self.name}-{next(_numbers)}.log")
        self._log = self._path.open("w", encoding="utf-8")
        start = ("/bin/sh", "-c", f'echo $$ >/{self._pid}; exec "$@"', "sh", *command)
        self._process = machine.popen(*start, log=self._log)

    @property
    def log(self) -> str:
        return self._path.read_text(encoding="utf-8", errors="replace")

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def wait(self, ready: Callable[[], bool], *, seconds: float = 30) -> None:
        for _ in _polls(seconds):
            if ready():
                return
            if not self.running:
                break
        state = "is not ready" if self.running else f"ended with {self._process.returncode}"
        message = f"{self.name} {state}:\n{self.log}"
        raise RuntimeError(message)

    def wait_for_end(self, *, seconds: float = 30) -> None:
        """Wait until it ends by itself."""
        self._process.wait(timeout=seconds)

    def signal(self, name: str) -> None:
        pid = (self._machine.root / self._pid).read_text().strip()
        self._machine.execute("/bin/sh", "-c", f"kill -{name} {pid}")

    def stop(self) -> None:
        if self.running:
            self.signal("TERM")
            self._process.wait(timeout=30)

    def ended(self) -> None:
        self._process.wait(timeout=30)
        self._log.close()
        tail = "\n".join(self.log.splitlines()[-30:])
        print(f"--- {self.name} ---\n{tail}")  # noqa: T201 - pytest shows it beside a failure


def python_paths() -> tuple[Path, ...]:
    """Return the paths that a machine needs to run the Python that runs the tests, with all that it imports."""
    executables = [Path(sys.executable)]
    while executables[-1].is_symlink():  # that of an environment is a link to `python3`, and that to `python3.11`
        executables.append(executables[-1].parent / executables[-1].readlink())
    stdlib = Path(sysconfig.get_path("stdlib"))
    library = Path(sysconfig.get_config_var("LIBDIR")) / str(sysconfig.get_config_var("INSTSONAME"))
    shared = [library] if library.suffix != ".a" and library.exists() else []
    return (*executables[1:], stdlib, *shared, Path(sys.prefix), PROJECT)


def bury() -> None:
    """Remove the cgroups of tests that were killed, which nobody else would; nothing runs in them."""
    for hierarchy in _hierarchies():
        for path in hierarchy.glob("cdi-tools-e2e-*"):
            if not Path("/proc", path.name.split("-")[3]).exists():
                _remove_cgroup(path)


def _hierarchies() -> Iterator[Path]:
    if (CGROUPS / "cgroup.controllers").exists():
        yield CGROUPS
        return
    for path in sorted(CGROUPS.iterdir()):
        if not path.is_symlink() and (path / "cgroup.procs").exists() and not (path / "cgroup.controllers").exists():
            yield path


def _make_cgroup(path: Path) -> None:
    path.mkdir()
    for name in ("cpuset.cpus", "cpuset.mems"):  # empty in a new cgroup of version 1, which then takes no process
        if (path / name).exists() and not (path / "cgroup.controllers").exists():
            shutil.copyfile(path.parent / name, path / name)


def _remove_cgroup(path: Path) -> None:
    for directory, _, _ in os.walk(path, topdown=False):
        for _ in _polls(10):  # the kernel lets go of a process a little after its end
            with contextlib.suppress(OSError):
                os.rmdir(directory)  # noqa: PTH106 - os.walk gives strings
                break


def _polls(seconds: float) -> Iterator[None]:
    """Yield now and then until that many seconds have gone."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        yield
        time.sleep(0.02)
