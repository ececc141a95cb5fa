"""What hardware a host has: families look through a `Host` and say what they found, what they skipped, and why."""

from __future__ import annotations

__all__ = ["POOLS", "Discovery", "Family", "Found", "Shared", "Skipped", "discover", "families", "host_families"]

import importlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from msgspec.structs import replace

from cdi.discovery.found import Discovery, Family, Found, Shared, Skipped
from cdi.errors import UsageError
from cdi.host import HostError
from cdi.names import natural_key
from cdi.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from cdi.discovery.found import Report
    from cdi.discovery.pools import PoolList
    from cdi.host import Host

_HERE = Path(__file__).parent
_NO_RIGHT = ("permission denied", "operation not permitted")
_UNREAD = frozenset({"host-unreadable", "nvml-failed"})  # problems that may hide devices
POOLS = "/etc/cdi-tools/pools.d"
_T = TypeVar("_T")


class _Files(NamedTuple):
    """Files in which a host describes families of its own."""

    place: str
    endings: tuple[str, ...]
    what: str
    rule: str  # of what is wrong with them


_PROFILES = _Files("/etc/cdi-tools/profiles.d", (".yaml",), "profiles", "profile-invalid")
_POOLS = _Files(POOLS, (".yaml", ".json"), "pools", "pools-invalid")


@cache
def _places() -> Mapping[str, Path]:
    """Return where each family is: a module of `vendors` or a profile, called as the family is."""
    files = [*(_HERE / "vendors").glob("[!_]*.py"), *(_HERE / "profiles").glob("*.yaml")]
    return {path.stem.replace("_", "-"): path for path in sorted(files, key=lambda path: path.stem)}


@cache
def _family(name: str) -> Family:
    path = _places()[name]
    if path.suffix == ".py":
        family: Family = importlib.import_module(f"cdi.discovery.vendors.{path.stem}").FAMILY
        return family
    from cdi.discovery.profile import family_of, parse_profile  # noqa: PLC0415 - a third of the time of a start

    return family_of(parse_profile(path.read_bytes(), source=path.name))


def families() -> Mapping[str, Family]:
    """Return the families that come with this package by name: the modules of `vendors` and the profiles."""
    return {name: _family(name) for name in _places()}


def discover(
    host: Host,
    families: Iterable[str] | None = None,
    *,
    include: Iterable[str] = (),
    more: Iterable[Family] = (),
    pools: Iterable[PoolList] = (),
) -> Discovery:
    """Return what a host has, of all families or of those named.

    A name may be that of a vendor and stands for its families then: `intel` for `intel-gpu` and `intel-npu`.
    Besides the package's own families there are those of the profiles in the host's `/etc/cdi-tools/profiles.d`
    and those given as `more`; of two that are called the same, the last of these counts. The pools in
    `/etc/cdi-tools/pools.d` are families as well, after those given as `pools`. `include` names devices
    that are offered even where a caution would keep them back, such as the network interface that has the default
    route. A family that fails is a problem, and hides no other. Raises `UsageError` for an unknown family.
    """
    host = host.remembering().with_nodes()
    problems: list[Problem] = []
    own, faults = host_families(host, pools)
    problems += faults
    given = {family.name: family for family in (*(family for _, family in own), *more)}
    chosen = _chosen(families, given)
    wanted = frozenset(include)
    lists: dict[type, list[Report]] = {Found: [], Shared: [], Skipped: []}
    unsure: dict[str, str] = {}
    lent: dict[str, tuple[str, ...]] = {}
    for family in chosen:
        for item in _reported(family, host, wanted):
            if isinstance(item, Problem) and item.rule in _UNREAD:
                unsure.setdefault(family.kind, item.message)
            if isinstance(item, Skipped) and item.lent:
                lent[family.kind] = (*lent.get(family.kind, ()), *item.lent)
            lists.get(type(item), problems).append(item)  # type: ignore[arg-type]
    found: list[Found] = lists[Found]  # type: ignore[assignment]
    skipped: list[Skipped] = lists[Skipped]  # type: ignore[assignment]
    seen = {name for device in found for name in (device.name, *device.names.values(), *device.words)}
    seen |= {name for thing in skipped for name in (thing.what, *thing.words)}
    problems += [_never_seen(name) for name in sorted(wanted - seen)]
    problems += _nodes_told(host, (*found, *lists[Shared]))
    return Discovery(
        families=tuple(family.name for family in chosen),
        kinds=tuple(sorted({family.kind for family in chosen})),
        found=tuple(sorted(found, key=lambda device: (device.family, natural_key(device.name)))),
        shared=tuple(lists[Shared]),  # type: ignore[arg-type]
        skipped=tuple(sorted(map(_as_root, skipped), key=lambda thing: (thing.family, natural_key(thing.what)))),
        problems=tuple(dict.fromkeys(problems)),
        unsure=unsure,
        lent=lent,
    )


