"""How what a device brings to containers differs from what it would bring now, fact by fact."""

from __future__ import annotations

__all__ = ["Broken", "Fact", "broken_parts", "facts", "parts_of", "place_of"]

import re
from itertools import zip_longest
from typing import TYPE_CHECKING, NamedTuple

from msgspec.structs import replace

from cdi.hooks import hook_name, links_of
from cdi.hostcheck import check_host
from cdi.names import natural_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from cdi.host import Host
    from cdi.model import ContainerEdits, DeviceNode, Hook, Mount, Spec
    from cdi.problem import Problem, Severity

Broken = dict[tuple[str, str], "Problem"]  # by the list of edits, and the path on the host or the interface

_WHERE = re.compile(r"(?:devices\[(\d+)\]\.)?containerEdits\.(\w+)\[(\d+)\]")
_BY_PATH = re.compile(r"/by-path/(.+?)(?:-(?:card|render|accel))?$")
_LISTS: Mapping[str, Callable[[ContainerEdits], list[str]]] = {
    "deviceNodes": lambda edits: [node.host_path or node.path for node in edits.device_nodes],
    "mounts": lambda edits: [mount.host_path for mount in edits.mounts],
    "hooks": lambda edits: [hook.path for hook in edits.hooks],
    "netDevices": lambda edits: [net.host_interface_name for net in edits.net_devices],
}
_CAUSES = {
    "host-node-missing": "node-missing",
    "host-node-type": "node-type",
    "host-node-numbers": "node-numbers",
    "host-mount-missing": "file-missing",
    "host-hook-missing": "hook-missing",
    "host-hook-type": "hook-missing",
    "host-hook-mode": "hook-missing",
    "host-net-missing": "interface-missing",
}


class Fact(NamedTuple):
    """One difference, in words; `old` and `new` are what it is between, "" for nothing."""

    cause: str
    severity: Severity
    message: str
    old: str = ""
    new: str = ""
    hint: str | None = None


def broken_parts(specs: Iterable[Spec], host: Host) -> Broken:
    """Return what in specs does not work on this host."""
    found: Broken = {}
    for spec in specs:
        for problem in check_host(spec, host):
            match = _WHERE.match(problem.where)
            if match is not None and problem.rule in _CAUSES:
                edits = spec.container_edits if match[1] is None else spec.devices[int(match[1])].container_edits
                found[match[2], _LISTS[match[2]](edits)[int(match[3])]] = problem
    return found


def parts_of(edits: ContainerEdits) -> set[str]:
    """Return the nodes, files, programs and interfaces of the host that edits need."""
    return {part for parts in _LISTS.values() for part in parts(edits)}


def place_of(edits: ContainerEdits) -> str | None:
    """Return where a device is, `pci-0000:03:00.0`, from the links that udev names so; None if they do not say."""
    places = {match[1] for node in edits.device_nodes if (match := _BY_PATH.search(node.path))}
    return places.pop() if len(places) == 1 else None


def facts(old: ContainerEdits, new: ContainerEdits, broken: Broken) -> Iterator[Fact]:
    """Yield what makes the edits of an installed device others than those of the same device now."""
    yield from _node_facts(old, new, broken)
    yield from _mount_facts(old, new, broken)
    yield from _hook_facts(old.hooks, new.hooks, broken)
    yield from _net_facts(old, new, broken)
    yield from _variable_facts(old.env, new.env)
    if set(old.additional_gids) != set(new.additional_gids):
        ours, theirs = (", ".join(map(str, edits.additional_gids)) or "none" for edits in (old, new))
        yield Fact("groups", "warning", f"the nodes belong to other groups: {theirs}, no longer {ours}", ours, theirs)
    if old.intel_rdt != new.intel_rdt:
        yield Fact("other", "warning", "intelRdt differs")


def _is_broken(broken: Broken, where: str, name: str) -> Iterator[Fact]:
    problem = broken.get((where, name))
    if problem is not None:
        yield Fact(_CAUSES[problem.rule], problem.severity, problem.message, name, hint=problem.hint)


