"""The search that a profile describes: things on the host, told apart, with their nodes and what they share."""

from __future__ import annotations

__all__ = ["family_of"]

from functools import partial
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from cdi.discovery.drm import read_drm
from cdi.discovery.found import Family, Found, Report, Skipped, present
from cdi.discovery.node import Node, NodeFault, edits_of, find_node
from cdi.discovery.profile.format import NodePattern
from cdi.discovery.profile.pattern import fill, fill_text, is_pattern, search
from cdi.discovery.profile.sharing import shared_of
from cdi.discovery.profile.thing import Thing, functions_with, things
from cdi.discovery.sysfs import Kobject
from cdi.discovery.vfio import is_vfio, read_vfio
from cdi.host import HostError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cdi.discovery.profile.format import Profile, Subject
    from cdi.host import Host


class _Gathered(msgspec.Struct):
    """The nodes of a device while they are looked for, and what is to be said about them."""

    nodes: list[Node]
    values: dict[str, str]
    missing: list[str]
    shared: tuple[Node, ...] = ()
    warnings: tuple[str, ...] = ()


def family_of(profile: Profile) -> Family:
    """Return the family that looks for what a profile lists."""
    return Family(
        name=profile.family,
        kind=profile.kind,
        summary=profile.summary,
        discover=partial(_discover, profile),
        on_request=profile.experimental,
    )


def _discover(profile: Profile, host: Host, _wanted: frozenset[str]) -> Iterator[Report]:
    taken: set[str] = set()
    control: dict[str, Node] = {}
    anything = False
    for subject in profile.devices:
        for item in _matches(profile, subject, host, taken, control):
            anything = True
            yield item
    if taken:
        yield from shared_of(profile, host, tuple(control.values()))
    if not anything:
        yield from _nothing(profile, host)


def _matches(
    profile: Profile, subject: Subject, host: Host, taken: set[str], control: dict[str, Node]
) -> Iterator[Found | Skipped]:
    """Yield what is said about the things that a subject matches; a thing belongs to the first that takes it."""
    empty = True
    try:
        for thing in things(host, subject):
            empty = False
            place = thing.sysfs or thing.path or thing.name
            item = _judged(profile, subject, host, thing, control) if place not in taken else None
            if isinstance(item, Found):
                taken.add(place)
            if item is not None:
                yield item
    except HostError as error:
        what = subject.name if "{" not in subject.name else profile.family
        yield Skipped(family=profile.family, what=what, why=error.message)
        return
    if empty and subject.sysfs is not None and not is_pattern(subject.sysfs):
        what = subject.name.replace("{name}", subject.sysfs.rpartition("/")[2])
        yield Skipped(family=profile.family, what=what, why=f"there is no {subject.sysfs}", absent=True)


def _judged(
    profile: Profile, subject: Subject, host: Host, thing: Thing, control: dict[str, Node]
) -> Found | Skipped | None:
    """Return what is said about a thing, None when the subject does not mean it."""
    values = {"name": thing.name} | ({"n": thing.number} if thing.number is not None else {})
    try:
        if not thing.is_meant(subject):
            return None
        other = thing.family_of_driver(subject)
        if other is not None:
            why = f"its driver {thing.driver} has a family of its own, {other}"
            return Skipped(family=profile.family, what=thing.name, why=why, absent=True)
        if thing.function is not None:
            values["bdf"] = thing.function.bdf
        gathered = _Gathered(nodes=[], values=values, missing=[])
        _gather(subject, host, thing, gathered)
    except NodeFault as fault:
        nowhere = f", nor {subject.sysfs}" if thing.path is not None and subject.sysfs is not None else ""
        return Skipped(
            family=profile.family,
            what=_name(subject, values),
            why=f"{fault}{nowhere}",
            hint=_hint(profile, subject, thing),
            absent=thing.path is not None and not host.exists(host.dev(thing.path)),
        )
    except HostError as error:
        return Skipped(family=profile.family, what=_name(subject, values), why=error.message)
    control |= {node.path: node for node in gathered.shared}
    return _found(profile, subject, host, thing, gathered)


def _gather(subject: Subject, host: Host, thing: Thing, gathered: _Gathered) -> None:
    """Find the nodes of a thing; raise `NodeFault` when it has none."""
    is_function = subject.sysfs is None and subject.node is None
    if not is_function and (thing.has_node or not subject.nodes):
        gathered.nodes.append(_own_node(subject, host, thing))
    for wanted in subject.nodes:
        _gather_further(wanted if isinstance(wanted, NodePattern) else NodePattern(path=wanted), host, thing, gathered)
    if subject.vfio and thing.function is not None:
        vfio = read_vfio(host, thing.function)
        gathered.nodes += vfio.own
        gathered.shared = vfio.shared
        gathered.warnings = vfio.warnings
    if not gathered.nodes:
        of_driver = f"its driver is {thing.driver}" if thing.driver is not None else "no driver is bound to it"
        message = f"{', '.join(gathered.missing)}, {of_driver}"
        raise NodeFault(message)
    gathered.nodes = list({node.path: node for node in gathered.nodes}.values())


def _own_node(subject: Subject, host: Host, thing: Thing) -> Node:
    if thing.path is not None:
        return replace(find_node(host, path=thing.path), sysfs=thing.sysfs)
    return find_node(host, sysfs=thing.sysfs, path=subject.node if not is_pattern(subject.node or "") else None)


