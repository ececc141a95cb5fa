"""`cdi show`: what devices do to a container, and who says so."""

from __future__ import annotations

__all__ = ["EXAMPLES", "Edit", "Shown", "ShownDevice", "show"]

from collections.abc import Mapping
from typing import Annotated

import msgspec
import typer

from cdi.edits import append
from cdi.model import ContainerEdits
from cdi.problem import Problem
from cdi.reader import Reader
from cdi.registry import Found
from cdi.report import locate
from cdi_cli.answer import Answer
from cdi_cli.asking import asked_for
from cdi_cli.hosts import loaded
from cdi_cli.wording import described

EXAMPLES = {"show": "cdi show vendor.com/gpu=0\ncdi show 'vendor.com/gpu=*' -o json"}


class Edit(msgspec.Struct, frozen=True, kw_only=True):
    """One edit: what it is and does, its path in the file, and the line there; `shared` by all devices of the spec."""

    what: str
    text: str
    where: str
    shared: bool
    line: int | None


class ShownDevice(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A device, the place that defines it, and all that it adds."""

    name: str
    path: str
    line: int | None
    priority: int
    annotations: Mapping[str, str]
    edits: tuple[Edit, ...]
    container_edits: ContainerEdits


class Shown(Answer, frozen=True, kw_only=True):
    """The devices that were asked for."""

    devices: tuple[ShownDevice, ...]


def show(
    ctx: typer.Context,
    devices: Annotated[
        list[str],
        typer.Argument(metavar="DEVICE...", help="Qualified names or patterns.", show_default=False),
    ],
) -> Shown:
    """Show what devices add to a container, from which file and line.

    Exit code: 0 shown, 1 a device is not there.
    """
    registry = loaded(ctx.obj)
    reader = Reader(ctx.obj.root)
    found = [(name, registry.get(name)) for name in asked_for(registry, devices)]
    return Shown(devices=tuple(_shown(name, one, reader) for name, one in found if one))


def _shown(name: str, found: Found, reader: Reader) -> ShownDevice:
    """Return the device with the lines of its file, as far as that is still what was loaded."""
    device = f"devices[{found.spec.devices.index(found.device)}]"
    own = [(row, f"{device}.containerEdits.{row[2]}", False) for row in described(found.device.container_edits)]
    shared = [(row, f"containerEdits.{row[2]}", True) for row in described(found.spec.container_edits)]
    lines = _lines(reader.read(str(found.path)), [device, *(where for _, where, _ in own + shared)])
    return ShownDevice(
        name=name,
        path=str(found.path),
        line=lines.get(device),
        priority=found.priority,
        annotations=found.device.annotations,
        edits=tuple(
            Edit(what=row[0], text=row[1], where=where, shared=is_shared, line=lines.get(where))
            for row, where, is_shared in own + shared
        ),
        container_edits=append(found.spec.container_edits, found.device.container_edits),
    )


def _lines(content: bytes, places: list[str]) -> dict[str, int | None]:
    marks = [Problem(severity="warning", rule="", message="", where=where) for where in places]
    return {mark.where: mark.line for mark in locate(content, marks)}
