"""`cdi pools`: whether the pools of a file make sense, and which functions each of them has."""

from __future__ import annotations

__all__ = ["EXAMPLES", "CheckedPools", "FileVerdict", "PoolVerdict", "pools"]

from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from cdi.discovery import POOLS, Found, Skipped, discover, host_families
from cdi.discovery.pools import read_pools
from cdi.errors import FileError
from cdi.problem import Problem
from cdi_cli.answer import Answer
from cdi_cli.hosts import DevRoot, host_of
from cdi_cli.sources import read_document

if TYPE_CHECKING:
    from cdi.discovery.pools import PoolList
    from cdi.host import Host

EXAMPLES = {
    "pools": """cdi pools config.json              # before it is used
cdi pools                          # those of this host"""
}


class FileVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong with a file."""

    path: str
    valid: bool
    problems: tuple[Problem, ...] = ()
    readable: bool = True


class PoolVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """What a pool has on the host, and what it selects in vain."""

    path: str
    family: str
    kind: str
    found: tuple[Found, ...] = ()
    skipped: tuple[Skipped, ...] = ()


class CheckedPools(Answer, frozen=True, kw_only=True):
    """The verdicts on files, and the pools of those that are valid; `problems` are pools that overlap, and the like."""

    files: tuple[FileVerdict, ...]
    pools: tuple[PoolVerdict, ...]
    problems: tuple[Problem, ...] = ()

    @property
    def exit_code(self) -> int:
        """0 when all files are valid, whatever the pools have; 1 when one is not, 4 when one could not be read."""
        if any(not verdict.readable for verdict in self.files):
            return FileError.exit_code
        wrong = any(problem.severity == "error" for problem in self.problems)
        return 1 if wrong or not all(verdict.valid for verdict in self.files) else 0

    def to_data(self) -> dict[str, Any]:
        """Return the verdicts in the words of JSON."""
        return {
            "version": 1,
            "files": [
                {"path": one.path, "valid": one.valid, "problems": msgspec.to_builtins(one.problems)}
                for one in self.files
            ],
            "pools": [
                {
                    "path": one.path,
                    "family": one.family,
                    "kind": one.kind,
                    "found": [
                        {"name": found.name, "how": found.how, "warnings": list(found.warnings)} for found in one.found
                    ],
                    "skipped": msgspec.to_builtins(one.skipped),
                }
                for one in self.pools
            ],
            "problems": msgspec.to_builtins(self.problems),
        }


def pools(
    ctx: typer.Context,
    files: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[FILE]...", help=f"Files of pools, or - for stdin; else those in {POOLS}.", show_default=False
        ),
    ] = None,
    *,
    dev_root: DevRoot = None,
) -> CheckedPools:
    """Check pools of network functions and accelerators, and show what each has here.

    A file is a configuration of the SR-IOV network device plugin. To have nothing is no fault of a pool.

    Exit code: 0 all valid, 1 not, 4 a file could not be read.
    """
    host = host_of(ctx.obj, dev_root=dev_root)
    lists: list[PoolList] = []
    verdicts = tuple(_verdict(path, lists) for path in files or ())
    return _checked(host, verdicts, lists, own=not files)


def _verdict(path: str, lists: list[PoolList]) -> FileVerdict:
    try:
        found, problems = read_pools(read_document(path), source=path)
    except FileError as error:
        problem = Problem(severity="error", rule="unreadable", message=error.message, hint=error.hint)
        return FileVerdict(path=path, valid=False, problems=(problem,), readable=False)
    if found is not None:
        lists.append(found)
    return FileVerdict(path=path, valid=found is not None, problems=problems)


def _checked(host: Host, verdicts: tuple[FileVerdict, ...], lists: list[PoolList], *, own: bool) -> CheckedPools:
    """Return what pools have: those of these lists, or else the host's own."""
    families, problems = host_families(host, lists)
    named = {one.source for one in lists}
    chosen = {family.name: path for path, family in families if path in named or (own and path.startswith(f"{POOLS}/"))}
    discovery = discover(host, list(chosen), pools=lists) if chosen else None
    if discovery is not None:
        problems = discovery.problems
    told = tuple(problem for problem in problems if problem.rule != "profile-invalid")
    kinds = {family.name: family.kind for _, family in families}
    return CheckedPools(
        files=verdicts,
        pools=tuple(
            PoolVerdict(
                path=path,
                family=name,
                kind=kinds[name],
                found=tuple(one for one in discovery.found if one.family == name) if discovery else (),
                skipped=tuple(one for one in discovery.skipped if one.family == name) if discovery else (),
            )
            for name, path in chosen.items()
        ),
        problems=told,
        notes=tuple(problem.advice for problem in told if problem.severity != "error"),
    )
