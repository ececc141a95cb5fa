"""A container runtime of a host: whether and how it reads CDI specs, and how we know."""

from __future__ import annotations

__all__ = ["Daemon", "LowLevel", "Runtime"]

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from cdi.problem import Problem


class LowLevel(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The program that makes the containers (runc, crun); `lacks` names the fields of edits that it ignores."""

    name: str
    program: str | None = None
    version: str | None = None
    lacks: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """The program as a person would name it: `runc 1.1.5`."""
        return f"{self.name} {self.version}" if self.version is not None else self.name


class Daemon(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A running daemon: `started` in seconds since 1970, `outdated_by` the files that it reads changed since then."""

    pid: int
    program: str
    started: float
    arguments: tuple[str, ...] = ()
    outdated_by: tuple[str, ...] = ()


class Runtime(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """An installed runtime; a `…_why` says where a fact is from: a file with its line, or the default of a version.

    `name` is as in `cdi.compat.RUNTIMES`, or `k3s`, `rke2`, `ctr`. `enabled` is None when it cannot be told.
    `spec_dirs` are the directories that it really reads, paths of the host, from low to high priority.
    `newest_version` is the newest CDI version that it loads. `configs` are the files that it reads, in order; one
    that cannot be parsed is among `problems`, whose `where` is the path of the file.
    """

    name: str
    program: str
    version: str | None = None
    version_why: str = ""
    enabled: bool | None = None
    enabled_why: str = ""
    spec_dirs: tuple[str, ...] = ()
    spec_dirs_why: str = ""
    newest_version: str | None = None
    newest_version_why: str = ""
    low_level: LowLevel | None = None
    daemon: Daemon | None = None
    configs: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()
    remarks: tuple[str, ...] = ()  # what its user should know and no field says

    @property
    def label(self) -> str:
        """The runtime as a person would name it: `podman 4.3.1`."""
        return f"{self.name} {self.version}" if self.version is not None else self.name

    @property
    def release(self) -> str | None:
        """`podman-4.3.1`, as `cdi.compat.newest_version` takes it."""
        return None if self.version is None else f"{self.name}-{self.version}"
