"""The container runtimes of a machine, each started and asked for a container in its own way."""

from __future__ import annotations

__all__ = ["ENGINES", "LIMITS", "Containerd", "Ctr", "Docker", "Engine", "OldContainerd", "Podman"]

import itertools
import json
import re
import subprocess
from abc import ABC, abstractmethod
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.e2e.busybox import IMAGE
from tests.e2e.cri import Client, CriError

if TYPE_CHECKING:
    from tests.e2e.busybox import Busybox
    from tests.e2e.machine import Daemon, Machine

_numbers = itertools.count()
# Limits below the machine's own: podman's defaults need CAP_SYS_RESOURCE, which virtual machines may lack.
LIMITS = ("--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1000:1000")


class Engine(ABC):
    """A container runtime of a machine."""

    name: str  # as in `cdi.compat.RUNTIMES`
    is_off = False  # whether CDI is to be switched on first
    config: str  # the file that its settings are in, below the root
    daemon: Daemon | None = None

    def __init__(self, machine: Machine, busybox: Busybox) -> None:
        self.machine = machine
        self.busybox = busybox

    @cached_property
    def rootfs(self) -> Path:
        """The root file system of containers that have no image: a copy, since they write there."""
        path = Path("/run/rootfs")
        assert self.machine.execute("cp", "-a", self.busybox.rootfs, path).returncode == 0
        return path

    @property
    def version(self) -> str:
        return self._version(self.name, "--version")

    @property
    def client(self) -> str:
        """The runtime's name for `cdi runtime`."""
        return self.name

    def start(self) -> None:  # noqa: B027 - podman has no daemon
        """Start the daemon, if there is one, and wait until it answers."""

    def stop(self) -> None:
        """Stop the daemon as its service manager would."""
        if self.daemon is not None:
            self.daemon.stop()

    def restart(self) -> None:
        self.stop()
        self.start()

    @abstractmethod
    def run(self, *devices: str, script: str = "true") -> subprocess.CompletedProcess[str]:
        """Run a shell script in a container that has these devices."""

    def effective(self) -> dict[str, Any]:
        """Return the configuration that the daemon says it has."""
        message = f"{self.name} has no daemon"
        raise NotImplementedError(message)

    def complaints(self) -> str:
        """Return what the runtime says, for its own eyes, of the files in the spec directories."""
        done = self.run("vendor.com/e2e=nothing")
        return done.stderr + (self.daemon.log if self.daemon is not None else "")

    def _version(self, *command: str) -> str:
        output = self.machine.execute(*command).stdout
        found = re.search(r"\d+\.\d+\.\d+", output)
        assert found, output
        return found[0]


class Podman(Engine):
    name = "podman"
    config = "etc/containers/containers.conf.d/50-cdi.conf"

    level = "error"

    def run(self, *devices: str, script: str = "true") -> subprocess.CompletedProcess[str]:
        general = (f"--log-level={self.level}", "--runtime=runc", "--storage-driver=vfs")
        options = ("--rm", "--network=none", *LIMITS, *(f"--device={name}" for name in devices))
        container = ("--rootfs", self.rootfs)
        return self.machine.execute("podman", *general, "run", *options, *container, "/bin/sh", "-c", script)

    def complaints(self) -> str:
        self.level = "debug"  # at which it says nothing of a container, but all of a file
        try:
            return super().complaints()
        finally:
            self.level = "error"


