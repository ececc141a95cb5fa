"""`cdi discover`: what hardware there is, and what was skipped."""

from __future__ import annotations

__all__ = ["EXAMPLES", "Hardware", "discover"]

from typing import Annotated, Any

import msgspec
import typer

from cdi.discovery import Discovery
from cdi.discovery import discover as discover_on
from cdi.errors import NothingFound
from cdi_cli.answer import Answer
from cdi_cli.hosts import DevRoot, DriverRoot, LibraryDirs, Pools, Profiles, host_of, own_families, own_pools

EXAMPLES = {"discover": "cdi discover\ncdi discover netdev -o json\ncdi --root host.tree discover"}


class Hardware(Answer, frozen=True, kw_only=True):
    """What discovery found, skipped, and stumbled over."""

    discovery: Discovery
    all_families: bool = False  # whether the user named none

    @property
    def exit_code(self) -> int:
        """0 when there is something, 3 when there is not."""
        return 0 if self.discovery.found else NothingFound.exit_code

    def to_data(self) -> dict[str, Any]:
        """Return the discovery, in the words of JSON."""
        plain: dict[str, Any] = msgspec.to_builtins(self.discovery)
        for found in plain["found"]:
            found["containerEdits"] = found.pop("edits")
            found["inAll"] = found.pop("in_all")
            found["envLists"] = found.pop("env_lists")
        for shared in plain["shared"]:
            shared["containerEdits"] = shared.pop("edits")
        return {"version": 1} | plain


def discover(
    ctx: typer.Context,
    families: Annotated[
        list[str] | None,
        typer.Argument(metavar="[FAMILY]...", help="Families of hardware, or vendors; else all.", show_default=False),
    ] = None,
    *,
    include: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Offer this device although it would be skipped.", show_default=False),
    ] = None,
    driver_root: DriverRoot = None,
    dev_root: DevRoot = None,
    library_search_path: LibraryDirs = None,
    profile: Profiles = None,
    pools: Pools = None,
) -> Hardware:
    """Show the hardware that can be given to containers, and what was skipped.

    `cdi profile list` has the families; a vendor's name stands for all of its own.

    Exit code: 0 something was found, 3 nothing.
    """
    host = host_of(ctx.obj, dev_root=dev_root, driver_root=driver_root, library_dirs=library_search_path)
    discovery = discover_on(
        host, families or None, include=include or (), more=own_families(profile), pools=own_pools(pools)
    )
    notes = tuple(problem.advice for problem in discovery.problems)
    return Hardware(discovery=discovery, all_families=not families, notes=notes)
