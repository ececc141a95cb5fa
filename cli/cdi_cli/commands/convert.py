"""`cdi convert`: a spec in the other format."""

from __future__ import annotations

__all__ = ["EXAMPLES", "convert"]

from typing import Annotated

import typer

from cdi_cli.documents import Documents, delivered, read_spec

EXAMPLES = {"convert": "cdi convert gpu.yaml --to json\ncdi convert gpu.json --output-file gpu.yaml"}


def convert(
    ctx: typer.Context,
    file: Annotated[str, typer.Argument(metavar="FILE", help="Spec, or - for stdin.")],
    *,
    output_file: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Write there, in the format of its name.", show_default=False),
    ] = None,
) -> Documents:
    """Write a spec as JSON or YAML.

    Runtimes read both alike. Comments are lost; an invalid spec is refused.
    """
    specs, notes = delivered([read_spec(file)], ctx.obj, output_file=output_file)
    return Documents(specs=specs, notes=notes)
