"""`cdi validate`: what runtimes would say about spec files, with positions and reasons."""

from __future__ import annotations

__all__ = ["EXAMPLES", "FileVerdict", "Validation", "validate"]

from functools import partial
from typing import Annotated, Any

import msgspec
import typer

from cdi.errors import FileError
from cdi.problem import Problem
from cdi_cli.answer import Answer
from cdi_cli.judging import FileVerdict, Judge, unreadable
from cdi_cli.releases import NamedReleases, releases_of
from cdi_cli.sources import STDIN, spec_files
from cdi_cli.workers import spread

EXAMPLES = {
    "validate": """cdi validate gpu.yaml net.json     # files, directories, or - for stdin
cdi validate --strict --host       # all installed specs, against this host
cdi validate --compat podman-4.9 specs/
cdi validate -o sarif specs/ > cdi.sarif""",
}


class Validation(Answer, frozen=True, kw_only=True):
    """The verdicts on files, in the order that they were named."""

    files: tuple[FileVerdict, ...]

    @property
    def exit_code(self) -> int:
        """0 when all are valid, 1 when one is not, 4 when one could not be read."""
        if any(not verdict.readable for verdict in self.files):
            return FileError.exit_code
        return 0 if all(verdict.valid for verdict in self.files) else 1

    @property
    def problems(self) -> list[tuple[str, Problem]]:
        """All problems, each with the path of its file."""
        return [(verdict.path, problem) for verdict in self.files for problem in verdict.problems]

    @property
    def summary(self) -> dict[str, int]:
        """How many files and problems there are of each kind."""
        valid = sum(verdict.valid for verdict in self.files)
        severities = [problem.severity for _, problem in self.problems]
        return {
            "files": len(self.files),
            "valid": valid,
            "invalid": len(self.files) - valid,
            "errors": severities.count("error"),
            "warnings": severities.count("warning"),
        }

    def to_data(self) -> dict[str, Any]:
        """Return the contract of `validate --output json`."""
        files = msgspec.to_builtins(self.files)
        for verdict in files:
            del verdict["readable"]
        return {"version": 1, "files": files, "summary": self.summary}


def validate(
    ctx: typer.Context,
    paths: Annotated[
        list[str] | None,
        typer.Argument(metavar="[PATH]...", help="Files, directories, or - for stdin; else the spec directories."),
    ] = None,
    *,
    strict: Annotated[bool, typer.Option("--strict", help="Take warnings for errors.", show_default=False)] = False,
    host: Annotated[
        bool,
        typer.Option("--host", help="Also check that what specs name exists on this host.", show_default=False),
    ] = False,
    compat: NamedReleases = None,
    schema: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Also check against this JSON Schema.", show_default=False),
    ] = None,
) -> Validation:
    """Check specs as runtimes do, and say what is wrong where.

    A spec is valid when the reference library, and so every runtime that uses it, loads the file. What it
    loads but is unwise is a warning. Exit code: 0 all valid, 1 not, 4 a file could not be read.
    """
    settings = ctx.obj
    sources: list[str | FileVerdict] = []
    notes = []
    for path in paths or settings.dirs:
        try:
            inside = None if path == STDIN else spec_files(path, settings.root)
        except FileError as error:
            sources.append(unreadable(path, error))
            continue
        if inside is not None:
            sources += inside
            notes += [] if inside else [f"no spec files in {path!r}"]
        elif paths or settings.named_dirs:
            sources.append(path)
    releases, said = releases_of(compat or (), settings)
    notes += said
    judge = Judge.of(strict=strict, host=host, schema=schema, settings=settings, releases=releases)
    verdicts = spread(partial(_judged, judge), sources, share=_share(sources))
    if not sources and not notes:
        notes.append(f"no spec files: none of {', '.join(settings.dirs)} exists")
    return Validation(files=tuple(verdicts), notes=tuple(notes))


def _judged(judge: Judge, source: str | FileVerdict) -> FileVerdict:
    return judge.verdict(source) if isinstance(source, str) else source


def _share(sources: list[str | FileVerdict]) -> int:
    """Return how many files it takes to be worth a worker: JSON is read much faster than YAML."""
    yaml = sum(not str(source).endswith(".json") for source in sources)
    return 20 if yaml * 20 > len(sources) else 400
