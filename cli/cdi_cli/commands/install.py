"""`cdi install` and `cdi uninstall`: spec files where runtimes look for them."""

from __future__ import annotations

__all__ = ["EXAMPLES", "Installed", "Uninstalled", "install", "uninstall"]

import os
from pathlib import Path
from typing import Annotated

import typer

from cdi.errors import NothingFound, UsageError
from cdi.model import Spec
from cdi.names import spec_name
from cdi.report import check
from cdi.store import lock, remove
from cdi_cli.answer import Answer
from cdi_cli.hosts import loaded, refuse_conflicts
from cdi_cli.settings import Settings
from cdi_cli.sources import STDIN, read_document

_SUFFIXES = (".json", ".yaml")

EXAMPLES = {
    "install": """cdi install gpu.yaml
cdi -d /etc/cdi install gpu.yaml net.yaml""",
    "uninstall": """cdi uninstall gpu.yaml
cdi uninstall vendor.com/gpu""",
}


class Installed(Answer, frozen=True, kw_only=True):
    """The files that were put in place."""

    installed: tuple[str, ...]


class Uninstalled(Answer, frozen=True, kw_only=True):
    """The files that were removed."""

    removed: tuple[str, ...]


def install(
    ctx: typer.Context,
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILE...", help="Specs, or - for stdin.", show_default=False),
    ],
    *,
    force: Annotated[
        bool,
        typer.Option(
            "--force",
            help="Also specs that crash older runtimes, and over files that are not ours.",
            show_default=False,
        ),
    ] = False,
) -> Installed:
    """Check spec files, then put them in place atomically.

    They go to the last spec directory, under their own names. If one of them is invalid, none is installed. A
    vendor or class of one letter is refused: it crashes runtimes that were released with CDI up to 1.1.0.
    """
    reports = [check(read_document(path), source=path) for path in files]
    specs = [report.usable() for report in reports]
    directory = ctx.obj.dirs[-1]
    named = {_name(path, spec): spec for path, spec in zip(files, specs, strict=True)}
    if len(named) < len(files):
        message = "two of the files have the same name, and would be installed over each other"
        raise UsageError(message, hint="rename one of them")
    with lock(directory) as locked:
        if not force:
            refuse_conflicts(ctx.obj, named)
        installed = [locked.write(spec, name=name, force=force) for name, spec in named.items()]
    notes = [problem.render(report.source) for report in reports for problem in report.problems]
    return Installed(installed=tuple(str(path) for path in installed), notes=tuple(notes))


def uninstall(
    ctx: typer.Context,
    names: Annotated[
        list[str],
        typer.Argument(metavar="NAME...", help="File names, paths, or kinds (vendor/class).", show_default=False),
    ],
    *,
    force: Annotated[bool, typer.Option("--force", help="Also files that are not ours.", show_default=False)] = False,
) -> Uninstalled:
    """Remove installed specs.

    A name is that of a file in the spec directories, with or without its suffix, or a kind. Exit code: 0 done,
    3 one of them is not installed, and nothing was removed.
    """
    settings: Settings = ctx.obj
    paths = [path for name in names for path in _installed(name, settings)]
    removed = [path for path in dict.fromkeys(paths) if remove(path, force=force)]
    return Uninstalled(removed=tuple(removed))


def _name(path: str, spec: Spec) -> str:
    """Return the name to install a file under: its own, with a suffix that runtimes read, or for stdin the kind's."""
    if path == STDIN:
        return f"{spec_name(spec.vendor, spec.class_)}.yaml"
    file = Path(path)
    if file.suffix in _SUFFIXES:
        return file.name
    return f"{file.stem if file.suffix == '.yml' else file.name}.yaml"


def _installed(name: str, settings: Settings) -> list[str]:
    """Return the files that a name means; raise `NothingFound` when there are none."""
    directory, base = os.path.split(name)
    named = [base] if base.endswith(_SUFFIXES) else [base + suffix for suffix in _SUFFIXES]
    homes = [home for home in settings.dirs if not directory or os.path.realpath(home) == os.path.realpath(directory)]
    found = [path for home in homes for path in (str(Path(home, one)) for one in named) if os.path.lexists(path)]
    if not found and "/" in name:
        found = [str(one.path) for one in loaded(settings).specs if one.spec.kind == name]
    if found:
        return found
    where = ", ".join(settings.dirs)
    if os.path.lexists(name) and not homes:
        message = f"{name!r} is not in a spec directory"
        raise UsageError(message, hint=f"those are {where}; -d names another")
    message = f"no spec file or kind {name!r} in {where}"
    raise NothingFound(message, hint="'cdi specs' lists what there is")