def _node_facts(old: ContainerEdits, new: ContainerEdits, broken: Broken) -> Iterator[Fact]:
    ours, theirs = ({node.path: node for node in edits.device_nodes} for edits in (old, new))
    both = [(node, theirs[path]) for path, node in ours.items() if path in theirs]
    gone = [node for path, node in ours.items() if path not in theirs]
    come = [node for path, node in theirs.items() if path not in ours]
    moved = list(_moved((*both, *_paired(gone, come))))
    yield from moved
    told = {source for fact in moved for source in (fact.old, fact.new)}
    for source in dict.fromkeys(map(_source, ours.values())):
        yield from () if source in told else _is_broken(broken, "deviceNodes", source)
    for node in gone:
        if _source(node) not in told and ("deviceNodes", _source(node)) not in broken:
            yield Fact("node-changed", "warning", f"{node.path!r} is not part of it any more", node.path)
    for node in come:
        if _source(node) not in told:
            yield Fact("node-changed", "warning", f"{node.path!r} is new", "", node.path)
    for one, other in both:
        if _source(one) == _source(other) and _plain(one) != _plain(other):
            yield Fact("node-changed", "warning", f"{one.path!r} has other permissions or owners", one.path, one.path)


def _moved(pairs: Iterable[tuple[DeviceNode, DeviceNode]]) -> Iterator[Fact]:
    """Yield what is another node now, in the words of the first link that leads to it."""
    told: set[tuple[str, str]] = set()
    for one, other in pairs:
        source, target = _source(one), _source(other)
        if source != target and (source, target) not in told:
            told.add((source, target))
            link = _BY_PATH.search(one.path)
            what = f"the device at {link[1]} is {target!r} now, it was" if link else f"{target!r} is now what was"
            yield Fact("node-renumbered", "error", f"{what} {source!r}", source, target)


def _source(node: DeviceNode) -> str:
    return node.host_path or node.path


def _plain(node: DeviceNode) -> DeviceNode:
    """Return a node without what the host check compares, and what says nothing new."""
    return replace(node, host_path=None, type=None, major=None, minor=None)


def _paired(gone: Sequence[DeviceNode], come: Sequence[DeviceNode]) -> Iterator[tuple[DeviceNode, DeviceNode]]:
    """Yield nodes that differ in their numbers only, if as many went as came."""
    stems: dict[str, tuple[list[DeviceNode], list[DeviceNode]]] = {}
    for side, nodes in enumerate((gone, come)):
        for node in nodes:
            if not _BY_PATH.search(node.path):
                stems.setdefault(re.sub(r"\d+", "#", node.path), ([], []))[side].append(node)
    for ours, theirs in stems.values():
        if len(ours) == len(theirs):
            yield from zip(*(sorted(nodes, key=lambda n: natural_key(n.path)) for nodes in (ours, theirs)), strict=True)


def _mount_facts(old: ContainerEdits, new: ContainerEdits, broken: Broken) -> Iterator[Fact]:
    ours, theirs = ({mount.container_path: mount for mount in edits.mounts} for edits in (old, new))
    for path, mount in ours.items():
        said = list(_is_broken(broken, "mounts", mount.host_path))
        yield from said
        if path not in theirs:
            message = f"{mount.host_path!r} is not mounted any more"
            yield from () if said else (Fact("file-changed", "warning", message, mount.host_path),)
        elif not said and mount != theirs[path]:
            yield _changed_mount(mount, theirs[path])
    for path, mount in theirs.items():
        if path not in ours:
            yield Fact("file-changed", "warning", f"{mount.host_path!r} is new", "", mount.host_path)
        elif ("mounts", ours[path].host_path) in broken and mount.host_path != ours[path].host_path:
            yield Fact("file-changed", "warning", f"{path!r} is from {mount.host_path!r} now", "", mount.host_path)


