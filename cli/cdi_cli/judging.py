"""One document to one verdict: the check that runtimes make, and those that the user adds."""

from __future__ import annotations

__all__ = ["FileVerdict", "Judge", "unreadable"]

import os
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace

from cdi.compat import Release  # noqa: TC001 - part of a struct
from cdi.errors import FileError, UsageError
from cdi.problem import Problem
from cdi.report import Report, check, locate
from cdi_cli.sources import STDIN, read_document
from cdi_cli.text import lowered

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cdi.host import Host
    from cdi.model import Spec
    from cdi_cli.settings import Settings


class FileVerdict(msgspec.Struct, frozen=True, kw_only=True, rename="camel", gc=False):
    """What is said about one file; `readable` tells a file that is wrong from one that we could not see."""

    path: str
    valid: bool
    kind: str | None = None
    cdi_version: str | None = None
    minimum_version: str | None = None
    devices: int = 0
    problems: tuple[Problem, ...] = ()
    readable: bool = True


def unreadable(path: str, error: FileError) -> FileVerdict:
    """Return the verdict on a file that could not be read."""
    problem = Problem(severity="error", rule="unreadable", message=error.message, hint=error.hint)
    return FileVerdict(path=path, valid=False, problems=(problem,), readable=False)


class Judge(msgspec.Struct, frozen=True, kw_only=True):
    """What to hold against a document beside what runtimes do."""

    root: str = "/"
    strict: bool = False
    schema: Mapping[str, Any] | None = None
    host: Any = None
    spec_dirs: tuple[str, ...] = ()
    releases: tuple[Release, ...] = ()

    @classmethod
    def of(
        cls, *, strict: bool, host: bool, schema: str | None, settings: Settings, releases: tuple[Release, ...] = ()
    ) -> Judge:
        """Return the judge for the options of a command line."""
        return cls(
            root=settings.root,
            strict=strict,
            schema=None if schema is None else _schema(schema),
            host=_host(settings) if host else None,
            spec_dirs=settings.dirs if host else (),
            releases=releases,
        )

    def verdict(self, path: str) -> FileVerdict:
        """Return the verdict on a file, or on stdin for `-`; never raises for what is in it."""
        try:
            content = read_document(path, self.root)
        except FileError as error:
            return unreadable(path, error)
        report = check(content, source=path)
        problems = report.problems
        if self.schema is not None or self.host is not None or self.releases:
            problems = (*problems, *self._more(path, content, report))
        if self.strict and problems:
            problems = tuple([replace(problem, severity="error") for problem in problems])
        return FileVerdict(
            path=path,
            valid=report.valid and not any(problem.severity == "error" for problem in problems),
            kind=report.kind,
            cdi_version=report.cdi_version,
            minimum_version=report.minimum_version,
            devices=report.devices,
            problems=problems,
        )

    def _more(self, path: str, content: bytes, report: Report) -> list[Problem]:
        more: list[Problem] = []
        if self.schema is not None:
            from cdi.schema import schema_problems  # noqa: PLC0415 - slow to import

            more += schema_problems(content, dict(self.schema))
        if self.host is not None and report.spec is not None:
            from cdi.hostcheck import check_host  # noqa: PLC0415 - for --host only

            own_path = None if path == STDIN else path
            found = check_host(report.spec, self.host, path=own_path, spec_dirs=self.spec_dirs, root=self.root)
            more += locate(content, found)
        if self.releases and report.spec is not None:
            more += self._release_problems(path, content, report.spec)
        return more

    def _release_problems(self, path: str, content: bytes, spec: Spec) -> tuple[Problem, ...]:
        from cdi.releasecheck import check_release  # noqa: PLC0415 - for --compat only
        from cdi.rooted import inside  # noqa: PLC0415 - as above

        place = None if path == STDIN else inside(self.root, os.path.abspath(path)) or path  # noqa: PTH100 - no links
        return locate(content, [p for one in self.releases for p in check_release(spec, one, path=place)])


def _host(settings: Settings) -> Host:
    from cdi_cli.hosts import host_of  # noqa: PLC0415 - for --host only

    return host_of(settings)


def _schema(path: str) -> dict[str, Any]:
    """Return the JSON Schema in a file; raise `UsageError` for one that is none."""
    content = read_document(path)
    try:
        return msgspec.json.decode(content, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        message = f"{path!r} is not a JSON Schema: {lowered(str(error))}"
        raise UsageError(message) from error
