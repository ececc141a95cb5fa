"""Columns: a table that fits the terminal, plain aligned text elsewhere."""

from __future__ import annotations

__all__ = ["table"]

from typing import TYPE_CHECKING

from cdi_cli.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cdi_cli.render import Look


def table(headings: Sequence[str], rows: Sequence[Sequence[str]], look: Look) -> Iterator[str]:
    """Yield rows below their headings; nothing for no rows."""
    if not rows:
        return
    if look.terminal:
        yield _fitted(headings, rows, look)
        return
    cells = [[printable(cell) for cell in row] for row in (headings, *rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() + "\n"


def _fitted(headings: Sequence[str], rows: Sequence[Sequence[str]], look: Look) -> str:
    """Return a table whose long cells are folded to the width of the terminal."""
    from rich.console import Console  # noqa: PLC0415 - slow to import, for terminals only
    from rich.table import Table  # noqa: PLC0415 - as above
    from rich.text import Text  # noqa: PLC0415 - as above

    grid = Table(box=None, pad_edge=False, header_style="bold")
    for heading in headings:
        grid.add_column(heading, overflow="fold")
    for row in rows:
        grid.add_row(*(Text(printable(cell)) for cell in row))
    console = Console(width=look.width, force_terminal=look.color, no_color=not look.color, color_system="standard")
    with console.capture() as capture:
        console.print(grid)
    return "".join(line.rstrip() + "\n" for line in capture.get().splitlines())
