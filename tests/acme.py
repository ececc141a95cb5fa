"""A host that changes: a directory with accelerators whose nodes are FIFOs, which no right is needed to make."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

from cdi.discovery import discover
from cdi.generation import generate
from cdi.host import Host
from cdi.hostcheck import check_host
from cdi.upkeep import wanted

if TYPE_CHECKING:
    from pathlib import Path
    from random import Random

    from cdi.model import Spec
    from cdi.upkeep import Wanted

FAMILIES = ("acme-npu", "acme-fpga")
NPU, FPGA = "acme.example/npu", "acme.example/fpga"
_PROFILES = {
    "npu": """\
version: 1
family: acme-npu
kind: acme.example/npu
summary: accelerators of Acme
devices:
  - what: Acme NPU
    sysfs: /sys/class/npu/npu{n}
    nodes: ["/dev/npu/{n}-core*"]
    name: "{n}"
shared:
  mounts: [/opt/acme]
  libraries: ["libacme-npu.so*"]
""",
    "fpga": """\
version: 1
family: acme-fpga
kind: acme.example/fpga
summary: programmable logic of Acme
devices:
  - what: Acme FPGA
    sysfs: /sys/class/fpga/fpga{n}
    nodes: ["/dev/fpga{n}"]
    name: "{n}"
""",
}


class Acme:
    """A root directory whose hardware and driver come and go."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.dirs = (root / "etc/cdi", root / "var/run/cdi")
        profiles = root / "etc/cdi-tools/profiles.d"
        for path in (profiles, *(root / name for name in ("sys/class", "dev/npu", "usr/lib64", "opt/acme"))):
            path.mkdir(parents=True)
        for name, text in _PROFILES.items():
            (profiles / f"{name}.yaml").write_text(text)
        self.load_driver()

    @property
    def installed(self) -> Path:
        """Where specs are."""
        return self.dirs[-1]

    def add_npu(self, number: int, *, cores: int = 2) -> None:
        (self.root / f"sys/class/npu/npu{number}").mkdir(parents=True, exist_ok=True)
        for core in range(cores):
            self._fifo(f"dev/npu/{number}-core{core}")

    def remove_npu(self, number: int) -> None:
        shutil.rmtree(self.root / f"sys/class/npu/npu{number}", ignore_errors=True)
        for node in (self.root / "dev/npu").glob(f"{number}-core*"):
            node.unlink()

    def add_fpga(self, number: int) -> None:
        (self.root / f"sys/class/fpga/fpga{number}").mkdir(parents=True, exist_ok=True)
        self._fifo(f"dev/fpga{number}")

    def remove_fpga(self, number: int) -> None:
        shutil.rmtree(self.root / f"sys/class/fpga/fpga{number}", ignore_errors=True)
        (self.root / f"dev/fpga{number}").unlink(missing_ok=True)

    def load_driver(self, version: str = "1") -> None:
        self.unload_driver()
        (self.root / f"usr/lib64/libacme-npu.so.{version}").touch()

    def unload_driver(self) -> None:
        for library in (self.root / "usr/lib64").glob("libacme-npu.so.*"):
            library.unlink()

    def npus(self) -> set[str]:
        """Return the numbers of the NPUs that are there."""
        return {path.name.removeprefix("npu") for path in (self.root / "sys/class").glob("npu/npu*")}

    def shake(self, random: Random) -> None:
        """Let one thing happen to the hardware."""
        number = random.randrange(6)
        do = random.choice(
            (
                self.add_npu,
                self.add_npu,
                self.add_npu,
                self.remove_npu,
                self.remove_npu,
                self.add_fpga,
                self.remove_fpga,
            )
        )
        do(number)
        if random.random() < 0.1:
            self.load_driver(random.choice("123"))

    def specs(self) -> dict[str, Spec]:
        """Return the specs that are right now, by kind."""
        return {spec.kind: spec for spec in generate(discover(Host(self.root), FAMILIES))}

    def _fifo(self, path: str) -> None:
        if not (self.root / path).exists():
            os.mkfifo(self.root / path)


def make(host: Host, families: tuple[str, ...] | None = FAMILIES) -> Wanted:
    """Return what a host should have, as the command does."""
    discovery = discover(host, families)
    specs = generate(discovery).specs
    return wanted(discovery, specs, [(spec, problem) for spec in specs for problem in check_host(spec, host)])
