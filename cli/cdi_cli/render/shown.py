"""What devices add to a container, for people."""

from __future__ import annotations

__all__ = ["text"]

from pathlib import Path
from typing import TYPE_CHECKING

from cdi_cli.render.table import table
from cdi_cli.text import paint, printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cdi_cli.commands.show import Shown, ShownDevice
    from cdi_cli.render import Look


def text(answer: Shown, look: Look) -> Iterator[str]:
    """Yield each device with a line for each edit."""
    for number, device in enumerate(answer.devices):
        yield "\n" if number else ""
        yield f"{paint(printable(device.name), 'bold', color=look.color)}  {_place(device)}\n"
        yield from (f"  {key}: {printable(value)}\n" for key, value in device.annotations.items())
        base = Path(device.path).name
        rows = [
            (f"  {edit.what}", edit.text, f"{base}:{edit.line}" + (" (all devices)" if edit.shared else ""))
            for edit in device.edits
        ]
        yield from table(("  ADDS", "WHAT", "FROM"), rows, look)


def _place(device: ShownDevice) -> str:
    path = printable(device.path)
    return path if device.line is None else f"{path}:{device.line}"
