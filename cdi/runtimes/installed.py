"""What a runtime's settings are read from, and what comes of it."""

from __future__ import annotations

__all__ = ["DEFAULT_DIRS", "Installed", "Settings"]

from typing import TYPE_CHECKING

import msgspec

from cdi.runtimes.programs import Program, release_of

if TYPE_CHECKING:
    from cdi.host import Host
    from cdi.problem import Problem
    from cdi.runtimes.processes import Process

DEFAULT_DIRS = ("/etc/cdi", "/var/run/cdi")  # pkg/cdi/spec-dirs.go of the reference library


class Installed(msgspec.Struct, frozen=True, kw_only=True):
    """A runtime's program, and the daemon that runs."""

    name: str
    host: Host
    program: Program
    process: Process | None = None

    @property
    def label(self) -> str:
        """The runtime with its version: `podman 4.3.1`."""
        return f"{self.name} {self.program.version}" if self.program.version else f"{self.name} (version unknown)"

    @property
    def default(self) -> str:
        """Where a value is from that no file sets."""
        return f"default of {self.label}"

    @property
    def arguments(self) -> tuple[str, ...]:
        """What the daemon was started with."""
        return self.process.arguments[1:] if self.process is not None else ()

    def always_on(self, *first: int) -> tuple[bool | None, str]:
        """Return whether a runtime reads specs that does so since a release, with no switch for it, and why."""
        enabled, release = self.since(*first), ".".join(map(str, first))
        if enabled or (enabled is None and self.program.library is not None):
            return True, "always on"
        unknown = ", and its version is not known" if enabled is None else ""
        return enabled, f"{self.name} reads specs since {release}{unknown}"

    def since(self, *release: int) -> bool | None:
        """Return whether this is the release or a later one, None when that is not known."""
        own = release_of(self.program.version)
        return None if own is None else own >= release


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What of CDI a runtime has switched on, and the low-level runtime that it starts; as in `Runtime`.

    `spec_dirs` are also those that it would read if CDI were on.
    """

    enabled: bool | None
    enabled_why: str
    spec_dirs: tuple[str, ...] = DEFAULT_DIRS
    spec_dirs_why: str = ""
    low_level: str | None = None
    low_level_paths: tuple[str, ...] = ()
    configs: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()
    remarks: tuple[str, ...] = ()
