"""`cdi snapshot`: this host as a text tree, to reproduce a problem elsewhere."""

from __future__ import annotations

__all__ = ["EXAMPLES", "Tree", "snapshot"]

from typing import Annotated

import typer

from cdi.recording import snapshot as record
from cdi_cli.answer import Answer
from cdi_cli.files import write_text
from cdi_cli.hosts import DevRoot, DriverRoot, LibraryDirs, host_of

EXAMPLES = {"snapshot": "cdi snapshot --output-file host.tree\ncdi --root host.tree discover"}


class Tree(Answer, frozen=True, kw_only=True):
    """A host as text; empty when it went to a file."""

    text: str


def snapshot(
    ctx: typer.Context,
    *,
    output_file: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Write there.", show_default=False),
    ] = None,
    driver_root: DriverRoot = None,
    dev_root: DevRoot = None,
    library_search_path: LibraryDirs = None,
) -> Tree:
    """Record this host as a text tree that --root can stand in for.

    It holds what discovery reads. Addresses, serial numbers and UUIDs are replaced, so it can go into a report.
    """
    text = record(host_of(ctx.obj, dev_root=dev_root, driver_root=driver_root, library_dirs=library_search_path))
    if output_file is None:
        return Tree(text=text)
    return Tree(text="", notes=(f"wrote {write_text(output_file, text)}",))
