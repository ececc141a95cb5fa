"""`cdi generate`: specs for the hardware of this host."""

from __future__ import annotations

__all__ = ["EXAMPLES", "Staleness", "generate"]

from itertools import chain
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer
from msgspec.structs import replace

from cdi.errors import CdiError, UsageError
from cdi.generation import nothing_found
from cdi.names import natural_key, spec_name
from cdi.versions import at_least
from cdi_cli.answer import Answer
from cdi_cli.documents import Stream, delivered
from cdi_cli.hosts import (
    DevRoot,
    DriverRoot,
    LibraryDirs,
    Pools,
    Profiles,
    host_of,
    loaded,
    refuse_conflicts,
)
from cdi_cli.making import (
    Annotations,
    CdiVersion,
    Compat,
    DisableHook,
    Families,
    HookPath,
    Include,
    Making,
    Names,
    NoAll,
    NoHooks,
    Numbers,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cdi.discovery import Discovery
    from cdi.freshness import Comparison
    from cdi.generation import Generated
    from cdi.model import Spec
    from cdi.problem import Problem
    from cdi.registry import Registry
    from cdi_cli.making import Made
    from cdi_cli.settings import Settings

EXAMPLES = {
    "generate": """cdi generate                       # to look at
cdi generate --install             # to use
cdi generate --check               # is what is installed still true?
cdi generate nvidia --compat podman-4.9 --output-dir specs""",
}


class Staleness(Answer, frozen=True, kw_only=True):
    """Whether what is installed is still true of this host."""

    specs: tuple[Comparison, ...]

    @property
    def exit_code(self) -> int:
        """0 for fresh, 1 for stale."""
        return 0 if all(one.fresh for one in self.specs) else 1

    def to_data(self) -> dict[str, Any]:
        """Return the comparisons, and `fresh`."""
        specs = [msgspec.to_builtins(one) | {"fresh": one.fresh} for one in self.specs]
        return {"version": 1, "fresh": self.exit_code == 0, "specs": specs}


def generate(
    ctx: typer.Context,
    chosen: Families = None,
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
    include: Include = None,
    driver_root: DriverRoot = None,
    dev_root: DevRoot = None,
    library_search_path: LibraryDirs = None,
    profile: Profiles = None,
    pools: Pools = None,
    name: Names = None,
    device_id: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Only this device, by any of its names; repeatable.", show_default=False),
    ] = None,
    no_all: NoAll = False,
    vendor: Annotated[
        str | None, typer.Option(metavar="NAME", help="The vendor of the only kind.", show_default=False)
    ] = None,
    class_: Annotated[
        str | None, typer.Option("--class", metavar="NAME", help="The class of the only kind.", show_default=False)
    ] = None,
    cdi_version: CdiVersion = None,
    compat: Compat = None,
    numbers: Numbers = False,
    annotations: Annotations = False,
    no_hooks: NoHooks = False,
    disable_hook: DisableHook = None,
    hook_path: HookPath = None,
    force: Annotated[
        bool,
        typer.Option(
            "--force", help="Replace files that are not ours; install what this host lacks.", show_default=False
        ),
    ] = False,
) -> Stream | Staleness:
    """Write specs for the hardware of this host.

    They go to stdout, as a YAML stream or as one JSON document a line, unless an option says otherwise.
    `cdi profile list` has the families; a vendor's name stands for all of its own.
    Exit code: 0 done, 1 stale (--check), 3 nothing found.
    """
    settings: Settings = ctx.obj
    _refuse_two({"--install": install, "--check": check, "--output-file": output_file, "--output-dir": output_dir})
    host = host_of(settings, dev_root=dev_root, driver_root=driver_root, library_dirs=library_search_path)
    making = Making(
        families=chosen,
        include=include,
        profile=profile,
        pools=pools,
        cdi_version=cdi_version,
        compat=compat or (["auto"] if (install or check) and cdi_version is None else None),
        choices={
            "names": name or (),
            "devices": device_id or (),
            "all_device": not no_all,
            "numbers": numbers,
            "annotations": annotations,
            "hooks": not no_hooks,
            "disable_hooks": disable_hook or (),
            "hook_program": hook_path,
            "vendor": vendor,
            "class_": class_,
        },
    )
    made = making.made(host)
    discovery, generated = made.discovery, made.generated
    notes = [*made.notes, *(_explanations(discovery, generated) if explain else ())]
    if check:
        from cdi.freshness import compare  # noqa: PLC0415 - only to check

        comparisons = compare(discovery, loaded(settings), host, **made.choices)
        if comparisons:
            said = made.runtimes if explain else ()
            return Staleness(specs=comparisons, notes=(*said, *notes, *_as_written(comparisons)))
    if not generated.specs:
        raise nothing_found(discovery, generated)
    directory = settings.dirs[-1] if install else output_dir
    specs = generated.specs
    if install and discovery.lent and not device_id:
        specs, kept = _with_lent(made, loaded(settings, last=True))
        notes += kept
    if install and not force:
        _refuse_faults(problem for _, problem in made.faults)
        suffix = "json" if settings.output == "json" else "yaml"
        refuse_conflicts(settings, {f"{spec_name(spec.vendor, spec.class_)}.{suffix}": spec for spec in specs})
    specs, said = delivered(specs, settings, output_file=output_file, output_dir=directory, force=force)
    return Stream(specs=specs, notes=(*made.runtimes, *notes, *said))


