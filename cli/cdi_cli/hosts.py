"""The host and the registry that the shared options name."""

from __future__ import annotations

__all__ = [
    "DevRoot",
    "DriverRoot",
    "LibraryDirs",
    "Pools",
    "Profiles",
    "host_of",
    "loaded",
    "notes_of",
    "own_families",
    "own_pools",
    "refuse_conflicts",
]

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import cdi  # its names, which are loaded when they are used: few commands need more than one of these
from cdi.errors import FileConflict, UsageError
from cdi.files import read

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cdi.discovery import Family
    from cdi.discovery.pools import PoolList
    from cdi.host import Host
    from cdi.model import Spec
    from cdi.registry import Registry
    from cdi_cli.settings import Settings


# Options of every command that looks for hardware.
DriverRoot = Annotated[
    str | None,
    typer.Option(metavar="DIR", help="Where the driver's files are, if a container installed it.", show_default=False),
]
DevRoot = Annotated[
    str | None,
    typer.Option(metavar="DIR", help="Where /dev is, if not in the root.", show_default=False),
]
LibraryDirs = Annotated[
    list[str] | None,
    typer.Option(
        "--library-search-path", metavar="DIR", help="Another directory of the driver's libraries.", show_default=False
    ),
]
Profiles = Annotated[
    list[str] | None,
    typer.Option("--profile", metavar="FILE", help="Look for what this profile describes, too.", show_default=False),
]
Pools = Annotated[
    list[str] | None,
    typer.Option("--pools", metavar="FILE", help="Make the pools of this file, too.", show_default=False),
]


def host_of(
    settings: Settings,
    *,
    dev_root: str | None = None,
    driver_root: str | None = None,
    library_dirs: Sequence[str] | None = None,
) -> Host:
    """Return the host at `--root`: the real one, a directory, or a text tree."""
    for path in (dev_root, driver_root, *(library_dirs or ())):
        if path is not None and not path.startswith("/"):
            message = f"{path!r} is not absolute"
            raise UsageError(message, hint="roots and library directories are absolute paths below --root")
    return cdi.Host.load(
        settings.root, dev_root=dev_root, driver_root=driver_root, library_dirs=tuple(library_dirs or ())
    )


def own_families(profiles: Sequence[str] | None) -> list[Family]:
    """Return the families of the profiles that `--profile` names."""
    if not profiles:
        return []
    from cdi.discovery.profile import family_of, parse_profile  # noqa: PLC0415 - slow, and rarely used

    return [family_of(parse_profile(read(path), source=path)) for path in profiles]


def own_pools(files: Sequence[str] | None) -> list[PoolList]:
    """Return the pools of the files that `--pools` names."""
    if not files:
        return []
    from cdi.discovery.pools import parse_pools  # noqa: PLC0415 - as above

    return [parse_pools(read(path), source=path) for path in files]


def loaded(settings: Settings, *, last: bool = False, watch: bool = False) -> Registry:
    """Return the registry of the spec directories, or of the last one, where specs are put."""
    dirs = settings.listed_dirs[-1:] if last else settings.listed_dirs
    return cdi.Registry.load(dirs, root=settings.root, watch=watch)


def notes_of(registry: Registry) -> tuple[str, ...]:
    """Return what is wrong with the spec directories, a line for each problem."""
    found = registry.problems.items()
    return tuple(problem.render(str(path)) for path, problems in found for problem in problems)


def refuse_conflicts(settings: Settings, files: Mapping[str, Spec]) -> None:
    """Raise `FileConflict` when runtimes would not find what is to come into the last spec directory.

    They use neither of two definitions of a device, in another file or in two of these, and do not follow a directory
    that is a link.
    """
    directory = settings.listed_dirs[-1]
    registry = cdi.Registry.load([directory], root=settings.root)
    for problem in registry.problems.get(Path(directory), ()):
        if problem.rule == "directory-link":
            message = f"{directory!r} {problem.message}"
            raise FileConflict(message, hint=f"{problem.hint}; or use --force")
    owner = {
        str(one.spec.qualified_name(device)): one.path.name
        for one in registry.specs
        for device in one.spec.devices
        if one.path.name not in files
    }
    for name, spec in files.items():
        for device in spec.devices:
            qualified = str(spec.qualified_name(device))
            other = owner.setdefault(qualified, name)
            if other != name:
                message = f"{other!r} and {name!r} would both define {qualified}, and runtimes then use neither"
                raise FileConflict(message, hint="uninstall one of them, rename the device, or use --force")
