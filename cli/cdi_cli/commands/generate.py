"""`cdi generate`: specs for the hardware of this host."""

from __future__ import annotations

__all__ = ["EXAMPLES", "Comparison", "Staleness", "generate"]

from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from cdi.discovery import discover, families
from cdi.encode import to_data
from cdi.errors import UsageError
from cdi.generation import generate as generate_from
from cdi.generation import nothing_found
from cdi.names import spec_name
from cdi_cli.answer import Answer
from cdi_cli.differing import Change, changes
from cdi_cli.documents import Stream, delivered
from cdi_cli.hosts import host_of, loaded, refuse_conflicts

if TYPE_CHECKING:
    from cdi.discovery import Discovery
    from cdi.generation import Generated
    from cdi.model import Spec
    from cdi_cli.settings import Settings

EXAMPLES = {
    "generate": """cdi generate                       # to look at
cdi generate --install             # to use
cdi generate --check               # is what is installed still true?
cdi generate netdev --cdi-version 0.7.0 --output-dir specs""",
}


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """What is installed for a kind, and how this host differs from it; no path when nothing is installed."""

    kind: str
    path: str | None
    changes: tuple[Change, ...]


class Staleness(Answer, frozen=True, kw_only=True):
    """Whether what is installed is what would be generated now."""

    specs: tuple[Comparison, ...]

    @property
    def exit_code(self) -> int:
        """0 for fresh, 1 for stale."""
        return 1 if any(one.changes for one in self.specs) else 0

    def to_data(self) -> dict[str, Any]:
        """Return the comparisons, and `fresh`."""
        return {"version": 1, "fresh": self.exit_code == 0, "specs": msgspec.to_builtins(self.specs)}


def generate(
    ctx: typer.Context,
    chosen: Annotated[
        list[str] | None,
        typer.Argument(metavar="[FAMILY]...", help="Families of hardware; else all.", show_default=False),
    ] = None,
    *,
    install: Annotated[
        bool,
        typer.Option("--install", help="Put them in the last spec directory, for runtimes to use.", show_default=False),
    ] = False,
    check: Annotated[
        bool,
        typer.Option("--check", help="Compare with what is installed; exit 1 if that is stale.", show_default=False),
    ] = False,
    output_file: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Write the spec there; for one kind only.", show_default=False),
    ] = None,
    output_dir: Annotated[
        str | None,
        typer.Option(metavar="DIR", help="Write a file for each kind there.", show_default=False),
    ] = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Say how each thing was found, or why not.", show_default=False)
    ] = False,
    include: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Offer this device although it would be skipped.", show_default=False),
    ] = None,
    name: Annotated[
        list[str] | None,
        typer.Option(metavar="WORD", help="Name devices by this, such as bdf; repeatable.", show_default=False),
    ] = None,
    no_all: Annotated[
        bool, typer.Option("--no-all", help="Leave out the device that brings all others.", show_default=False)
    ] = False,
    cdi_version: Annotated[
        str | None,
        typer.Option(metavar="VERSION", help="Write for runtimes that know no more.", show_default=False),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace files that are not ours.", show_default=False)
    ] = False,
) -> Stream | Staleness:
    """Write specs for the hardware of this host.

    They go to stdout, as a YAML stream or as one JSON document a line, unless an option says otherwise.
    Exit code: 0 done, 1 stale (--check), 3 nothing found.
    """
    settings: Settings = ctx.obj
    _refuse_two({"--install": install, "--check": check, "--output-file": output_file, "--output-dir": output_dir})
    discovery = discover(host_of(settings), chosen or None, include=include or ())
    generated = generate_from(discovery, names=name or (), all_device=not no_all, max_version=cdi_version)
    notes = [problem.message for problem in discovery.problems]
    notes += _explanations(discovery, generated) if explain else []
    if check:
        comparisons = _comparisons(discovery, generated, settings)
        if comparisons:
            return Staleness(specs=comparisons, notes=tuple(notes))
    if not generated.specs:
        raise nothing_found(discovery, generated)
    directory = settings.dirs[-1] if install else output_dir
    if install and not force:
        suffix = "json" if settings.output == "json" else "yaml"
        named = {f"{spec_name(spec.vendor, spec.class_)}.{suffix}": spec for spec in generated.specs}
        refuse_conflicts(settings, named)
    specs, said = delivered(generated.specs, settings, output_file=output_file, output_dir=directory, force=force)
    return Stream(specs=specs, notes=(*notes, *said))


def _refuse_two(places: dict[str, object]) -> None:
    given = [option for option, value in places.items() if value]
    if len(given) > 1:
        message = f"{given[0]} and {given[1]} exclude each other"
        raise UsageError(message)


def _explanations(discovery: Discovery, generated: Generated) -> list[str]:
    notes = [f"{note.subject}: {note.text}" for note in generated.explanations]
    return notes + [
        f"skipped {thing.family} {thing.what}: {thing.why}" + (f" ({thing.hint})" if thing.hint else "")
        for thing in discovery.skipped
    ]


def _comparisons(discovery: Discovery, generated: Generated, settings: Settings) -> tuple[Comparison, ...]:
    """Return a comparison for each kind that there is now, or that is installed and could be found."""
    kinds = {families()[family].kind for family in discovery.families}
    installed = {one.spec.kind: one for one in loaded(settings).specs if one.spec.kind in kinds}
    fresh = {spec.kind: spec for spec in generated.specs}
    comparisons = []
    for kind in sorted(fresh.keys() | installed.keys()):
        old = installed.get(kind)
        comparisons.append(
            Comparison(
                kind=kind,
                path=str(old.path) if old else None,
                changes=tuple(_changes(old.spec if old else None, fresh.get(kind))),
            )
        )
    return tuple(comparisons)


def _changes(old: Spec | None, new: Spec | None) -> list[Change]:
    if old is not None and new is not None:
        return list(changes(old, new))
    whole = [Change(device=device.name, what="device", old=to_data(device)) for device in (old.devices if old else ())]
    return whole + [
        Change(device=device.name, what="device", new=to_data(device)) for device in (new.devices if new else ())
    ]
