"""The releases of runtimes that `--compat` names, for commands that hold specs against them."""

from __future__ import annotations

__all__ = ["AUTO", "NamedReleases", "releases_of"]

from typing import TYPE_CHECKING, Annotated

import typer

from cdi.compat import RUNTIMES, Release, release_of
from cdi_cli.hosts import host_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cdi.runtimes import Runtime
    from cdi_cli.settings import Settings

AUTO = "auto"  # what is installed on the host
NamedReleases = Annotated[
    list[str] | None,
    typer.Option(
        "--compat",
        metavar="RUNTIME",
        help="Also ask whether this loads them, podman-4.9 for example, or auto: what is installed here; repeatable.",
        show_default=False,
    ),
]


def releases_of(names: Sequence[str], settings: Settings) -> tuple[tuple[Release, ...], tuple[str, ...]]:
    """Return the releases, and what is to be said about those that are installed."""
    named = tuple(release_of(name) for name in names if name != AUTO)
    if AUTO not in names:
        return named, ()
    from cdi.runtimes import find_runtimes, newest_for  # noqa: PLC0415 - for auto only

    runtimes = find_runtimes(host_of(settings))
    found = tuple(_installed(runtimes))
    return (*named, *found), () if found else newest_for(runtimes).notes


def _installed(runtimes: Iterable[Runtime]) -> Iterable[Release]:
    for one in runtimes:
        if one.enabled is not False and one.newest_version is not None:
            yield Release(
                name=one.release or one.name,
                newest=one.newest_version,
                spec_dirs=one.spec_dirs or None,
                crashes=_crashes(one),
                low_level=one.low_level.label if one.low_level is not None else "",
                ignores=one.low_level.lacks if one.low_level is not None else (),
            )


def _crashes(runtime: Runtime) -> bool:
    return runtime.release is None or runtime.name not in RUNTIMES or release_of(runtime.release).crashes
