"""A family for each pool: the functions that it takes, and those that an earlier pool has taken."""

from __future__ import annotations

__all__ = ["families_of_pools"]

from collections import Counter
from functools import partial
from typing import TYPE_CHECKING

from msgspec.structs import replace

from cdi.discovery.card import Addition, offer
from cdi.discovery.found import Family, Found, Report, Skipped
from cdi.discovery.movable import NOWHERE, Surroundings, judge, read_surroundings
from cdi.discovery.nic import Nic, read_nics
from cdi.discovery.node import Node, NodeFault, find_node
from cdi.discovery.pci import list_functions
from cdi.discovery.pools.format import ACCELERATOR, AUXILIARY, NETWORK, selectors_of
from cdi.discovery.pools.matching import PARTS, VALUES, VDPA_DRIVERS, Candidate, refusal, taken_by
from cdi.discovery.rdma import EXCLUSIVE, is_exclusive
from cdi.host import HostError
from cdi.names import natural_key
from cdi.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from cdi.discovery.pools.format import Pool, Selector
    from cdi.discovery.pools.reading import PlacedPool, PoolList
    from cdi.host import Host

_ACCELERATORS = 0x12  # base class: processing accelerators
_SORTS = {NETWORK: "network function", ACCELERATOR: "accelerator", AUXILIARY: "subfunction"}
_SHOWN = 4  # values, to explain
_VHOST = {"net-mount": "/dev/vhost-net", "tun-mount": "/dev/net/tun"}


def families_of_pools(
    lists: Iterable[PoolList], kinds: Mapping[str, str]
) -> tuple[tuple[tuple[str, Family], ...], tuple[Problem, ...]]:
    """Return the family of each pool with the file that it stands in, and what is wrong with other pools.

    A function belongs to the first pool that takes it, in the order of the files and in each of them; one that has no
    family keeps it from others all the same. `kinds` are those of other families, which no pool may have, each with its
    family.
    """
    problems: list[Problem] = []
    pools = tuple(one for each in lists for one in each.pools)
    first: dict[str, PlacedPool] = {}
    for placed in pools:
        kind = placed.pool.kind
        owner = f"the family {kinds[kind]}" if kind in kinds else first[kind].place if kind in first else None
        if owner is None:
            first[kind] = placed
        else:
            message = f"{placed.place}: the kind {kind!r} is that of {owner} already"
            hint = "give it another resourceName or resourcePrefix"
            problems.append(Problem(severity="error", rule="pools-invalid", message=message, hint=hint))
    times = Counter(one.pool.resource_name for one in first.values())
    families = (
        (one.source, _family(one, pools[:index], alone=times[one.pool.resource_name] == 1))
        for index, one in enumerate(pools)
        if first.get(one.pool.kind) is one
    )
    return tuple(families), tuple(problems)


def _family(placed: PlacedPool, earlier: Sequence[PlacedPool], *, alone: bool) -> Family:
    pool = placed.pool
    name = f"pool-{pool.resource_name if alone else f'{pool.resource_prefix}-{pool.resource_name}'}"
    return Family(
        name=name,
        kind=pool.kind,
        summary=f"{_SORTS[pool.device_type]}s that the pool at {placed.place} selects",
        discover=partial(_discover, placed, earlier, name),
    )


def _discover(
    placed: PlacedPool, earlier: Sequence[PlacedPool], family: str, host: Host, wanted: frozenset[str]
) -> Iterator[Report]:
    around = host.once(_surroundings)
    yield from around.problems
    overlaps: dict[str, tuple[PlacedPool, list[str]]] = {}
    empty, has_rdma = True, False
    for candidate in host.once(_candidates):
        selector = taken_by(placed.pool, candidate)
        if selector is None:
            continue
        empty = False
        name = candidate.nic.name
        owner = next((other for other in earlier if taken_by(other.pool, candidate) is not None), None)
        if owner is not None:
            if not _is_kept(candidate.nic, around):
                overlaps.setdefault(owner.place, (owner, []))[1].append(name)
            yield Skipped(family=family, what=name, why=f"is in the pool {owner.pool.kind}", absent=True)
            continue
        item = _offered(host, candidate, selector, placed.pool, around, family, wanted)
        has_rdma = has_rdma or (selector.is_rdma and isinstance(item, Found))
        yield item
    yield from (_overlap(placed, owner, names) for owner, names in overlaps.values())
    if has_rdma and is_exclusive(host):
        yield EXCLUSIVE
    if empty:
        yield Skipped(family=family, what=family, why=_nothing(host, placed.pool), absent=True)


