"""Profiles: families of hardware as data, one YAML file each (docs/profiles.md describes the format)."""

from __future__ import annotations

__all__ = ["PROFILES", "Profile", "parse_profile"]

from functools import partial
from typing import TYPE_CHECKING, Literal

import msgspec

from cdi.discovery.found import Family, Found, Report, Skipped
from cdi.discovery.node import Node, NodeFault, find_node
from cdi.errors import FileError
from cdi.host import Host, HostError
from cdi.model import ContainerEdits

if TYPE_CHECKING:
    from collections.abc import Iterator


PROFILES = "/etc/cdi-tools/profiles.d"  # where a host has profiles of its own


class Subject(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A device, or all devices that a pattern matches.

    `sysfs` is a directory in which the kernel gives number and name of the node; `*` matches within a name.
    `node` is where the node is when sysfs has nothing: some exist before their driver is loaded. `name` is the
    device's name, by default that of its directory or node; in `name: dma-heap-*` the directory's replaces the
    `*`. `caution` is for what reaches beyond the container: it is shown, and keeps the device out of `all`.
    """

    sysfs: str | None = None
    node: str | None = None
    name: str | None = None
    what: str
    caution: str | None = None
    permissions: str = "rw"

    def __post_init__(self) -> None:
        if self.sysfs is None and self.node is None:
            message = f"{self.what!r} has neither `sysfs` nor `node`"
            raise ValueError(message)


class Profile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A family: its name, the kind of its devices, and where they are."""

    version: Literal[1]
    family: str
    kind: str
    summary: str
    devices: tuple[Subject, ...]

    def to_family(self) -> Family:
        """Return the family that looks for what the profile lists."""
        return Family(name=self.family, kind=self.kind, summary=self.summary, discover=partial(_discover, self))


def parse_profile(text: bytes, *, source: str) -> Profile:
    """Return a profile; raise `FileError` naming the field that is wrong."""
    try:
        return msgspec.yaml.decode(text, type=Profile)
    except msgspec.DecodeError as error:
        message = f"{source}: not a profile: {error}"
        raise FileError(message) from error


def _discover(profile: Profile, host: Host, _wanted: frozenset[str]) -> Iterator[Report]:
    for subject in profile.devices:
        try:
            matches = list(host.glob(subject.sysfs)) if subject.sysfs is not None else []
        except HostError as error:
            yield Skipped(family=profile.family, what=_name(subject, subject.sysfs), why=error.message)
            continue
        for sysfs in matches:
            yield _look(profile, subject, host, sysfs)
        if not matches:
            yield _look(profile, subject, host, None)


def _look(profile: Profile, subject: Subject, host: Host, sysfs: str | None) -> Found | Skipped:
    name = _name(subject, sysfs)
    if sysfs is None and subject.node is None:
        return Skipped(family=profile.family, what=name, why=f"there is no {subject.sysfs}")
    try:
        node = find_node(host, sysfs=sysfs, path=subject.node)
    except NodeFault as fault:
        nowhere = f", nor {subject.sysfs}" if sysfs is None and subject.sysfs is not None else ""
        return Skipped(family=profile.family, what=name, why=f"{fault}{nowhere}")
    except HostError as error:
        return Skipped(family=profile.family, what=name, why=error.message)
    return _found(profile, subject, name, node)


def _found(profile: Profile, subject: Subject, name: str, node: Node) -> Found:
    where = node.sysfs or "not in sysfs: its driver loads when it is opened"
    return Found(
        family=profile.family,
        kind=profile.kind,
        name=name,
        edits=ContainerEdits(device_nodes=(node.edit(permissions=subject.permissions),)),
        how=f"{node.host_path} ({where}): {subject.what}",
        attributes={
            "node": node.path,
            "numbers": node.stat.numbers or "",
            "mode": f"{node.stat.mode:04o}",
            "uid": node.stat.uid,
            "gid": node.stat.gid,
        },
        warnings=(subject.caution,) if subject.caution is not None else (),
        in_all=subject.caution is None,
    )


def _name(subject: Subject, sysfs: str | None) -> str:
    entry = (sysfs or subject.sysfs or subject.node or "").rpartition("/")[2]
    return entry if subject.name is None else subject.name.replace("*", entry)
