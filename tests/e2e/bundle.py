"""A container's configuration that a low-level runtime runs, with no engine above it."""

from __future__ import annotations

__all__ = ["Bundle"]

import itertools
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import subprocess

    from tests.e2e.busybox import Busybox
    from tests.e2e.machine import Machine

_numbers = itertools.count(1)


class Bundle:
    """A directory with a configuration in a machine; `network` is the path of a namespace, "" the machine's own."""

    def __init__(self, machine: Machine, busybox: Busybox, program: str) -> None:
        self._machine = machine
        self.program = program
        self._directory = machine.root / "run/bundle"
        self._directory.mkdir()
        for command in (("cp", "-a", busybox.rootfs, "/run/rootfs"), ("sh", "-c", f"cd /run/bundle && {program} spec")):
            done = machine.execute(*command)
            assert done.returncode == 0, done.stderr
        config = json.loads((self._directory / "config.json").read_text())
        config["root"] = {"path": "/run/rootfs"}
        config["process"] |= {"terminal": False, "rlimits": []}
        config["process"]["capabilities"].pop("ambient", None)
        self._config = config

    def run(self, *devices: str, script: str, network: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run a shell script in a container that `cdi inject` has given these devices."""
        config = self.injected(*devices, script=script, network=network)
        (self._directory / "config.json").write_text(json.dumps(config))
        name = f"bundle{next(_numbers)}"
        return self._machine.execute(self.program, "run", "--bundle=/run/bundle", name)

    def injected(self, *devices: str, script: str = "true", network: str | None = None) -> dict[str, Any]:
        """Return the configuration with these devices."""
        linux = self._config["linux"]
        namespaces = [one for one in linux["namespaces"] if one["type"] != "network"]
        if network is None:
            namespaces = linux["namespaces"]
        elif network:
            namespaces.append({"type": "network", "path": network})
        process = {**self._config["process"], "args": ["/bin/sh", "-c", script]}
        plain = {**self._config, "process": process, "linux": {**linux, "namespaces": namespaces}}
        done = self._machine.execute("cdi", "inject", "-", *devices, "-o", "json", input=json.dumps(plain))
        assert done.returncode == 0, done.stderr
        config: dict[str, Any] = json.loads(done.stdout)
        return config
