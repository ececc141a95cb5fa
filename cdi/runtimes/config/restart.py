"""Making a daemon read its changed configuration: what that takes, and doing it with systemd."""

from __future__ import annotations

__all__ = ["Ran", "Restart", "Restarted", "Run", "restart", "restart_of", "run_program"]

import subprocess
from typing import TYPE_CHECKING, NamedTuple, Protocol

import msgspec

from cdi.host.trust import is_trusted
from cdi.runtimes.programs import paths_of

if TYPE_CHECKING:
    from cdi.host import Host

_SYSTEMCTL = ("/usr/bin/systemctl", "/bin/systemctl")
_TIMEOUT = 300  # seconds; systemd gives up on a daemon earlier
_ENVIRONMENT = {"LANG": "C", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
_SYSTEMD = "/run/systemd/system"  # sd_booted(3)
_UNIT_DIRS = tuple(f"{place}/systemd/system" for place in ("/etc", "/run", "/usr/local/lib", "/usr/lib", "/lib"))
_ENABLED = ("/etc/systemd/system/*.wants", "/run/systemd/system/*.wants")  # by systemctl enable


class Restart(msgspec.Struct, frozen=True, kw_only=True):
    """What a runtime needs to see a change: its unit is restarted or reloaded, for a reason."""

    verb: str  # as in systemctl
    unit: str
    why: str

    @property
    def command(self) -> str:
        """What to type."""
        return f"systemctl {self.verb} {self.unit}"


class Restarted(msgspec.Struct, frozen=True, kw_only=True):
    """How that went: `ok` is False when the daemon is not up, None when nothing was done; `outcome` says it."""

    ok: bool | None
    outcome: str


class Ran(NamedTuple):
    """The end of a program."""

    code: int
    output: str


class Run(Protocol):
    """Runs a program by its absolute path, without a shell."""

    def __call__(self, *command: str) -> Ran:
        """Return its exit code and what it wrote."""
        ...


class _Reader(NamedTuple):
    verb: str
    units: tuple[str, ...]  # the first that is enabled, else the first that is installed
    why: str


_RESTART = "restart"
_RELOAD = "reload"
_READERS = {
    "buildkit": _Reader(_RESTART, ("buildkit.service",), "buildkitd reads its configuration when it starts"),
    "containerd": _Reader(
        _RESTART,
        ("containerd.service", "snap.microk8s.daemon-containerd.service"),
        "containerd reads its configuration when it starts, and ends on SIGHUP; containers go on",
    ),
    "cri-o": _Reader(_RELOAD, ("crio.service", "cri-o.service"), "CRI-O reads cdi_spec_dirs again on SIGHUP"),
    "docker": _Reader(
        _RESTART,
        ("docker.service", "snap.docker.dockerd.service"),
        "dockerd does not look at CDI settings on SIGHUP; containers stop, but for live-restore",
    ),
    "k3s": _Reader(
        _RESTART, ("k3s.service", "k3s-agent.service"), "k3s starts containerd and writes its configuration"
    ),
    "rke2": _Reader(
        _RESTART,
        ("rke2-server.service", "rke2-agent.service"),
        "rke2 starts containerd and writes its configuration",
    ),
}


def restart_of(host: Host, runtime: str) -> Restart | None:
    """Return what a runtime needs to see a change; None for one that reads its configuration each time it is used.

    RKE2 brings the units of servers and of agents together: the one that is enabled is the one of this node.
    """
    reader = _READERS.get(runtime)
    if reader is None:
        return None
    enabled = [path.rpartition("/")[2] for wants in _ENABLED for path in paths_of(host, f"{wants}/*.service")]
    installed = [unit for unit in reader.units if any(host.exists(f"{place}/{unit}") for place in _UNIT_DIRS)]
    found = [*(unit for unit in reader.units if unit in enabled), *installed, reader.units[0]]
    return Restart(verb=reader.verb, unit=found[0], why=reader.why)


def restart(host: Host, needed: Restart, run: Run) -> Restarted:
    """Restart or reload a daemon of this machine and see whether it is up again; one that is stopped stays so."""
    if not host.is_here:
        return Restarted(ok=None, outcome="not done: it would be on this machine, and the files are of another root")
    systemctl = next((path for path in _SYSTEMCTL if host.exists(path)), None)
    if systemctl is None or not host.is_dir(_SYSTEMD):
        return Restarted(ok=None, outcome=f"not done: systemd does not run here, {needed.verb} it by hand")
    if not is_trusted(host, systemctl):
        return Restarted(ok=None, outcome=f"not done: others than root may change {systemctl}")
    if run(systemctl, "is-active", needed.unit).code != 0:
        return Restarted(ok=None, outcome=f"{needed.unit} does not run: it reads its configuration when it starts")
    done = run(systemctl, needed.verb, needed.unit)
    state = run(systemctl, "is-active", needed.unit)
    if done.code == 0 and state.code == 0:
        return Restarted(ok=True, outcome=f"{needed.unit} is up again")
    said = " ".join(done.output.split()) or f"it is {state.output.strip() or 'not active'}"
    return Restarted(ok=False, outcome=f"{needed.unit} did not come up again: {said}")


def run_program(*command: str) -> Ran:
    """Run a program by its absolute path, without a shell and with an environment of our own."""
    try:
        done = subprocess.run(  # noqa: S603 - a program of root's; see cdi.host.trust
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=_TIMEOUT,
            env=_ENVIRONMENT,
            cwd="/",
            check=False,
        )
    except (OSError, subprocess.SubprocessError) as error:
        return Ran(-1, str(error))
    return Ran(done.returncode, done.stdout.decode("utf-8", "replace"))
