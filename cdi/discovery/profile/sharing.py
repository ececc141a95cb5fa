"""What all devices of a profile bring: control nodes, environment, files and libraries of the driver."""

from __future__ import annotations

__all__ = ["shared_of"]

from typing import TYPE_CHECKING

from msgspec.structs import replace

from cdi.discovery.found import Shared
from cdi.discovery.library_places import library_places
from cdi.discovery.node import Node, NodeFault, edits_of, find_node
from cdi.discovery.profile.format import MountPattern, NodePattern
from cdi.discovery.profile.pattern import fill_text, search
from cdi.host import HostError
from cdi.model import Mount
from cdi.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cdi.discovery.profile.format import Profile
    from cdi.host import Host

_MOUNTABLE = frozenset("fds")


def shared_of(profile: Profile, host: Host, control: tuple[Node, ...]) -> Iterator[Shared | Problem]:
    """Yield the edits that every device of a profile needs, and a problem for what is missing of them.

    `control` are nodes that the devices themselves showed to be needed.
    """
    faults: list[str] = []
    nodes = {node.path: node for node in control}
    for wanted in profile.shared.nodes:
        pattern = wanted if isinstance(wanted, NodePattern) else NodePattern(path=wanted)
        nodes |= {node.path: node for node in _nodes(host, pattern, faults)}
    mounts = dict.fromkeys(_mounts(profile, host, faults))
    for fault in faults:
        message = f"{profile.family}: {fault}"
        yield Problem(severity="warning", rule="shared-missing", message=message)
    edits = replace(
        edits_of(nodes.values(), permissions="rw", groups=profile.groups),
        env=tuple(f"{key}={fill_text(value, {})}" for key, value in profile.shared.env.items()),
        mounts=tuple(mounts),
    )
    if edits:
        yield Shared(
            family=profile.family, kind=profile.kind, edits=edits, how=f"every device of {profile.family} brings this"
        )


def _nodes(host: Host, wanted: NodePattern, faults: list[str]) -> Iterator[Node]:
    below = host.dev("")
    found = False
    try:
        for place, _ in search(host, wanted.path, below=below):
            found = True
            try:
                yield find_node(host, path=place[len(below) :])
            except NodeFault as fault:
                faults.append(f"every device needs {wanted.path}, but {fault}")
    except HostError as error:
        faults.append(f"every device needs {wanted.path}, but {error.message}")
        return
    if not found and not wanted.optional:
        faults.append(f"every device needs {wanted.path}, but there is no {below}{wanted.path}")


def _mounts(profile: Profile, host: Host, faults: list[str]) -> Iterator[Mount]:
    for wanted in profile.shared.mounts:
        pattern = wanted if isinstance(wanted, MountPattern) else MountPattern(path=wanted)
        yield from _found(host, pattern, faults)
    for directory in _library_directories(host, faults) if profile.shared.libraries else ():
        for name in profile.shared.libraries:
            yield from _found(host, MountPattern(path=f"{directory.rstrip('/')}/{name}"), faults)


def _library_directories(host: Host, faults: list[str]) -> tuple[str, ...]:
    try:
        return tuple(directory for directory, _ in library_places(host.below(host.driver_root), faults))
    except HostError as error:
        faults.append(error.message)
        return ()


def _found(host: Host, wanted: MountPattern, faults: list[str]) -> Iterator[Mount]:
    """Yield a mount for each match; below a driver root it comes from where a link leads inside of that."""
    try:
        top = host.driver_root if wanted.driver_root else "/"
        inside = host.below(top)
        for path, _ in search(inside, wanted.path):
            if inside.stat(path).type not in _MOUNTABLE:
                continue
            host_path = path if top == "/" else top.rstrip("/") + inside.resolve(path)
            yield Mount(host_path=host_path, container_path=path, options=wanted.options)
    except HostError as error:
        if not error.missing:
            faults.append(error.message)
