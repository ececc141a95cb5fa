"""The host and the registry that the shared options name."""

from __future__ import annotations

__all__ = ["host_of", "loaded", "notes_of", "refuse_conflicts"]

from typing import TYPE_CHECKING

from cdi.errors import FileConflict
from cdi.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cdi.host import Host
    from cdi.model import Spec
    from cdi_cli.settings import Settings


def host_of(settings: Settings) -> Host:
    """Return the host at `--root`: the real one, a directory, or a text tree."""
    from cdi.host import Host  # noqa: PLC0415 - few commands look at the host

    return Host.load(settings.root)


def loaded(settings: Settings, *, watch: bool = False) -> Registry:
    """Return the registry of the spec directories."""
    return Registry.load(settings.dirs, root=settings.root, watch=watch)


def notes_of(registry: Registry) -> tuple[str, ...]:
    """Return what is wrong with the spec directories, a line for each problem."""
    found = registry.problems.items()
    return tuple(problem.render(str(path)) for path, problems in found for problem in problems)


def refuse_conflicts(settings: Settings, files: Mapping[str, Spec]) -> None:
    """Raise `FileConflict` when another file of the last spec directory, or two of these, would define the same device.

    Runtimes use neither of the two then.
    """
    owner = {
        str(one.spec.qualified_name(device)): one.path.name
        for one in Registry.load([settings.dirs[-1]], root=settings.root).specs
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
