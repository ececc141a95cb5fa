"""What hardware a host has: families look through a `Host` and say what they found, what they skipped, and why."""

from __future__ import annotations

__all__ = ["Discovery", "Family", "Found", "Skipped", "discover", "families"]

import importlib
import pkgutil
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from cdi.discovery.found import Discovery, Family, Found, Skipped
from cdi.discovery.profile import parse_profile
from cdi.errors import UsageError
from cdi.host import HostError
from cdi.names import natural_key
from cdi.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from cdi.host import Host

_HERE = Path(__file__).parent


@cache
def families() -> Mapping[str, Family]:
    """Return the families by name: the modules of `vendors` and the profiles."""
    known = [*_from_vendors(), *_from_profiles()]
    return {family.name: family for family in sorted(known, key=lambda family: family.name)}


def discover(host: Host, families: Iterable[str] | None = None, *, include: Iterable[str] = ()) -> Discovery:
    """Return what a host has, of all families or of those named.

    `include` names devices that are offered even where a caution would keep them back, such as the network
    interface that has the default route. A family that fails is a problem, and hides no other. Raises
    `UsageError` for an unknown family.
    """
    chosen = _chosen(families)
    wanted = frozenset(include)
    found: list[Found] = []
    skipped: list[Skipped] = []
    problems: list[Problem] = []
    for family in chosen:
        for item in _reported(family, host, wanted):
            (found if isinstance(item, Found) else skipped if isinstance(item, Skipped) else problems).append(item)  # type: ignore[arg-type]
    seen = {device.name for device in found} | {thing.what for thing in skipped}
    problems += [_never_seen(name) for name in sorted(wanted - seen)]
    return Discovery(
        families=tuple(family.name for family in chosen),
        found=tuple(sorted(found, key=lambda device: (device.family, natural_key(device.name)))),
        skipped=tuple(sorted(skipped, key=lambda thing: (thing.family, natural_key(thing.what)))),
        problems=tuple(problems),
    )


def _chosen(names: Iterable[str] | None) -> list[Family]:
    known = families()
    if names is None:
        return list(known.values())
    chosen = dict.fromkeys(names)
    for name in chosen:
        if name not in known:
            message = f"unknown family {name!r}"
            raise UsageError(message, hint=f"known families are {', '.join(known)}")
    return [known[name] for name in chosen]


def _reported(family: Family, host: Host, wanted: frozenset[str]) -> Iterator[Found | Skipped | Problem]:
    try:
        yield from family.discover(host, wanted)
    except HostError as error:
        if error.missing:
            yield Skipped(family=family.name, what=family.name, why=f"there is no {error.path}")
        else:
            yield Problem(severity="warning", rule="host-unreadable", message=f"{family.name}: {error.message}")


def _never_seen(name: str) -> Problem:
    message = f"nothing on this host is called {name!r}"
    return Problem(severity="warning", rule="include-unknown", message=message)


def _from_vendors() -> Iterator[Family]:
    for module in pkgutil.iter_modules([str(_HERE / "vendors")]):
        yield importlib.import_module(f"cdi.discovery.vendors.{module.name}").FAMILY


def _from_profiles() -> Iterator[Family]:
    for path in sorted((_HERE / "profiles").glob("*.yaml")):
        yield parse_profile(path.read_bytes(), source=path.name).to_family()
