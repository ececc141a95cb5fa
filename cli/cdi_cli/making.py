"""Specs for a host as the options say: what `generate` and `watch` have in common."""

from __future__ import annotations

__all__ = [
    "Annotations",
    "CdiVersion",
    "Compat",
    "DisableHook",
    "Families",
    "HookPath",
    "Include",
    "Made",
    "Making",
    "Names",
    "NoAll",
    "NoHooks",
    "Numbers",
]

from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from cdi import runtimes  # its names, which are loaded when they are used: few look at the runtimes of the host
from cdi.discovery import Discovery, discover
from cdi.errors import UsageError
from cdi.generation import Generated, generate
from cdi.hostcheck import check_host
from cdi.model import Spec  # noqa: TC001 - part of a struct
from cdi.problem import Problem  # noqa: TC001 - as above
from cdi.versions import lowest
from cdi_cli.hosts import own_families, own_pools

if TYPE_CHECKING:
    from cdi.host import Host

_AUTO, _NONE = "auto", "none"

# Options of every command that makes specs.
Families = Annotated[
    list[str] | None,
    typer.Argument(metavar="[FAMILY]...", help="Families of hardware, or vendors; else all.", show_default=False),
]
Include = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME", help="Offer this device although it would be skipped.", show_default=False),
]
Names = Annotated[
    list[str] | None,
    typer.Option(
        "--name",
        "--device-name-strategy",
        metavar="WORD",
        help="Name devices by this, such as bdf, index or uuid; repeatable.",
        show_default=False,
    ),
]
NoAll = Annotated[
    bool,
    typer.Option(
        "--no-all", "--no-all-device", help="Leave out the device that brings all others.", show_default=False
    ),
]
CdiVersion = Annotated[
    str | None,
    typer.Option(metavar="VERSION", help="Write for runtimes that know no more.", show_default=False),
]
Compat = Annotated[
    list[str] | None,
    typer.Option(
        metavar="RUNTIME",
        help="Write what this reads, podman-4.9 for example, or auto: what is installed here; repeatable.  "
        "[default: auto for --install and --check, else none]",
        show_default=False,
    ),
]
Numbers = Annotated[bool, typer.Option("--numbers", help="Write the numbers of device nodes.", show_default=False)]
Annotations = Annotated[
    bool, typer.Option("--annotations", help="Write NUMA nodes and the like (CDI 0.6.0).", show_default=False)
]
NoHooks = Annotated[bool, typer.Option("--no-hooks", help="Use no hook; links become mounts.", show_default=False)]
DisableHook = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME", help="Leave out this hook, or all; repeatable.", show_default=False),
]
HookPath = Annotated[
    str | None,
    typer.Option(
        "--hook-path", "--nvidia-cdi-hook-path", metavar="PATH", help="The program of hooks.", show_default=False
    ),
]


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """What a host has, the specs for it, and what would keep containers from starting with one of them.

    `choices` are the arguments of `cdi.generate` that they were made with.
    `runtimes` is what there is to say of the runtimes of the host, if they were looked at.
    """

    discovery: Discovery
    generated: Generated
    choices: dict[str, Any]
    faults: tuple[tuple[Spec, Problem], ...]
    runtimes: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()

    @property
    def notes(self) -> tuple[str, ...]:
        """What there is to say of it, a line each."""
        notes = [*self.doubts, *(problem.advice for problem in self.discovery.problems)]
        told = [one for one in self.discovery.skipped if one.broken or one.lent]
        notes += [f"left out {one.family} {one.what}: {one.advice}" for one in told]
        notes += [f"{loss.subject}: {loss.text}" for loss in self.generated.losses]
        notes += dict.fromkeys(f"{spec.kind}: {problem.advice}" for spec, problem in self.faults)
        return tuple(notes)


class Making(msgspec.Struct, frozen=True, kw_only=True):
    """How specs are to be made, as the options say; `choices` are further arguments of `cdi.generate`.

    `compat` names releases of runtimes, or is `auto` (those of the host), or `none`. When it is `standing`, for a host
    that changes, a sort of name that no device has now is a note, and no error.
    """

    families: list[str] | None = None
    include: list[str] | None = None
    profile: list[str] | None = None
    pools: list[str] | None = None
    cdi_version: str | None = None
    compat: list[str] | None = None
    standing: bool = False
    choices: dict[str, Any]

    def made(self, host: Host) -> Made:
        """Return the specs for a host."""
        host = host.remembering().with_nodes()
        discovery = discover(
            host,
            self.families or None,
            include=self.include or (),
            more=own_families(self.profile),
            pools=own_pools(self.pools),
        )
        installed = runtimes.find_runtimes(host) if _AUTO in (self.compat or ()) else None
        found = runtimes.newest_for(installed) if installed is not None else None
        known = {sort for one in discovery.found for sort in one.names}
        unknown = [name for name in self.choices["names"] if name not in known] if self.standing else []
        names = tuple(name for name in self.choices["names"] if name not in unknown)
        choices: dict[str, Any] = self.choices | {
            "names": names,
            "max_version": _lowest(*self._caps(), found.version if found is not None else None),
        }
        generated = generate(discovery, **choices)
        faults = [(spec, problem) for spec in generated.specs for problem in check_host(spec, host)]
        said = (*found.notes, *runtimes.ignored_fields(generated.specs, installed or ())) if found is not None else ()
        return Made(
            discovery=discovery,
            generated=generated,
            choices=choices,
            faults=tuple(faults),
            runtimes=said,
            doubts=tuple(f"no device has a name of the sort {name!r}" for name in unknown),
        )

    def _caps(self) -> list[str | None]:
        """Return the versions that the user names, and those of the releases that the user names."""
        named = self.compat or []
        if _NONE in named and len(named) > 1:
            message = (
                f"--compat {_NONE} and --compat {next(name for name in named if name != _NONE)} exclude each other"
            )
            raise UsageError(message)
        releases = [name for name in named if name not in {_AUTO, _NONE}]
        return [self.cdi_version, *map(_newest_version, releases)]


def _newest_version(release: str) -> str:
    from cdi.compat import newest_version  # noqa: PLC0415 - only for who names a release

    return newest_version(release)


def _lowest(*caps: str | None) -> str | None:
    given = [cap for cap in caps if cap is not None]
    return lowest(given) if given else None