def _surroundings(host: Host) -> Surroundings:
    try:
        return host.once(read_surroundings)
    except HostError as error:
        if not error.missing:
            raise
        return NOWHERE


def _candidates(host: Host) -> tuple[Candidate, ...]:
    """Return all that pools may take, by address."""
    interfaces = host.once(_surroundings).by_name
    nics = [nic for nic in host.once(read_nics) if nic.subfunction is not None or nic.function.is_network]
    accelerators = (Nic(function=function) for function in list_functions(host, base_class=_ACCELERATORS))
    return (
        *(Candidate(host, nic, interfaces) for nic in nics),
        *(Candidate(host, nic, interfaces, accelerator=True) for nic in accelerators),
    )


def _offered(  # noqa: PLR0913, PLR0917 - what there is to know of one function
    host: Host,
    candidate: Candidate,
    selector: Selector,
    pool: Pool,
    around: Surroundings,
    family: str,
    wanted: frozenset[str],
) -> Found | Skipped:
    """Return the device, with RDMA and vDPA only where the selector asks for it, as the plugin does."""
    nic = candidate.nic
    driver = VDPA_DRIVERS.get(selector.vdpa_type or "")
    lowered = replace(
        nic,
        rdma=nic.rdma if selector.is_rdma else (),
        vdpa=tuple(device for device in nic.vdpa if device.driver == driver),
    )
    besides = _besides(host, selector, pool, nic.function.bdf)
    return offer(host, lowered, around, family=family, kind=pool.kind, wanted=wanted, besides=besides)


def _besides(host: Host, selector: Selector, pool: Pool, bdf: str) -> Addition:
    """Return vhost-net with tun, and additionalInfo (pkg/infoprovider in the plugin's sources)."""
    info: dict[str, dict[str, str]] = {}
    nodes: list[Node] = []
    warnings: list[str] = []
    if pool.additional_info:
        info["extra"] = {**pool.additional_info.get("*", {}), **pool.additional_info.get(bdf, {})}
    if selector.need_vhost_net:
        try:
            nodes += [_misc(host, path) for path in _VHOST.values()]
            info["vhost"] = _VHOST
        except (NodeFault, HostError) as fault:
            warnings.append(f"needVhostNet: {fault}; modprobe vhost_net and tun make the nodes")
    return Addition(nodes=tuple(nodes), info=info, warnings=tuple(warnings))


def _misc(host: Host, path: str) -> Node:
    """Return the node of a misc device, which may be there before its module is loaded: sysfs has none then."""
    sysfs = f"/sys/class/misc/{path.rpartition('/')[2]}"
    return find_node(host, sysfs=sysfs if host.is_dir(sysfs) else None, path=path)


def _is_kept(nic: Nic, around: Surroundings) -> bool:
    """Return whether the host needs a function itself, so that it is no trouble when several pools select it."""
    cautions = any(judge(interface, around).caution is not None for interface in nic.interfaces)
    return cautions or (nic.subfunction is None and nic.function.caution is not None)


def _overlap(placed: PlacedPool, owner: PlacedPool, names: Sequence[str]) -> Problem:
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    message = (
        f"{placed.place}: the pool {placed.pool.kind} selects {names[0]}{more} too, "
        f"which the pool {owner.pool.kind} has ({owner.place})"
    )
    hint = "the first pool has it: narrow one of them, with pfNames, rootDevices or pciAddresses for example"
    return Problem(severity="warning", rule="pools-overlap", message=message, hint=hint)


def _nothing(host: Host, pool: Pool) -> str:
    """Return why a pool takes nothing: there is nothing of its sort, or what left out those that got farthest."""
    candidates = [one for one in host.once(_candidates) if one.type == pool.device_type]
    sort = _SORTS[pool.device_type]
    if not candidates:
        return f"there is no {sort}"
    refused = [
        (PARTS.index(part), candidate)
        for selector in selectors_of(pool)
        for candidate in candidates
        if (part := refusal(selector, candidate)) is not None
    ]
    farthest = max(place for place, _ in refused)
    last = {one.nic.name: one for place, one in refused if place == farthest}
    value_of = VALUES.get(PARTS[farthest])
    values = sorted({value_of(one) or "none" for one in last.values()}, key=natural_key) if value_of else []
    theirs = f", which have {', '.join(values[:_SHOWN])}{', …' if len(values) > _SHOWN else ''}" if values else ""
    return f"selects none of {len(candidates)} {sort}s: {PARTS[farthest]} leaves out the last {len(last)}{theirs}"