def host_families(
    host: Host, pools: Iterable[PoolList] = ()
) -> tuple[tuple[tuple[str, Family], ...], tuple[Problem, ...]]:
    """Return the families of a host's own profiles and pools, each with its file, and what is wrong with others.

    `pools` come before those of the host, and replace those of the same kind.
    """
    own: dict[str, Family] = {}
    problems: list[Problem] = []
    paths = _listed(host, _PROFILES, problems)
    if paths:
        from cdi.discovery.profile import family_of, parse_profile  # noqa: PLC0415 - as above

        own = {path: family_of(one) for path, one in _read(host, _PROFILES, paths, parse_profile, problems)}
    given, paths = tuple(pools), _listed(host, _POOLS, problems)
    if not paths and not given:
        return tuple(own.items()), tuple(problems)
    from cdi.discovery.pools import families_of_pools, parse_pools  # noqa: PLC0415 - as above

    replaced = {one.pool.kind for each in given for one in each.pools}
    found: list[PoolList] = []
    for path in paths:
        read = list(_read(host, _POOLS, [path], parse_pools, problems))
        found += [each.without(replaced) for _, each in read]
        if not read:
            problems += [_waits(later, path) for later in paths[paths.index(path) + 1 :]]
            break
    kinds = {family.kind: family.name for family in (*families().values(), *own.values())}
    of_pools, faults = families_of_pools((*given, *found), kinds)
    return (*own.items(), *of_pools), (*problems, *faults)


def _waits(later: str, broken: str) -> Problem:
    message = f"{later}: its pools are not made while {broken} is broken: they could take functions of that one's"
    return Problem(severity="warning", rule=_POOLS.rule, message=message)


def _listed(host: Host, files: _Files, problems: list[Problem]) -> list[str]:
    """Return the paths of a host's own files of a sort, and note those that are not read."""
    try:
        names = [name for name in host.listdir(files.place) if not name.startswith(".")]
    except HostError as error:
        if not error.missing:
            problems.append(Problem(severity="warning", rule="host-unreadable", message=error.message))
        return []
    for name in names:
        if name.endswith(".yml"):
            message = f"{files.place}/{name} is ignored: {files.what} end in {' or '.join(files.endings)}"
            problems.append(Problem(severity="warning", rule=files.rule, message=message))
    return [f"{files.place}/{name}" for name in names if name.endswith(files.endings)]


def _read(
    host: Host, files: _Files, paths: Iterable[str], parse: Callable[..., _T], problems: list[Problem]
) -> Iterator[tuple[str, _T]]:
    """Yield what each file says with its path, and note what is wrong with others."""
    from cdi.discovery.form import FormInvalid  # noqa: PLC0415 - as above

    for path in paths:
        try:
            yield path, parse(host.read_bytes(path), source=path)
        except FormInvalid as error:
            problems += error.placed()
        except HostError as error:
            problems.append(Problem(severity="error", rule=files.rule, message=error.message))


def _chosen(names: Iterable[str] | None, given: Mapping[str, Family]) -> list[Family]:
    known = sorted({*_places(), *given})

    def load(name: str) -> Family:
        return given.get(name) or _family(name)

    if names is None:
        return [family for family in map(load, known) if not family.on_request]
    chosen: dict[str, Family] = {}
    for name in names:
        of_vendor = [load(one) for one in known if one.startswith(f"{name}-")]
        own = [load(name)] if name in known else [family for family in of_vendor if not family.on_request]
        if not own:
            message = f"unknown family {name!r}"
            raise UsageError(message, hint=_near(name, known))
        chosen |= {family.name: family for family in own}
    return list(chosen.values())


def _near(name: str, known: list[str]) -> str:
    from difflib import get_close_matches  # noqa: PLC0415 - only for who mistypes

    near = get_close_matches(name, sorted({*known, *(one.partition("-")[0] for one in known)}), n=1)
    return f"did you mean {near[0]!r}?" if near else f"known families are {', '.join(known)}"


def _reported(family: Family, host: Host, wanted: frozenset[str]) -> Iterator[Report]:
    try:
        yield from family.discover(host, wanted)
    except HostError as error:
        if error.missing:
            yield Skipped(family=family.name, what=family.name, why=f"there is no {error.path}", absent=True)
        else:
            hint = "run as root" if error.reason in _NO_RIGHT else None
            message = f"{family.name}: {error.message}"
            yield Problem(severity="warning", rule="host-unreadable", message=message, hint=hint)


def _as_root(thing: Skipped) -> Skipped:
    """Return a thing with the way out where it is only a matter of rights, whatever else its family advises."""
    return replace(thing, hint="run as root") if thing.why.endswith(_NO_RIGHT) else thing


def _nodes_told(host: Host, parts: Iterable[Any]) -> Iterator[Problem]:
    """Yield what is not known of the nodes of a host that are not in `/dev`."""
    if not host.has_nodes and any(part.edits.device_nodes for part in parts):
        yield Problem(
            severity="warning",
            rule="nodes-told",
            message="/dev is not the host's: nodes are what sysfs tells of, which groups may open them is unknown",
            hint="a process that is not root may need a group; bind the host's root, and name it with --root",
        )


def _never_seen(name: str) -> Problem:
    message = f"nothing on this host is called {name!r}"
    return Problem(severity="warning", rule="include-unknown", message=message)
