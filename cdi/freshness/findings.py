"""Facts about the devices of a kind, put together to what a person wants to know."""

from __future__ import annotations

__all__ = ["Offer", "findings"]

import re
from typing import TYPE_CHECKING, NamedTuple

from msgspec.structs import replace

from cdi.edits import append
from cdi.freshness.facts import Fact, facts, parts_of, place_of
from cdi.freshness.finding import REGENERATE, Finding

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from cdi.discovery import Skipped
    from cdi.freshness.facts import Broken
    from cdi.model import ContainerEdits, Spec

_ALL = "all"
_VERSION = re.compile(r"\d+(?:\.\d+)+")
_SHOWN = 4  # names in a message
# What is true of a spec whoever wrote it; a spec of another tool may differ from ours in everything else.
_OF_THE_HOST = (
    *("device-moved", "driver-version", "file-missing", "hook-missing", "interface-missing"),
    *("node-missing", "node-numbers", "node-renumbered", "node-type"),
)

_IN_USE = "an interface that is in a container comes back when the network of that ends, unless it is virtual"
_Grouped = dict[Fact, list[str]]


class Offer(NamedTuple):
    """A device that runtimes find: all that it brings, its file, and whether that may be another tool's."""

    edits: ContainerEdits
    path: str
    foreign: bool


def findings(
    kind: str, offers: Mapping[str, Offer], specs: Sequence[Spec], broken: Broken, skipped: Mapping[str, Skipped]
) -> list[Finding]:
    """Return what is not as it is installed.

    The first of `specs` is what there would be now; the names of the others count for files of other tools only.
    `skipped` are devices that are here and would not be offered, by name.
    """
    now: dict[str, ContainerEdits] = {}
    for i, spec in enumerate(specs):
        for device in spec.devices:
            if device.name not in now and (i == 0 or (device.name in offers and offers[device.name].foreign)):
                now[device.name] = append(spec.container_edits, device.container_edits)
    foreign = {offer.path for offer in offers.values() if offer.foreign}
    found = list(_set_findings(kind, offers, now, skipped))
    grouped: _Grouped = {}
    for name, offer in offers.items():
        if name in now:
            for fact in _device_facts(name, offer, now[name], broken):
                grouped.setdefault(fact, []).append(name)
    common = [name for name in offers if name in now]
    found, grouped = _with_all(found, grouped, offers)
    for fact, names in _versions_merged(grouped).items():
        if fact.cause in _OF_THE_HOST or not all(offers[name].foreign for name in names):
            found.append(_finding(kind, fact, names, common, offers))
    return [_of_other_tool(one) if one.path in foreign else one for one in found]


def _with_all(found: list[Finding], grouped: _Grouped, offers: Mapping[str, Offer]) -> tuple[list[Finding], _Grouped]:
    """Return findings and facts, less what is said of `all` and follows from what is said of other devices."""
    missing = [i for i, one in enumerate(found) if one.cause in {"device-broken", "device-gone"}]
    lost = {part for i in missing for name in found[i].devices for part in parts_of(offers[name].edits)}
    follows = [fact for fact, names in grouped.items() if names == [_ALL] and fact.old in lost]
    if any(fact.severity == "error" for fact in follows):
        first = found[missing[0]]
        message = f"{first.message}, and {_ALL!r} does not work without"
        found = [
            replace(first, message=message, devices=(*first.devices, _ALL)) if one is first else one for one in found
        ]
    only_all = bool(found) or any(names != [_ALL] for names in grouped.values())
    return found, {
        fact: names
        for fact, names in grouped.items()
        if fact not in follows and not (only_all and names == [_ALL] and fact.severity == "warning")
    }


def _of_other_tool(finding: Finding) -> Finding:
    if finding.hint != REGENERATE:
        return finding
    return replace(finding, hint=f"write {finding.path!r} anew with the tool that made it, or replace it by ours")


def shown(names: Sequence[str]) -> str:
    """Return some names and how many more there are."""
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN + 1 else ""
    return ", ".join(names[: _SHOWN if more else None]) + more


def _device_facts(name: str, offer: Offer, now: ContainerEdits, broken: Broken) -> Iterator[Fact]:
    before, after = place_of(offer.edits), place_of(now)
    if name != _ALL and before and after and before != after:
        yield Fact(
            "device-moved", "error", f"{name} is the device at {after} now, it was that at {before}", before, after
        )
    else:
        yield from facts(offer.edits, now, broken)


