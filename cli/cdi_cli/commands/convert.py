"""`cdi convert`: a spec in the other format, or for an older runtime."""

from __future__ import annotations

__all__ = ["EXAMPLES", "convert"]

from collections import Counter
from typing import Annotated

import typer
from msgspec.structs import replace

from cdi.model import Spec
from cdi.versions import VERSIONS, at_least, downgrade, lowest, needed_version
from cdi_cli.documents import Documents, delivered, read_spec
from cdi_cli.releases import releases_of

EXAMPLES = {
    "convert": """cdi convert gpu.yaml --to json
cdi convert gpu.json --output-file gpu.yaml
cdi convert gpu.yaml --compat podman-4.9 --output-file old.yaml"""
}


def convert(
    ctx: typer.Context,
    file: Annotated[str, typer.Argument(metavar="FILE", help="Spec, or - for stdin.")],
    *,
    output_file: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Write there, in the format of its name.", show_default=False),
    ] = None,
    cdi_version: Annotated[
        str | None,
        typer.Option(metavar="VERSION", help="Lower it for runtimes that know no more.", show_default=False),
    ] = None,
    compat: Annotated[
        list[str] | None,
        typer.Option(
            metavar="RUNTIME",
            help="Lower it to what this loads, podman-4.9 for example, or auto: what is installed here; repeatable.",
            show_default=False,
        ),
    ] = None,
) -> Documents:
    """Write a spec as JSON or YAML, for older runtimes if need be.

    Runtimes read both alike. Comments are lost; an invalid spec is refused. What is lost by a lower version is said;
    a spec with a device that would no longer be what it is, is refused.
    """
    releases, notes = releases_of(compat or (), ctx.obj)
    spec = read_spec(file)
    caps = [*([cdi_version] if cdi_version is not None else []), *(release.newest for release in releases)]
    if caps:
        spec, lost = _lowered(spec, lowest(caps))
        notes = (*notes, *lost)
    specs, written = delivered([spec], ctx.obj, output_file=output_file)
    return Documents(specs=specs, notes=(*notes, *written))


def _lowered(spec: Spec, cap: str) -> tuple[Spec, tuple[str, ...]]:
    """Return a spec that needs no newer version, and what was lost; raise `CdiError` for what cannot be lowered."""
    lowered = downgrade(spec, cap)
    lost = Counter((drop.what, drop.cost) for drop in lowered.dropped)
    notes = [
        f"{what} left out for CDI {cap}{f', {times} times' * (times > 1)}: {cost}"
        for (what, cost), times in lost.items()
    ]
    own = spec.cdi_version.removeprefix("v")
    if own in VERSIONS and at_least(cap, own):
        return spec, ()
    needed = needed_version(lowered.spec)
    return replace(lowered.spec, cdi_version=needed), (*notes, f"cdiVersion is now {needed}, it was {own}")
