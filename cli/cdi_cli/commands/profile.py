"""`cdi profile`: what a profile is worth, and which families of hardware there are."""

from __future__ import annotations

__all__ = ["EXAMPLES", "Checked", "Families", "ListedFamily", "ProfileVerdict", "profile"]

from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
import typer

from cdi.discovery import Found, Skipped, discover, families, host_families
from cdi.discovery.profile import check_profile, family_of
from cdi.encode import dump, to_data
from cdi.errors import FileError, UsageError
from cdi.generation import generate
from cdi.model import Spec
from cdi.problem import Problem
from cdi.report import check
from cdi_cli.answer import Answer
from cdi_cli.hosts import DevRoot, DriverRoot, LibraryDirs, host_of
from cdi_cli.sources import read_document

if TYPE_CHECKING:
    from cdi.discovery import Family
    from cdi.host import Host

EXAMPLES = {
    "profile": """cdi profile check npu.yaml --root host.tree
cdi profile list                   # all families, those of this host's profiles too""",
}


class ProfileVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """What is said about one profile, and what it gives on the host; `spec` is None when that is nothing."""

    path: str
    valid: bool
    family: str | None = None
    kind: str | None = None
    problems: tuple[Problem, ...] = ()
    found: tuple[Found, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    spec: Spec | None = None
    readable: bool = True

    def to_data(self) -> dict[str, Any]:
        """Return the verdict in the words of JSON."""
        return {
            "path": self.path,
            "valid": self.valid,
            "family": self.family,
            "kind": self.kind,
            "problems": msgspec.to_builtins(self.problems),
            "found": [{"name": one.name, "how": one.how, "warnings": list(one.warnings)} for one in self.found],
            "skipped": msgspec.to_builtins(self.skipped),
            "spec": to_data(self.spec) if self.spec is not None else None,
        }


class Checked(Answer, frozen=True, kw_only=True):
    """The verdicts on profiles, in the order that they were named."""

    profiles: tuple[ProfileVerdict, ...]

    @property
    def exit_code(self) -> int:
        """0 when all are valid, whatever they find; 1 when one is not, 4 when one could not be read."""
        if any(not verdict.readable for verdict in self.profiles):
            return FileError.exit_code
        return 0 if all(verdict.valid for verdict in self.profiles) else 1

    def to_data(self) -> dict[str, Any]:
        """Return the verdicts."""
        return {"version": 1, "profiles": [verdict.to_data() for verdict in self.profiles]}


class ListedFamily(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A family; `path` is that of the host's profile which describes it."""

    name: str
    kind: str
    summary: str
    on_request: bool
    path: str | None = None


class Families(Answer, frozen=True, kw_only=True):
    """All families of hardware that can be looked for."""

    families: tuple[ListedFamily, ...]


def profile(
    ctx: typer.Context,
    action: Annotated[
        Literal["check", "list"], typer.Argument(help="Check profiles, or list all families.", show_default=False)
    ],
    files: Annotated[
        list[str] | None, typer.Argument(metavar="[FILE]...", help="Profiles, or - for stdin.", show_default=False)
    ] = None,
    *,
    driver_root: DriverRoot = None,
    dev_root: DevRoot = None,
    library_search_path: LibraryDirs = None,
) -> Checked | Families:
    """Check profiles of hardware and show what they give here, or list the families that there are.

    A profile describes hardware as data: how to find it, its nodes, what they are called. To find nothing is no
    fault of it. Exit code: 0 all valid, 1 not, 4 a file could not be read.
    """
    host = host_of(ctx.obj, dev_root=dev_root, driver_root=driver_root, library_dirs=library_search_path)
    if action == "list":
        if files:
            message = "'list' takes no files"
            raise UsageError(message, hint="'cdi profile check' shows what a profile gives")
        return _listed(host)
    if not files:
        message = "no profile named"
        raise UsageError(message, hint="write the file: cdi profile check npu.yaml")
    return Checked(profiles=tuple(_verdict(path, host) for path in files))


def _listed(host: Host) -> Families:
    own, problems = host_families(host)
    paths = {family.name: path for path, family in own}
    every: dict[str, Family] = {**families(), **{family.name: family for _, family in own}}
    rows = tuple(
        ListedFamily(
            name=name,
            kind=every[name].kind,
            summary=every[name].summary,
            on_request=every[name].on_request,
            path=paths.get(name),
        )
        for name in sorted(every)
    )
    return Families(families=rows, notes=tuple(problem.advice for problem in problems))


def _verdict(path: str, host: Host) -> ProfileVerdict:
    try:
        text = read_document(path)
    except FileError as error:
        problem = Problem(severity="error", rule="unreadable", message=error.message, hint=error.hint)
        return ProfileVerdict(path=path, valid=False, problems=(problem,), readable=False)
    profile, problems = check_profile(text)
    if profile is None:
        return ProfileVerdict(path=path, valid=False, problems=problems)
    discovery = discover(host, [profile.family], more=[family_of(profile)])
    spec = next((spec for spec in generate(discovery) if spec.kind == profile.kind), None)
    more = check(dump(spec), source=path).problems if spec is not None else ()
    faults = [Problem(severity=one.severity, rule=one.rule, message=f"its spec: {one.message}") for one in more]
    others = [problem for problem in discovery.problems if problem.rule != "profile-invalid"]  # of the host's own
    return ProfileVerdict(
        path=path,
        valid=not any(one.severity == "error" for one in faults),
        family=profile.family,
        kind=profile.kind,
        problems=(*faults, *others),
        found=discovery.found,
        skipped=discovery.skipped,
        spec=spec,
    )
