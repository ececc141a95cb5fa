"""The options that all commands share, as one value."""

from __future__ import annotations

__all__ = ["Settings"]

import os
from typing import Literal

import msgspec
from msgspec.structs import replace

from cdi.errors import UsageError
from cdi_cli.below import below

DEFAULT_DIRS = ("/etc/cdi", "/var/run/cdi")  # SPEC.md, "CDI JSON Specification": from low to high priority


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Global options; those after the command win over those before it, spec directories add up."""

    root: str = "/"
    spec_dir: tuple[str, ...] = ()
    output: str = ""
    quiet: bool = False
    verbose: bool = False
    color: Literal["auto", "always", "never"] = "auto"

    def overlaid(self, given: dict[str, object]) -> Settings:
        """Return these settings with what was given on top; absent options change nothing."""
        known = {name: value for name, value in given.items() if name in self.__struct_fields__ and value}
        if "spec_dir" in known:
            known["spec_dir"] = (*self.spec_dir, *given["spec_dir"])  # type: ignore[misc]
        return replace(self, **known)

    @property
    def dirs(self) -> tuple[str, ...]:
        """The spec directories, from low to high priority."""
        if "" in self.spec_dir:
            message = "empty name of a spec directory"
            raise UsageError(message, hint="the current directory is .")
        if self.spec_dir:
            return self.spec_dir
        named = tuple(filter(None, os.environ.get("CDI_SPEC_DIRS", "").split(":")))
        if named:
            return named
        if self.root == "/":
            return DEFAULT_DIRS
        return tuple(below(self.root, directory) for directory in DEFAULT_DIRS)

    @property
    def named_dirs(self) -> bool:
        """Whether the user chose the spec directories."""
        return bool(self.spec_dir or os.environ.get("CDI_SPEC_DIRS"))
