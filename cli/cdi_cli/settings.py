"""The options that all commands share, as one value."""

from __future__ import annotations

__all__ = ["Settings"]

import os
from pathlib import Path
from typing import Literal

import msgspec
from msgspec.structs import replace

from cdi.errors import UsageError

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
        """The spec directories, from low to high priority: where specs are put, and taken away."""
        return self._dirs(last=True)

    @property
    def listed_dirs(self) -> tuple[str, ...]:
        """The same, for reading: one that is itself a link is named as that, since runtimes do not follow it."""
        return self._dirs(last=False)

    def _dirs(self, *, last: bool) -> tuple[str, ...]:
        if "" in self.spec_dir:
            message = "empty name of a spec directory"
            raise UsageError(message, hint="the current directory is .")
        named = self.spec_dir or tuple(filter(None, os.environ.get("CDI_SPEC_DIRS", "").split(":")))
        if self.root == "/":
            return named or DEFAULT_DIRS
        own = tuple(str(Path(self.root, directory[1:])) for directory in DEFAULT_DIRS)
        return tuple(_settled(directory, self.root, last=last) for directory in named or own)

    @property
    def named_dirs(self) -> bool:
        """Whether the user chose the spec directories."""
        return bool(self.spec_dir or os.environ.get("CDI_SPEC_DIRS"))


def _settled(directory: str, root: str, *, last: bool) -> str:
    """Return a directory without links that would lead out of the root that it is in; raise `FileError`.

    Unless `last`, it may still be a link itself.
    """
    from cdi.files import os_errors  # noqa: PLC0415 - for --root only
    from cdi.rooted import Directory, inside  # noqa: PLC0415 - as above

    place = inside(root, directory)
    if place is None or not Path(root).is_dir():
        return directory
    with os_errors("look at", directory):
        settled = Directory(root).future(place if last else place.rpartition("/")[0] or "/")
    if not last:
        settled = f"{settled.rstrip('/')}/{place.rpartition('/')[2]}"
    return directory if settled == place else str(Path(root, settled[1:]))