class Containerd(Engine):
    """Containerd as a kubelet uses it: through its CRI socket, with device names in a field of the request."""

    name = "containerd"
    config = "etc/containerd/config.toml"
    socket = "run/containerd/containerd.sock"
    cri: Client | None = None

    def __init__(self, machine: Machine, busybox: Busybox) -> None:
        super().__init__(machine, busybox)
        # Debian's own file, and what this test's machine needs: an image for pods, and no CAP_SYS_RESOURCE.
        path = machine.root / self.config
        header = '[plugins."io.containerd.grpc.v1.cri"]\n'
        settings = f'    sandbox_image = "{IMAGE}"\n    restrict_oom_score_adj = true\n'
        text = path.read_text()
        assert header in text
        path.write_text(text.replace(header, header + settings))

    def start(self) -> None:
        self.cri = Client(self.machine.root / self.socket, image=IMAGE)
        self.daemon = self.machine.daemon("containerd", ready=lambda: self._cri.ready)
        imported = self.machine.execute("ctr", "--namespace=k8s.io", "images", "import", self.busybox.archive)
        assert imported.returncode == 0, imported.stderr

    def stop(self) -> None:
        if self.cri is not None:
            self.cri.close()
        super().stop()

    def run(self, *devices: str, script: str = "true") -> subprocess.CompletedProcess[str]:
        return self.request(devices, script, annotations={})

    def run_annotated(self, *devices: str, script: str = "true") -> subprocess.CompletedProcess[str]:
        """Name the devices in an annotation of the container, as device plugins did before there was a field."""
        return self.request((), script, annotations={"cdi.k8s.io/test": ",".join(devices)})

    def request(
        self, devices: tuple[str, ...], script: str, *, annotations: dict[str, str]
    ) -> subprocess.CompletedProcess[str]:
        try:
            return self._cri.run(devices, script, annotations=annotations)
        except CriError as error:
            return subprocess.CompletedProcess((), 1, "", str(error))

    def effective(self) -> dict[str, Any]:
        return self._cri.config()

    @property
    def _cri(self) -> Client:
        assert self.cri is not None, "containerd is not started"
        return self.cri


class OldContainerd(Containerd):
    """Containerd 1.7, which has CDI off."""

    is_off = True


class Ctr(Containerd):
    """Containerd's own client, which reads the specs itself."""

    @property
    def client(self) -> str:
        return "ctr"

    def run(self, *devices: str, script: str = "true") -> subprocess.CompletedProcess[str]:
        options = ("--rm", *(f"--device={name}" for name in devices))
        container = f"ctr{next(_numbers)}"
        return self.machine.execute(
            "ctr", "run", *options, "--rootfs", self.busybox.rootfs, container, "/bin/sh", "-c", script
        )


class Docker(Engine):
    name = "docker"
    config = "etc/docker/daemon.json"
    socket = "run/docker.sock"

    def __init__(self, machine: Machine, busybox: Busybox) -> None:
        super().__init__(machine, busybox)
        path = machine.root / self.config
        path.parent.mkdir(parents=True, exist_ok=True)
        # A machine has no network to speak of.
        network = {"iptables": False, "ip6tables": False, "bridge": "none", "ip-forward": False}
        path.write_text(json.dumps(network, indent=2) + "\n")

    @property
    def version(self) -> str:
        return self._version("dockerd", "--version")

    def start(self) -> None:
        self.daemon = self.machine.daemon("dockerd", ready=self._answers)
        loaded = self.machine.execute("docker", "load", "--input", self.busybox.archive)
        assert loaded.returncode == 0, loaded.stderr

    def run(self, *devices: str, script: str = "true") -> subprocess.CompletedProcess[str]:
        options = ("--rm", "--network=none", *(f"--device={name}" for name in devices))
        return self.machine.execute("docker", "run", *options, IMAGE, "/bin/sh", "-c", script)

    def effective(self) -> dict[str, Any]:
        info: dict[str, Any] = json.loads(self.machine.execute("docker", "info", "--format", "{{json .}}").stdout)
        return info

    def _answers(self) -> bool:
        return self.machine.execute("docker", "version").returncode == 0


# By the name that tests have in their parameters: the suite whose root the runtime is in, None for this machine's own.
ENGINES: dict[str, tuple[str | None, type[Engine]]] = {
    "host-podman": (None, Podman),
    "forky-podman": ("forky", Podman),
    "forky-containerd": ("forky", Containerd),
    "forky-ctr": ("forky", Ctr),
    "forky-docker": ("forky", Docker),
    "trixie-containerd": ("trixie", OldContainerd),
}
