"""The programs of runtimes: where they are, of which version, and how we know."""

from __future__ import annotations

__all__ = ["Program", "Programs", "paths_of", "release_of"]

import re
from functools import cached_property
from threading import Thread
from typing import TYPE_CHECKING

import msgspec

from cdi.host import HostError
from cdi.host.trust import is_trusted
from cdi.runtimes.goinfo import GoBuild, read_build
from cdi.runtimes.packages import package_version

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cdi.host import Host
    from cdi.runtimes.asking import Ask

# Where a service looks (systemd.exec(5)), then what the usual images and installers bring.
_DIRECTORIES = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin", "/opt/bin", "/opt/*/bin")
_SNAPS = ("/snap/docker/current/bin", "/snap/microk8s/current/bin")
_EXECUTABLE = 0o111
_LIBRARIES = (
    "tags.cncf.io/container-device-interface",
    "github.com/container-orchestrated-devices/container-device-interface",
)
# podman version 4.3.1; containerd github.com/containerd/containerd/v2 2.1.9 …; Docker version 28.5.2, build …
_SAID = re.compile(r"(?:^|\s)v?(\d+\.\d+[^\s,;()]*)")
_RELEASE = re.compile(r"\d+(?:\.\d+)*")


class Program(msgspec.Struct, frozen=True, kw_only=True):
    """A program; `others` are further files of the same name elsewhere."""

    path: str
    version: str | None = None
    version_why: str = ""
    build: GoBuild | None = None
    others: tuple[str, ...] = ()

    @property
    def library(self) -> str | None:
        """The release of the CDI library that is compiled in, None when nothing says so."""
        modules = self.build.modules if self.build is not None else {}
        return next((modules[name] for name in _LIBRARIES if name in modules), None)


def release_of(version: str | None) -> tuple[int, ...] | None:
    """Return `(1, 7, 24)` of `1.7.24~ds1`."""
    match = _RELEASE.match(version.removeprefix("v")) if version is not None else None
    return tuple(map(int, match[0].split("."))) if match is not None else None


def paths_of(host: Host, pattern: str) -> tuple[str, ...]:
    """Return the paths that match, none where a directory cannot be read."""
    try:
        return tuple(host.glob(pattern))
    except HostError:
        return ()


def _names_in(host: Host, path: str) -> tuple[str, ...]:
    """Return the names in a directory, none if it cannot be read."""
    try:
        return host.listdir(path, natural=False)
    except HostError:
        return ()


class _Question(Thread):
    """A program that is being asked."""

    def __init__(self, ask: Ask, command: tuple[str, ...]) -> None:
        super().__init__(daemon=True)
        self._ask = ask
        self._command = command
        self.answer: str | None = None
        self.start()

    def run(self) -> None:
        """Wait for the answer."""
        self.answer = self._ask(self._command)


class Programs:
    """The programs of a host; those of the machine that we run on are asked for their version."""

    def __init__(self, host: Host, ask: Ask | None) -> None:
        self._host = host
        self._ask = ask
        self._asked: dict[tuple[str, ...], _Question] = {}

    def find(self, names: Sequence[str]) -> tuple[str, ...]:
        """Return the paths of programs with one of these names, the one that services start first, each file once."""
        found: dict[str, str] = {}
        for directory, there in self._places.items():
            for path in (f"{directory}/{name}" for name in names if name in there):
                if self.is_program(path):
                    found.setdefault(self._host.resolve(path), path)
        return tuple(found.values())

    @cached_property
    def _places(self) -> dict[str, frozenset[str]]:
        """The directories of programs, with the names in each; what cannot be read has none for us."""
        patterns = (*_DIRECTORIES, *_SNAPS)
        places = {path: _names_in(self._host, path) for pattern in patterns for path in paths_of(self._host, pattern)}
        return {path: frozenset(names) for path, names in places.items()}

    def is_program(self, path: str) -> bool:
        """Return whether there is a file at a path that may be executed."""
        try:
            stat = self._host.lookup(path)
        except HostError:
            return False
        return stat is not None and stat.type == "f" and bool(stat.mode & _EXECUTABLE)

    def ask(self, path: str, *arguments: str) -> str | None:
        """Return what a program says, None when it must not be asked or does not answer."""
        if self._ask is None or not is_trusted(self._host, path):
            return None
        question = self._asked.get((path, *arguments)) or _Question(self._ask, (path, *arguments))
        question.join()
        return question.answer

    def ask_ahead(self, path: str, *arguments: str) -> None:
        """Begin to ask a program what will be asked of it later, so that all think at the same time."""
        if self._ask is not None and is_trusted(self._host, path):
            command = (path, *arguments)
            self._asked[command] = _Question(self._ask, command)

    def identify(self, path: str, *, packages: Sequence[str] = (), others: Sequence[str] = ()) -> Program:
        """Return what is known of a program: what it says itself, else what was built into it, else its package."""
        build = read_build(self._host, path)
        version, why = next(self._versions(path, build, packages), (None, "neither it nor a package says"))
        return Program(path=path, version=version, version_why=why, build=build, others=tuple(others))

    def _versions(self, path: str, build: GoBuild | None, packages: Sequence[str]) -> Iterator[tuple[str, str]]:
        said = self.ask(path, "--version")
        match = _SAID.search(said) if said is not None else None
        if match is not None:
            yield match[1], f"{path} --version"
        if build is not None and build.version is not None:
            yield build.version, f"built into {path}"
        for package in packages:
            version = package_version(self._host, package, path)
            if version is not None:
                yield version, f"package {package}"
