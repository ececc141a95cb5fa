"""`cdi watch`: a service that keeps the installed specs true."""

from __future__ import annotations

__all__ = ["EXAMPLES", "Ended", "watch"]

import gc
import os
import time
from pathlib import Path
from typing import Annotated, Literal

import typer

from cdi.errors import UsageError
from cdi.host import Host
from cdi.upkeep import Engine, Keeper, Looker, Metrics, Notifier, Service, Timing, Wanted, wanted
from cdi_cli.answer import Answer
from cdi_cli.hosts import DevRoot, DriverRoot, LibraryDirs, Pools, Profiles, host_of
from cdi_cli.journal import journal
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
from cdi_cli.settings import Settings

EXAMPLES = {
    "watch": """cdi watch                          # what the service runs
cdi --root /host watch nvidia      # in a container with the host's files
cdi watch --metrics-file /var/lib/node_exporter/cdi.prom --log-format json""",
}
_SHORTEST = 1.0


class Ended(Answer, frozen=True, kw_only=True):
    """Nothing: a service answers nobody, it has written a log."""


def watch(
    ctx: typer.Context,
    chosen: Families = None,
    *,
    interval: Annotated[
        float, typer.Option(metavar="SECONDS", help="Look at everything so often, whatever happens.")
    ] = Timing().interval,
    grace: Annotated[
        float,
        typer.Option(metavar="SECONDS", help="Wait so long for missing hardware to come back, before its spec goes."),
    ] = Timing().grace,
    metrics_file: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Keep counts there, as text for Prometheus.", show_default=False),
    ] = None,
    log_format: Annotated[Literal["text", "json"], typer.Option(help="How the log is written, to stderr.")] = "text",
    include: Include = None,
    driver_root: DriverRoot = None,
    dev_root: DevRoot = None,
    library_search_path: LibraryDirs = None,
    profile: Profiles = None,
    pools: Pools = None,
    name: Names = None,
    no_all: NoAll = False,
    cdi_version: CdiVersion = None,
    compat: Compat = None,
    numbers: Numbers = False,
    annotations: Annotations = False,
    no_hooks: NoHooks = False,
    disable_hook: DisableHook = None,
    hook_path: HookPath = None,
) -> Ended:
    """Keep the specs of this host true, until SIGTERM or ^C.

    It does what `generate --install` does, at first and whenever hardware, drivers or their files change; SIGHUP has
    it look at once. What is missing because a driver is just loading again stays in its spec for a while.
    """
    gc.enable()  # this process stays
    settings: Settings = ctx.obj
    for option, value in (("--interval", interval), ("--grace", grace)):
        if not _SHORTEST <= value < float("inf"):
            message = f"{option} {value:g} is too short" if value < _SHORTEST else f"{option} {value:g} is no time"
            raise UsageError(message, hint=f"it is at least {_SHORTEST:g} second")
    making = Making(
        families=chosen,
        include=include,
        profile=profile,
        pools=pools,
        cdi_version=cdi_version,
        compat=compat or (["auto"] if cdi_version is None else None),
        standing=True,
        choices={
            "names": name or (),
            "all_device": not no_all,
            "numbers": numbers,
            "annotations": annotations,
            "hooks": not no_hooks,
            "disable_hooks": disable_hook or (),
            "hook_program": hook_path,
        },
    )

    def make(host: Host) -> Wanted:
        made = making.made(host)
        return wanted(made.discovery, made.generated.specs, made.faults, made.notes)

    host = host_of(settings, dev_root=dev_root, driver_root=driver_root, library_dirs=library_search_path)
    looker = Looker(host, make, root=settings.root)
    directory = Path(settings.listed_dirs[-1])
    timing = Timing(interval=interval, grace=grace)
    metrics = Metrics(version=_version(), wall=time.time)
    say = journal(log_format, quiet=settings.quiet, verbose=settings.verbose)
    keeper = Keeper(directory, timing, root=settings.root)
    engine = Engine(looker.look, keeper, timing, clock=time.monotonic, say=say, metrics=metrics)
    Service(
        engine,
        looker,
        directory=directory,
        root=settings.root,
        notifier=Notifier.from_environment(os.environ),
        metrics=metrics,
        metrics_file=Path(metrics_file) if metrics_file is not None else None,
        clock=time.monotonic,
        say=say,
    ).run()
    return Ended()


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415 - slow

    try:
        return version("cdi-tools")
    except PackageNotFoundError:
        return "unknown"
