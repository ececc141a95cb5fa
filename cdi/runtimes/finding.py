"""The container runtimes of a host."""

from __future__ import annotations

__all__ = ["RUNTIMES", "find_runtimes"]

from typing import TYPE_CHECKING, NamedTuple

from cdi.compat import newest_version
from cdi.errors import UsageError
from cdi.host import HostError
from cdi.runtimes.asking import Ask, ask_program
from cdi.runtimes.clients import buildkit, ctr, nerdctl
from cdi.runtimes.containerd import containerd
from cdi.runtimes.crio import crio
from cdi.runtimes.docker import docker
from cdi.runtimes.goinfo import read_spec_versions
from cdi.runtimes.installed import Installed, Settings
from cdi.runtimes.low_level import find_low_level
from cdi.runtimes.podman import buildah, podman
from cdi.runtimes.processes import Process, find_processes, flags
from cdi.runtimes.programs import Program, Programs, release_of
from cdi.runtimes.rancher import engine_of, k3s, rke2
from cdi.runtimes.runtime import Daemon, Runtime
from cdi.versions import LATEST, VERSIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from cdi.host import Host


class _Kind(NamedTuple):
    """How a runtime is found: its programs, its Debian packages, and what reads its settings."""

    programs: tuple[str, ...]
    settings: Callable[[Installed], Settings]
    packages: tuple[str, ...] = ()
    is_daemon: bool = True
    engine: str | None = None  # the runtime inside that reads the specs


_KINDS = {
    "containerd": _Kind(("containerd",), containerd, ("containerd", "containerd.io")),
    "cri-o": _Kind(("crio",), crio, ("cri-o",)),
    "docker": _Kind(("dockerd",), docker, ("docker.io", "docker-ce", "moby-engine")),
    "podman": _Kind(("podman",), podman, ("podman",), is_daemon=False),
    "buildah": _Kind(("buildah",), buildah, ("buildah",), is_daemon=False),
    "k3s": _Kind(("k3s",), k3s, engine="containerd"),
    "rke2": _Kind(("rke2",), rke2, engine="containerd"),
    "nerdctl": _Kind(("nerdctl",), nerdctl, ("nerdctl",), is_daemon=False),
    "ctr": _Kind(("ctr",), ctr, ("containerd", "containerd.io"), is_daemon=False),
    "buildkit": _Kind(("buildkitd",), buildkit),
}
RUNTIMES: tuple[str, ...] = tuple(_KINDS)  # the names, in the order in which they are listed
_TABLES = {"ctr": "containerd"}  # whose releases `cdi.compat` has
# The time of boot, from which the kernel counts the starts of processes, is told in whole seconds, rounded down.
_ROUNDING = 1.0
_RANCHER = "/var/lib/rancher/"
_DOCKERS_OWN = ("/run/docker/", "/var/run/docker/")  # the configuration of a containerd that dockerd starts


def find_runtimes(host: Host, *, ask: Ask | None = None) -> tuple[Runtime, ...]:
    """Return the runtimes that are installed below a root, in the order of `RUNTIMES`.

    `ask` runs a program and returns what it says; without it, the programs of the machine that we run on are
    asked for their version, and those below another root are never run.
    """
    host = host.remembering()
    programs = Programs(host, ask if ask is not None else ask_program if host.is_here else None)
    paths = {
        name: [path for path in programs.find(kind.programs) if _is_own(host, path, kind)]
        for name, kind in _KINDS.items()
    }
    for found in paths.values():
        for path in found[:1]:
            programs.ask_ahead(path, "--version")
    processes = find_processes(host, {name for kind in _KINDS.values() for name in kind.programs})
    return tuple(runtime for name in _KINDS for runtime in _find(name, paths[name], host, programs, processes))


def _find(
    name: str, paths: Sequence[str], host: Host, programs: Programs, processes: Sequence[Process]
) -> Iterator[Runtime]:
    kind = _KINDS[name]
    process = next(_daemons(name, kind, processes), None)
    if process is not None and kind.engine is None and programs.is_program(process.program):
        own = host.resolve(process.program)
        paths = [process.program, *(path for path in paths if host.resolve(path) != own)]
    if not paths:
        return
    program = programs.identify(paths[0], packages=kind.packages, others=paths[1:])
    engine = engine_of(name, host, programs, program) if kind.engine is not None else program
    installed = Installed(name=kind.engine or name, host=host, program=engine, process=process)
    settings = kind.settings(installed)
    newest, newest_why = _newest(_TABLES.get(installed.name, installed.name), host, engine)
    yield Runtime(
        name=name,
        program=program.path,
        version=program.version,
        version_why=program.version_why,
        enabled=settings.enabled,
        enabled_why=settings.enabled_why,
        spec_dirs=settings.spec_dirs if settings.enabled is not False else (),
        spec_dirs_why=settings.spec_dirs_why if settings.enabled is not False else "",
        newest_version=newest,
        newest_version_why=newest_why,
        low_level=find_low_level(programs, settings.low_level, settings.low_level_paths)
        if settings.low_level
        else None,
        daemon=_daemon(host, process, settings.configs) if process is not None else None,
        configs=settings.configs,
        problems=settings.problems,
        remarks=(*_on_programs(program, process), *settings.remarks),
    )


def _is_own(host: Host, path: str, kind: _Kind) -> bool:
    """Return whether a program is the runtime's own: K3s links `ctr` and `containerd` to itself."""
    return host.resolve(path).rpartition("/")[2] in kind.programs


def _daemons(name: str, kind: _Kind, processes: Sequence[Process]) -> Iterator[Process]:
    """Yield the daemons of a runtime; of K3s and RKE2 the containerd in it, which starts once its files are written."""
    if not kind.is_daemon:
        return
    for process in processes:
        config = (*flags(process.arguments, "--config", "-c"), "")[0]
        if kind.engine is not None:
            if config.startswith(f"{_RANCHER}{name}/"):
                yield process
        elif process.name in kind.programs and not config.startswith((_RANCHER, *_DOCKERS_OWN)):
            yield process


def _newest(table: str, host: Host, program: Program) -> tuple[str | None, str]:
    """Return the newest CDI version that a runtime loads: that of the library in it, or of its release."""
    release = release_of(program.library)
    if release is not None:
        return _written(release), f"its CDI library is {program.library}"
    functions = read_spec_versions(host, program.path) if program.build is not None else ()
    if functions:
        return _known(functions[-1]), f"its CDI library has functions for {functions[-1]}"
    if program.version is None:
        return None, "its version is not known"
    try:
        return newest_version(f"{table}-{program.version}"), "by its release"
    except UsageError as error:
        return None, error.message


def _written(release: tuple[int, ...]) -> str:
    """Return the newest version that a release of the library reads, which has its first two numbers, if we know it."""
    return _known(".".join(map(str, (*release[:2], 0))))


def _known(version: str) -> str:
    return version if version in VERSIONS else LATEST


def _daemon(host: Host, process: Process, configs: Sequence[str]) -> Daemon:
    changed = [path for path in configs if _modified(host, path) > process.started + _ROUNDING]
    return Daemon(
        pid=process.pid,
        program=process.program,
        started=process.started,
        arguments=process.arguments,
        outdated_by=tuple(changed),
    )


def _modified(host: Host, path: str) -> float:
    try:
        return host.stat(path).modified or 0.0
    except HostError:
        return 0.0


def _on_programs(program: Program, process: Process | None) -> Iterator[str]:
    if program.others:
        yield f"there are others of the same name: {', '.join(program.others)}"
    if process is not None and process.replaced:
        yield f"the running daemon is an older program than {process.program}: restart it"
