"""What the spec directories hold, for people."""

from __future__ import annotations

__all__ = ["classes", "devices", "dirs", "specs", "vendors"]

from typing import TYPE_CHECKING

from cdi_cli.render.table import table
from cdi_cli.text import printable
from cdi_cli.wording import summary

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cdi_cli.commands.listing import Classes, Devices, Dirs, Specs, Vendors
    from cdi_cli.render import Look


def devices(answer: Devices, look: Look) -> Iterator[str]:
    """Yield the names, one a line; with -v also where each comes from and what it adds."""
    if not look.verbose:
        yield from (f"{printable(device.name)}\n" for device in answer.devices)
        return
    rows = [(device.name, device.path, summary(device.container_edits)) for device in answer.devices]
    yield from table(("DEVICE", "FILE", "ADDS"), rows, look)


def specs(answer: Specs, look: Look) -> Iterator[str]:
    """Yield a line for each spec file; with -v with its devices."""
    headings = ["FILE", "KIND", "VERSION", "NEEDS", "DEVICES"]
    rows = [
        (
            spec.path,
            spec.kind,
            spec.cdi_version,
            spec.minimum_version,
            " ".join(spec.devices) if look.verbose else str(len(spec.devices)),
        )
        for spec in answer.specs
    ]
    yield from table(headings, rows, look)


def vendors(answer: Vendors, look: Look) -> Iterator[str]:
    """Yield a line for each vendor."""
    rows = [(row.name, " ".join(row.classes), str(row.specs), str(row.devices)) for row in answer.vendors]
    yield from table(("VENDOR", "CLASSES", "SPECS", "DEVICES"), rows, look)


def classes(answer: Classes, look: Look) -> Iterator[str]:
    """Yield a line for each class."""
    rows = [(row.name, " ".join(row.vendors), str(row.devices)) for row in answer.classes]
    yield from table(("CLASS", "VENDORS", "DEVICES"), rows, look)


def dirs(answer: Dirs, look: Look) -> Iterator[str]:
    """Yield a line for each directory."""
    rows = [(str(row.priority), row.path, str(row.specs) if row.exists else "missing") for row in answer.dirs]
    yield from table(("PRIORITY", "DIRECTORY", "SPECS"), rows, look)
