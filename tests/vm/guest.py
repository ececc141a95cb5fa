"""A virtual machine with emulated hardware and Debian's kernel, and the tests that run in it.

The tests are collected here and run there: pytest runs in the guest with the same arguments, and what it reports is
reported here. A guest that does not start, or stops halfway, fails each test that it said nothing of.
"""

from __future__ import annotations

__all__ = ["Guest", "GuestError"]

import json
import lzma
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from tests.e2e.machine import PROJECT, python_paths
from tests.e2e.roots import KERNEL, root_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

HERE = Path(__file__).parent
LIMIT = 900.0  # seconds, of which it needs a third where others are busy beside it
APPLETS = ("insmod", "mkdir", "mount", "sh", "switch_root", "umount")
# What the kernel needs to find its root: files of another machine, and memory above them.
MODULES = ("9p", "9pnet_virtio", "overlay")
DISK = 32 << 20
# Only what the tests need: under emulation each module that is loaded takes a tenth of a second.
PYTEST = ("-p", "no:cacheprovider", "-p", "tests.vm.telling", "--confcutdir=tests/vm", "--basetemp=/run/tests")


class GuestError(RuntimeError):
    """A guest that did not start, or did not come to its end; the message has the end of what its console showed."""


class Guest:
    """A guest that runs a command, as the first and last that it does; `directory` holds all that is its own."""

    def __init__(self, directory: Path, command: str, *, console: IO[str] | None = None) -> None:
        root = root_of(KERNEL)
        self._directory = directory
        out = directory / "out"
        out.mkdir()
        (out / "go").write_text(command)
        (directory / "initrd").write_bytes(initrd(root, directory / "tree"))
        with (directory / "disk.img").open("wb") as disk:
            disk.truncate(DISK)
        self._told = (out / "reports").open("w+", encoding="utf-8")
        self._failure: str | None = None
        self._end = time.monotonic() + LIMIT
        self._errors = (directory / "errors.log").open("w+", encoding="utf-8")
        self._qemu = subprocess.Popen(
            [HERE / "boot.sh", root, directory, HERE / "guest.sh", *python_paths()],
            stdin=console or subprocess.DEVNULL,
            stderr=None if console else self._errors,
            env={**os.environ, "CONSOLE": "mon:stdio" if console else f"file:{directory}/console.log"},
        )

    @classmethod
    def testing(cls, directory: Path, tests: Sequence[str]) -> Guest:
        """Return a guest that runs tests, which are given as pytest names them."""
        compiled = [PROJECT / name for name in ("cdi", "cli", "tests")]
        subprocess.run([sys.executable, "-m", "compileall", "-q", *compiled], check=True, stdout=subprocess.DEVNULL)
        command = [sys.executable, "-m", "pytest", *PYTEST, *tests]
        environment = "PYTEST_DISABLE_PLUGIN_AUTOLOAD=1 PYTHONDONTWRITEBYTECODE=1 CDI_TOOLS_GUEST=1"
        return cls(directory, f"cd {PROJECT} && {environment} exec {shlex.join(command)}\n")

    def reports(self, test: str) -> Iterator[dict[str, Any]]:
        """Yield what pytest in the guest reports of the next test, which is this; raise `GuestError` when it is not."""
        if self._failure is not None:
            raise GuestError(self._failure)
        for line in self._lines():
            report = json.loads(line)
            if report["nodeid"] != test:
                message = f"the guest reports of {report['nodeid']} instead"
                raise GuestError(message)
            yield report
            if report["when"] == "teardown":
                return

    def _lines(self) -> Iterator[str]:
        line = ""
        while True:
            ended = self._qemu.poll() is not None  # before the last look at what it wrote
            line += self._told.readline()
            if line.endswith("\n"):
                yield line
                line = ""
            elif ended or time.monotonic() > self._end:
                self.close()
                why = "ended before" if ended else f"had no more to say after {LIMIT:.0f} s, before"
                self._failure = f"the guest {why} this test"
                message = f"{self._failure}, its console:\n{self.console}"
                raise GuestError(message)
            else:
                time.sleep(0.1)

    @property
    def console(self) -> str:
        """What the guest's console showed last, and what QEMU complained of."""
        self._errors.seek(0)
        log = self._directory / "console.log"
        said = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
        return "\n".join((self._errors.read() + said).splitlines()[-100:])

    def wait(self) -> None:
        """Wait until it ends by itself."""
        self._qemu.wait()

    def close(self) -> None:
        """End it."""
        self._qemu.kill()
        self._qemu.wait()
        self._told.close()


def initrd(root: Path, tree: Path) -> bytes:
    """Return the archive that the kernel unpacks and starts: busybox, `init.sh`, and some of its modules."""
    for name in ("bin", "modules"):
        (tree / name).mkdir(parents=True)
    shutil.copy(str(shutil.which("busybox")), tree / "bin/busybox")
    for applet in APPLETS:
        (tree / "bin" / applet).symlink_to("busybox")
    shutil.copy(HERE / "init.sh", tree / "init")
    (modules,) = (root / "usr/lib/modules").iterdir()
    for number, file in enumerate(_in_order(modules)):
        target = tree / f"modules/{number:02}-{file.stem}"
        target.write_bytes(lzma.decompress(file.read_bytes()))
    names = "\n".join(str(path.relative_to(tree)) for path in sorted(tree.rglob("*")))
    command = ("busybox", "cpio", "-o", "-H", "newc")
    return subprocess.run(command, input=names.encode(), cwd=tree, check=True, capture_output=True).stdout


def _in_order(directory: Path) -> list[Path]:
    """Return the files of `MODULES`, each after those that it depends on, which modules.dep lists last first."""
    lines = (directory / "modules.dep").read_text().splitlines()
    needs = {file: more.split() for file, _, more in (line.partition(":") for line in lines)}
    files: dict[str, None] = {}
    for name in MODULES:
        (file,) = (file for file in needs if file.endswith(f"/{name}.ko.xz"))
        files |= dict.fromkeys([*reversed(needs[file]), file])
    return [directory / file for file in files]


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="cdi-tools-vm-") as made:
        path = f"cd {PROJECT}; PATH={Path(sys.executable).parent}:$PATH"
        setup = "python -c 'from tests.vm.hardware import set_up; print(set_up())'"
        Guest(Path(made), f"{path}\n{setup}\nsetsid --ctty bash -i\n", console=sys.stdin).wait()
