"""The host and the registry that the shared options name."""

from __future__ import annotations

__all__ = ["host_of", "loaded", "notes_of"]

from typing import TYPE_CHECKING

from cdi.registry import Registry

if TYPE_CHECKING:
    from cdi.host import Host
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
