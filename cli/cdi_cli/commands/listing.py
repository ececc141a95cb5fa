"""`cdi devices`, `specs`, `vendors`, `classes`, `dirs`: what the spec directories hold."""

from __future__ import annotations

__all__ = ["EXAMPLES", "classes", "devices", "dirs", "specs", "vendors"]

from collections.abc import Mapping

import msgspec
import typer

from cdi.edits import append
from cdi.model import ContainerEdits
from cdi.names import natural_key
from cdi.problem import Problem
from cdi.registry import Registry
from cdi.versions import minimum_version
from cdi_cli.answer import Answer
from cdi_cli.hosts import loaded, notes_of

EXAMPLES = {
    "devices": "cdi devices\ncdi devices -o json | jq -r '.devices[].name'",
    "specs": "cdi specs\ncdi specs --spec-dir ./specs -o json",
    "vendors": "cdi vendors",
    "classes": "cdi classes",
    "dirs": "cdi dirs\ncdi dirs --spec-dir /etc/cdi --spec-dir /run/my-cdi",
}


class _Row(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """An entry of a list."""


class ListedDevice(_Row, frozen=True, kw_only=True):
    """A device; its edits are all that it brings, those of its spec included."""

    name: str
    path: str
    priority: int
    annotations: Mapping[str, str]
    container_edits: ContainerEdits


class ListedSpec(_Row, frozen=True, kw_only=True):
    """A spec file that runtimes load."""

    path: str
    priority: int
    kind: str
    cdi_version: str
    minimum_version: str
    devices: tuple[str, ...]


class ListedVendor(_Row, frozen=True, kw_only=True):
    """A vendor, or none of whose devices may be usable."""

    name: str
    classes: tuple[str, ...]
    specs: int
    devices: int


class ListedClass(_Row, frozen=True, kw_only=True):
    """A device class."""

    name: str
    vendors: tuple[str, ...]
    devices: int


class ListedDir(_Row, frozen=True, kw_only=True):
    """A spec directory; a missing one is no error, runtimes look there all the same."""

    path: str
    priority: int
    exists: bool
    specs: int


class FileProblem(_Row, frozen=True, kw_only=True):
    """A problem and the file that has it."""

    path: str
    problem: Problem


class Devices(Answer, frozen=True, kw_only=True):
    """All devices that can be asked for."""

    devices: tuple[ListedDevice, ...]


class Specs(Answer, frozen=True, kw_only=True):
    """All spec files that are loaded, and what is wrong with the others."""

    specs: tuple[ListedSpec, ...]
    problems: tuple[FileProblem, ...]


class Vendors(Answer, frozen=True, kw_only=True):
    """All vendors."""

    vendors: tuple[ListedVendor, ...]


class Classes(Answer, frozen=True, kw_only=True):
    """All device classes."""

    classes: tuple[ListedClass, ...]


class Dirs(Answer, frozen=True, kw_only=True):
    """All spec directories, from low to high priority."""

    dirs: tuple[ListedDir, ...]


def devices(ctx: typer.Context) -> Devices:
    """List the devices that containers can ask for."""
    registry = loaded(ctx.obj)
    rows = []
    for name in registry.devices:
        found = registry.get(name)
        if found is not None:
            edits = append(found.spec.container_edits, found.device.container_edits)
            rows.append(
                ListedDevice(
                    name=name,
                    path=str(found.path),
                    priority=found.priority,
                    annotations=found.device.annotations,
                    container_edits=edits,
                )
            )
    return Devices(devices=tuple(rows), notes=_notes(registry, "devices", found=bool(rows)))


def specs(ctx: typer.Context) -> Specs:
    """List the spec files that runtimes load."""
    registry = loaded(ctx.obj)
    rows = tuple(
        ListedSpec(
            path=str(one.path),
            priority=one.priority,
            kind=one.spec.kind,
            cdi_version=one.spec.cdi_version,
            minimum_version=minimum_version(one.spec),
            devices=tuple(device.name for device in one.spec.devices),
        )
        for one in registry.specs
    )
    problems = tuple(
        FileProblem(path=str(path), problem=problem)
        for path, problems in registry.problems.items()
        for problem in problems
    )
    return Specs(specs=rows, problems=problems, notes=_notes(registry, "specs", found=bool(rows)))


def vendors(ctx: typer.Context) -> Vendors:
    """List the vendors, with how many spec files and devices each has."""
    registry = loaded(ctx.obj)
    rows = []
    for name in registry.vendors:
        own = [one.spec for one in registry.specs if one.spec.vendor == name]
        rows.append(
            ListedVendor(
                name=name,
                classes=tuple(sorted({spec.class_ for spec in own}, key=natural_key)),
                specs=len(own),
                devices=sum(device.startswith(f"{name}/") for device in registry.devices),
            )
        )
    return Vendors(vendors=tuple(rows), notes=_notes(registry, "vendors", found=bool(rows)))


def classes(ctx: typer.Context) -> Classes:
    """List the device classes, with the vendors of each."""
    registry = loaded(ctx.obj)
    rows = []
    for name in registry.classes:
        own = {one.spec.vendor for one in registry.specs if one.spec.class_ == name}
        kinds = tuple(f"{vendor}/{name}=" for vendor in own)
        rows.append(
            ListedClass(
                name=name,
                vendors=tuple(sorted(own, key=natural_key)),
                devices=sum(device.startswith(kinds) for device in registry.devices),
            )
        )
    return Classes(classes=tuple(rows), notes=_notes(registry, "classes", found=bool(rows)))


def dirs(ctx: typer.Context) -> Dirs:
    """List the spec directories, from low to high priority."""
    registry = loaded(ctx.obj)
    rows = tuple(
        ListedDir(
            path=str(path),
            priority=priority,
            exists=path.is_dir(),
            specs=sum(one.priority == priority for one in registry.specs),
        )
        for priority, path in enumerate(registry.dirs)
    )
    return Dirs(dirs=rows, notes=notes_of(registry))


def _notes(registry: Registry, what: str, *, found: bool) -> tuple[str, ...]:
    if found:
        return notes_of(registry)
    return (*notes_of(registry), f"no {what} found in {', '.join(map(str, registry.dirs))}")
