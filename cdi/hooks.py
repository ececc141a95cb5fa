"""Hooks that CDI specs call: the form of their arguments, leaving some out, and doing without any."""

from __future__ import annotations

__all__ = [
    "CREATE_SYMLINKS",
    "LINK_SEPARATOR",
    "call",
    "hook_name",
    "links_of",
    "with_program",
    "without",
    "without_all",
]

import posixpath
from typing import TYPE_CHECKING

from msgspec.structs import replace

from cdi.model import Hook

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from cdi.model import ContainerEdits, DeviceNode, Mount

CREATE_SYMLINKS = "create-symlinks"
_LINK = "--link"
LINK_SEPARATOR = "::"
# A runtime gives a hook without variables its own environment. Packages of a user must not get into a hook.
_OWN_ENVIRONMENT = ("PYTHONNOUSERSITE=1",)
_PROGRAMS = frozenset({"cdi-hook", "nvidia-cdi-hook", "nvidia-ctk"})


def call(program: str, name: str, *arguments: str) -> Hook:
    """Return the hook that runs `program NAME ARGUMENT…` when a container is created (OCI `createContainer`).

    `program` is the path of cdi-hook, of nvidia-cdi-hook, or of nvidia-ctk, whose hooks are subcommands of `hook`.
    """
    base = posixpath.basename(program)
    subcommand = ("hook",) if base == "nvidia-ctk" else ()
    env = ("NVIDIA_CTK_DEBUG=false",) if base.startswith("nvidia-") else _OWN_ENVIRONMENT
    return Hook(hook_name="createContainer", path=program, args=(base, *subcommand, name, *arguments), env=env)


def hook_name(hook: Hook) -> str | None:
    """Return what a hook does, `create-symlinks` for example; None when it is not one of these programs'."""
    base, *rest = hook.args or ("",)
    if base not in _PROGRAMS:
        return None
    words = rest[1:] if base == "nvidia-ctk" else rest
    return words[0] if words else None


def links_of(hook: Hook) -> tuple[tuple[str, str], ...]:
    """Return the pairs of target and link that a `create-symlinks` hook makes."""
    if hook_name(hook) != CREATE_SYMLINKS:
        return ()
    words = zip(hook.args, hook.args[1:], strict=False)
    pairs = (value.partition(LINK_SEPARATOR) for option, value in words if option == _LINK)
    return tuple((target, link) for target, _, link in pairs)


def with_program(edits: ContainerEdits, program: str) -> ContainerEdits:
    """Return the edits with another program in the place of the one that their hooks run."""
    return replace(edits, hooks=tuple(_with_program(hook, program) for hook in edits.hooks) or ())


def without(edits: ContainerEdits, names: Collection[str]) -> ContainerEdits:
    """Return the edits without the hooks of these names."""
    return replace(edits, hooks=tuple(hook for hook in edits.hooks if hook_name(hook) not in names) or ())


def without_all(edits: ContainerEdits, around: Iterable[ContainerEdits] = ()) -> tuple[ContainerEdits, tuple[str, ...]]:
    """Return edits that need no hook, and what is lost by that.

    A link becomes a second mount, or device node, of what it leads to; that is looked for in the edits and in
    those `around` them, which come to the container with them.
    """
    every = (edits, *around)
    pairs = [pair for e in every for hook in e.hooks for pair in links_of(hook)]
    links = {link: posixpath.join(posixpath.dirname(link), target) for target, link in pairs}
    mounts = {mount.container_path: mount for e in every for mount in e.mounts}
    nodes = {node.path: node for e in every for node in e.device_nodes}
    more_mounts: list[Mount] = []
    more_nodes: list[DeviceNode] = []
    lost: list[str] = []
    for hook in edits.hooks:
        own = links_of(hook)
        if not own:
            lost.append(f"hook {hook_name(hook) or hook.path}")
        for _, link in own:
            place = _end(link, links)
            if place in mounts:
                more_mounts.append(replace(mounts[place], container_path=link))
            elif place in nodes:
                node = nodes[place]
                more_nodes.append(replace(node, path=link, host_path=node.host_path or node.path))
            else:
                lost.append(f"link {link}")
    hookless = replace(
        edits,
        hooks=(),
        mounts=(*edits.mounts, *more_mounts),
        device_nodes=(*edits.device_nodes, *more_nodes),
    )
    return hookless, tuple(lost)


def _end(link: str, links: dict[str, str]) -> str:
    """Return where a link of links ends."""
    place = link
    for _ in links:
        if place not in links:
            break
        place = posixpath.normpath(links[place])
    return place


def _with_program(hook: Hook, program: str) -> Hook:
    name = hook_name(hook)
    if name is None:
        return hook
    arguments = hook.args[hook.args.index(name) + 1 :]
    return call(program, name, *arguments)