def _changed_mount(old: Mount, new: Mount) -> Fact:
    path = old.container_path
    if old.host_path != new.host_path:
        message = f"{path!r} is from {new.host_path!r} now, it was from {old.host_path!r}"
        return Fact("file-changed", "warning", message, old.host_path, new.host_path)
    return Fact("file-changed", "warning", f"{path!r} has other mount options", path, path)


def _hook_facts(old: Sequence[Hook], new: Sequence[Hook], broken: Broken) -> Iterator[Fact]:
    for path in dict.fromkeys(hook.path for hook in old):
        yield from _is_broken(broken, "hooks", path)
    ours, theirs = _by_name(old), _by_name(new)
    for name in dict.fromkeys((*ours, *theirs)):
        mine, yours = list(ours.get(name, ())), list(theirs.get(name, ()))
        gone = [hook for hook in mine if hook not in yours]
        come = [hook for hook in yours if hook not in mine]
        for one, other in zip_longest(gone, come):
            if one is None:
                hint = f"or it was left out on purpose: `--check --disable-hook {name}`"
                yield Fact("hook-changed", "warning", f"hook {name} is new", "", _text(other), hint)
            elif other is None:
                what = one.path if name == one.path else _text(one)  # a program that we do not know is one finding
                yield Fact("hook-changed", "warning", f"hook {name} is not needed any more", what)
            elif one.args[1:] != other.args[1:] or (one.path == other.path and one.args == other.args):
                yield from _changed_hook(name, one, other)
            elif ("hooks", one.path) not in broken:
                message = f"hook {name} is run by {other.path!r} now, it was by {one.path!r}"
                yield Fact("hook-changed", "warning", message, one.path, other.path)


def _changed_hook(name: str, old: Hook, new: Hook) -> Iterator[Fact]:
    ours, theirs = ({link: target for target, link in links_of(hook)} for hook in (old, new))
    for link in dict.fromkeys((*ours, *theirs)):
        before, now = ours.get(link), theirs.get(link)
        if before is None:
            yield Fact("links-changed", "warning", f"link {link!r} is new", "", link)
        elif now is None:
            yield Fact("links-changed", "warning", f"link {link!r} is not made any more", link)
        elif before != now:
            yield Fact(
                "links-changed", "warning", f"link {link!r} leads to {now!r} now, no longer to {before!r}", before, now
            )
    if ours == theirs:
        yield Fact("hook-changed", "warning", f"hook {name} is called otherwise", _text(old), _text(new))


def _by_name(hooks: Sequence[Hook]) -> Mapping[str, Sequence[Hook]]:
    named: dict[str, list[Hook]] = {}
    for hook in hooks:
        named.setdefault(hook_name(hook) or hook.path, []).append(hook)
    return named


def _text(hook: Hook) -> str:
    return " ".join((hook.path, *hook.args[1:]))


def _net_facts(old: ContainerEdits, new: ContainerEdits, broken: Broken) -> Iterator[Fact]:
    for net in old.net_devices:
        yield from _is_broken(broken, "netDevices", net.host_interface_name)
    ours, theirs = ({(net.host_interface_name, net.name) for net in edits.net_devices} for edits in (old, new))
    for interface, name in sorted(ours - theirs):
        if ("netDevices", interface) not in broken:
            yield Fact("interface-changed", "warning", f"interface {interface} is not {name} any more", interface)
    for interface, name in sorted(theirs - ours):
        yield Fact("interface-changed", "warning", f"interface {interface} is {name} now", "", interface)


def _variable_facts(old: Sequence[str], new: Sequence[str]) -> Iterator[Fact]:
    ours, theirs = ({name: value for name, _, value in (entry.partition("=") for entry in env)} for env in (old, new))
    for name in sorted(ours.keys() | theirs.keys()):
        before, now = ours.get(name), theirs.get(name)
        if now is None:
            yield Fact("environment", "warning", f"variable {name} is not set any more", name)
        elif before is None:
            yield Fact("environment", "warning", f"variable {name} is new", "", name)
        elif before != now:
            yield Fact("environment", "warning", f"variable {name} is {now!r} now, it was {before!r}", before, now)
