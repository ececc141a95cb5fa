"""`cdi transform`: a spec for files that lie, or will lie, somewhere else."""

from __future__ import annotations

__all__ = ["EXAMPLES", "transform"]

from typing import Annotated, Literal

import typer

from cdi.errors import UsageError
from cdi.versions import at_least, needed_version
from cdi_cli.documents import Documents, delivered, read_spec
from cdi_cli.roots import moved

EXAMPLES = {
    "transform": """cdi transform root --from / --to /run/driver gpu.yaml
cdi generate gpu | cdi transform root --from /opt --to /usr --relative-to container -""",
}


def transform(
    ctx: typer.Context,
    what: Annotated[Literal["root"], typer.Argument(metavar="root", help="Only roots can be transformed.")],
    file: Annotated[str, typer.Argument(metavar="FILE", help="Spec, or - for stdin.")],
    *,
    start: Annotated[str, typer.Option("--from", metavar="DIR", help="Where paths are now.", show_default=False)],
    end: Annotated[str, typer.Option("--to", metavar="DIR", help="Where they shall be.", show_default=False)],
    relative_to: Annotated[
        Literal["host", "container"], typer.Option(help="Which paths: those on the host or those in the container.")
    ] = "host",
    output_file: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Write there, in the format of its name.", show_default=False),
    ] = None,
) -> Documents:
    """Change the root of a spec's paths.

    Paths of device nodes, mounts and hooks that lie at or below --from are moved to --to, and so are the
    arguments of hooks that are such a path.
    """
    for path in (start, end):
        if not path.startswith("/"):
            message = f"relative path {path!r} for the {what}"
            raise UsageError(message, hint="write an absolute path")
    spec = moved(read_spec(file), start=start, end=end, relative_to=relative_to)
    needed = needed_version(spec)
    notes = []
    if not at_least(spec.cdi_version, needed):  # a node that got a hostPath
        from msgspec.structs import replace  # noqa: PLC0415 - rarely needed

        notes.append(f"cdiVersion is now {needed}, which the spec needs for hostPath")
        spec = replace(spec, cdi_version=needed)
    specs, said = delivered([spec], ctx.obj, output_file=output_file)
    return Documents(specs=specs, notes=(*notes, *said))