def _with_lent(made: Made, registry: Registry) -> tuple[tuple[Spec, ...], list[str]]:
    """Return the specs with what containers have now as it is installed, since it comes back; and what is kept."""
    from cdi.differing import with_lent  # noqa: PLC0415 - few hosts lend anything

    specs_there = (one for one in registry.specs if one.path.stem == spec_name(one.spec.vendor, one.spec.class_))
    installed = {one.spec.kind: one.spec for one in specs_there}
    choices, lent = made.choices, made.discovery.lent
    renamed = choices["vendor"] or choices["class_"]  # the only kind
    specs: list[Spec] = []
    notes: list[str] = []
    for spec in made.generated.specs:
        names = chain.from_iterable(lent.values()) if renamed else lent.get(spec.kind, ())
        whole = with_lent(installed.get(spec.kind), spec, names) or spec
        if not choices["all_device"]:
            whole = replace(whole, devices=tuple(device for device in whole.devices if device.name != "all"))
        kept = sorted(
            {device.name for device in whole.devices} - {device.name for device in spec.devices}, key=natural_key
        )
        cap = choices["max_version"]
        if kept and cap is not None and not at_least(cap, whole.cdi_version):
            notes.append(f"{spec.kind}: not kept as installed, since CDI {cap} cannot say it: {', '.join(kept)}")
            whole = spec
        elif kept:
            notes.append(f"{spec.kind}: kept as installed: {', '.join(kept)}")
        specs.append(whole)
    return tuple(specs), notes


def _as_written(comparisons: Iterable[Comparison]) -> Iterator[str]:
    for one in comparisons:
        if one.written:
            yield f"{one.kind}: compared as it was written, {', '.join(one.written)}"


def _refuse_two(places: dict[str, object]) -> None:
    given = [option for option, value in places.items() if value]
    if len(given) > 1:
        message = f"{given[0]} and {given[1]} exclude each other"
        raise UsageError(message)


def _refuse_faults(problems: Iterable[Problem]) -> None:
    """Raise when containers would not start with what is to be installed."""
    first = next((problem for problem in problems if problem.severity == "error"), None)
    if first is not None:
        message = f"not installed, containers would not start: {first.message}"
        raise CdiError(message, hint=f"{first.hint}; --force installs it all the same" if first.hint else "see --force")


def _explanations(discovery: Discovery, generated: Generated) -> list[str]:
    notes = [f"{note.subject}: {note.text}" for note in generated.explanations]
    return notes + [f"skipped {thing.family} {thing.what}: {thing.advice}" for thing in discovery.skipped]