def _set_findings(
    kind: str, offers: Mapping[str, Offer], now: Mapping[str, ContainerEdits], skipped: Mapping[str, Skipped]
) -> Iterator[Finding]:
    for name in offers:
        if name not in now and name in skipped and skipped[name].broken:
            yield Finding(
                cause="device-broken",
                severity="error",
                kind=kind,
                message=f"{name} does not work: {skipped[name].why}",
                hint=skipped[name].hint or REGENERATE,
                devices=(name,),
                path=offers[name].path,
                old=(name,),
            )
    gone = [name for name in offers if name not in now and name not in skipped]
    come = [name for name in now if name not in offers]
    places = {place_of(now[name]): name for name in come if name != _ALL}
    for name in list(gone):
        other = places.get(place_of(offers[name].edits)) if place_of(offers[name].edits) else None
        if other is not None and other in come:
            gone.remove(name)
            come.remove(other)
            message = f"{name} is called {other} now"
            path = offers[name].path
            yield Finding(
                cause="device-renamed",
                severity="error",
                kind=kind,
                message=message,
                devices=(name,),
                path=path,
                old=(name,),
                new=(other,),
            )
    if gone:
        in_use = any(offers[name].edits.net_devices for name in gone)
        message = f"this host has no {shown(gone)} any more" if gone != [_ALL] else "there is no device 'all' now"
        paths = {offers[name].path for name in gone}
        yield Finding(
            cause="device-gone",
            severity="error",
            kind=kind,
            message=message,
            hint=f"{_IN_USE}; else {REGENERATE}" if in_use else REGENERATE,
            devices=tuple(gone),
            path=paths.pop() if len(paths) == 1 else None,
            old=tuple(gone),
        )
    if come:
        message = f"{shown(come)} {'is' if len(come) == 1 else 'are'} on this host and not offered"
        paths = {offer.path for offer in offers.values()}
        yield Finding(
            cause="device-new",
            severity="warning",
            kind=kind,
            message=message,
            devices=tuple(come),
            path=paths.pop() if len(paths) == 1 else None,
            new=tuple(come),
        )


def _versions_merged(grouped: _Grouped) -> _Grouped:
    """Return facts with those of files that have a new version in their names made one, and what follows left out."""
    gone: dict[str, list[Fact]] = {}
    come: dict[str, list[Fact]] = {}
    for fact in grouped:
        if fact.cause in {"file-missing", "file-changed"}:
            for side, path in ((gone, fact.old), (come, fact.new)):
                if path and _VERSION.search(path) and not (fact.old and fact.new):
                    side.setdefault(_VERSION.sub("*", path), []).append(fact)
    updates: dict[tuple[str, str], list[Fact]] = {}
    for stem in gone.keys() & come.keys():
        if len(gone[stem]) == len(come[stem]) == 1:
            (one,), (other,) = gone[stem], come[stem]
            old, new = (_version_of(path, than) for path, than in ((one.old, other.new), (other.new, one.old)))
            updates.setdefault((old, new), []).extend((one, other))
    merged: _Grouped = {}
    for (old, new), parts in sorted(updates.items()):
        files = [fact for fact in parts if fact.old]
        names = list(dict.fromkeys(name for fact in files for name in grouped[fact]))
        missing = any(fact.cause == "file-missing" for fact in files)
        count = f"{len(files)} files have" if len(files) > 1 else f"{files[0].old!r} has"
        message = f"the driver is {new} now, the spec was made for {old}: {count} another name"
        merged[Fact("driver-version", "error" if missing else "warning", message, old, new)] = names
    done = {fact for parts in updates.values() for fact in parts}
    for fact, names in grouped.items():
        if fact not in done and not any(_follows(fact, old, new) for old, new in updates):
            merged[fact] = names
    return merged


def _version_of(path: str, other: str) -> str:
    """Return the version in a path that is another in the other."""
    versions, others = (list[str](_VERSION.findall(one)) for one in (path, other))
    return next((one for one, two in zip(versions, others, strict=True) if one != two), versions[-1])


def _follows(fact: Fact, old: str, new: str) -> bool:
    """Return whether a fact is no more than a new version in the place of the old one."""
    if fact.cause not in {"links-changed", "hook-changed", "environment"} or not (fact.old and fact.new):
        return False
    return fact.old.replace(old, new) == fact.new


def _finding(kind: str, fact: Fact, names: list[str], common: Iterable[str], offers: Mapping[str, Offer]) -> Finding:
    whole = len(names) > 1 and set(names) >= set(common)
    hint = {"hint": fact.hint} if fact.hint else {}
    paths = {offers[name].path for name in names}
    return Finding(
        cause=fact.cause,
        severity=fact.severity,
        kind=kind,
        message=fact.message,
        devices=() if whole else tuple(names),
        path=paths.pop() if len(paths) == 1 else None,
        old=(fact.old,) if fact.old else (),
        new=(fact.new,) if fact.new else (),
        **hint,
    )
