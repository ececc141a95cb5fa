"""The programs of runtimes: where they are, of which version, and how we know."""

from __future__ import annotations

__all__ = ["Program", "Programs", "release_of"]

import re
from typing import TYPE_CHECKING

import msgspec

from cdi.host import HostError
from cdi.runtimes.asking import is_trusted
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


def release_of(version: str | None) -> tuple[int, ...] | None:
    """Return `(1, 7, 24)` of `1.7.24~ds1`."""
    match = _RELEASE.match(version.removeprefix("v")) if version is not None else None
    return tuple(map(int, match[0].split("."))) if match is not None else None


class Programs:
    """The programs of a host; those of the machine that we run on are asked for their version."""

    def __init__(self, host: Host, ask: Ask | None) -> None:
        self._host = host
        self._ask = ask

    def find(self, names: Sequence[str]) -> tuple[str, ...]:
        """Return the paths of programs with one of these names, the one that services start first, each file once."""
        found: dict[str, str] = {}
        for name in names:
            for directory in (*_DIRECTORIES, *_SNAPS):
                for path in self._host.glob(f"{directory}/{name}"):
                    if self.is_program(path):
                        found.setdefault(self._host.resolve(path), path)
        return tuple(found.values())

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
        return self._ask([path, *arguments])

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