def _gather_further(wanted: NodePattern, host: Host, thing: Thing, gathered: _Gathered) -> None:
    pattern = fill(wanted.path, gathered.values, in_pattern=True)
    if pattern is None:
        gathered.missing.append(f"nothing gives what {wanted.path} needs")
        return
    in_sysfs = not pattern.startswith("/")
    below = f"{thing.sysfs}/" if in_sysfs else host.dev("")
    found = False
    try:
        for place, number in search(host, pattern, below=below) if thing.sysfs or not in_sysfs else ():
            found = True
            if number is not None:
                gathered.values.setdefault("n", number)
            path = None if in_sysfs else place[len(below) :]
            try:
                gathered.nodes.append(find_node(host, sysfs=place if in_sysfs else None, path=path))
            except NodeFault as fault:
                gathered.missing.append(str(fault))
    except HostError as error:
        gathered.missing.append(error.message)
        return
    if not found and not wanted.optional:
        of = f" in {thing.sysfs}" if in_sysfs else ""
        gathered.missing.append(f"there is no {pattern}{of}")


def _found(profile: Profile, subject: Subject, host: Host, thing: Thing, gathered: _Gathered) -> Found:
    unread: list[str] = []
    attributes = _attributes(subject, thing, gathered.nodes[0], unread)
    values = gathered.values | {key: str(attributes[key]) for key in subject.attributes if key in attributes}
    nodes = (*gathered.nodes, *(_twins(host, thing, gathered.nodes) if subject.by_path else ()))
    names = {"index": values.get("n"), "bdf": values.get("bdf")}
    names |= {sort: fill(template, values) for sort, template in subject.names.items()}
    env = {key: fill_text(value, values) for key, value in subject.env.items()}
    lists = {key: fill_text(value, values) for key, value in subject.env_lists.items()}
    edits = replace(
        edits_of(nodes, permissions=subject.permissions, groups=profile.groups),
        env=tuple(f"{key}={value}" for key, value in env.items() if value is not None),
    )
    unknown = [key for key, value in (*env.items(), *lists.items()) if value is None]
    missing = [*gathered.missing, *(f"nothing gives what {key} needs" for key in unknown)]
    return Found(
        family=profile.family,
        kind=profile.kind,
        name=_name(subject, values),
        names={sort: name for sort, name in names.items() if name},
        also=subject.also,
        edits=edits,
        env_lists={key: value for key, value in lists.items() if value is not None},
        how=_how(subject, thing, gathered.nodes[0]),
        attributes=attributes,
        warnings=(*((subject.caution,) if subject.caution is not None else ()), *gathered.warnings, *missing, *unread),
        in_all=subject.caution is None,
    )


def _how(subject: Subject, thing: Thing, node: Node) -> str:
    place = node.sysfs or thing.sysfs
    where = place or (
        "not in sysfs: its driver loads when it is opened" if subject.sysfs else "found by its name in /dev"
    )
    return f"{node.host_path} ({where}): {subject.what}"


def _attributes(subject: Subject, thing: Thing, node: Node, unread: list[str]) -> dict[str, str | int | bool]:
    function = thing.function
    found: dict[str, str | int | None] = {
        "node": node.path,
        "numbers": node.stat.numbers or "",
        "mode": f"{node.mode:04o}" if node.mode is not None else None,
        "uid": node.uid,
        "gid": node.gid,
        "pciAddress": function.bdf if function is not None else None,
        "driver": thing.driver,
        "numaNode": function.numa_node if function is not None else None,
    }
    found |= {key: thing.attribute(path, unread) for key, path in subject.attributes.items()}
    return present(found)


def _twins(host: Host, thing: Thing, nodes: list[Node]) -> Iterator[Node]:
    """Yield the nodes under the names by which programs find them in /dev/dri/by-path."""
    if thing.device is None:
        return
    function = thing.function
    bus = Kobject(host, thing.device).target("subsystem") if function is None else "pci"
    stem = f"{bus}-{function.bdf if function is not None else thing.device.rpartition('/')[2]}"
    own = {node.path for node in nodes}
    drm = read_drm(host, thing.device, links=stem)
    yield from (twin for (_, node), twin in zip(drm.links, drm.twins, strict=True) if node.path in own)


def _name(subject: Subject, values: dict[str, str]) -> str:
    return fill(subject.name, values) or values["name"]


def _hint(profile: Profile, subject: Subject, thing: Thing) -> str | None:
    if subject.vfio and not is_vfio(thing.driver):
        return "bind it to vfio-pci"
    return f"load the driver {profile.driver}" if profile.driver is not None and thing.driver is None else None


def _nothing(profile: Profile, host: Host) -> Iterator[Skipped]:
    """Yield why nothing was found: hardware whose driver is not loaded, or none at all."""
    places = dict.fromkeys(place for subject in profile.devices for place in (subject.sysfs or subject.node,) if place)
    there_are = [place for place in places if any(True for _ in search(host, place))]
    where = f"there is no {', nor '.join(places)}" if places else "no PCI function is one"
    where = f"none of {', '.join(there_are)} is one" if there_are else where
    hint = f"load the driver {profile.driver}" if profile.driver is not None else None
    seen = [function.bdf for function in functions_with(host, profile.hardware)]
    for bdf in seen:
        yield Skipped(family=profile.family, what=bdf, why=f"PCI function {bdf} is one, but {where}", hint=hint)
    if not seen:
        yield Skipped(family=profile.family, what=profile.family, why=where, absent=True)
