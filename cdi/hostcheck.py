"""What a spec says of the host against the host itself: nodes, mounts, hooks, interfaces and the file's own place."""

from __future__ import annotations

__all__ = ["check_edits", "check_host"]

import posixpath
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cdi.host import Host, HostError
from cdi.problem import Problem
from cdi.rooted import inside

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from cdi.host import Stat
    from cdi.model import ContainerEdits, DeviceNode, Hook, Mount, NetDevice, Spec

_SPEC_DIRS = ("/etc/cdi", "/var/run/cdi")
_BINDS = frozenset({"bind", "rbind"})
_HOOK_HINT = "install what it belongs to, or use `cdi generate --no-hooks`"
_READABLE, _SEARCHABLE, _EXECUTABLE, _OTHERS_WRITE = 0o004, 0o001, 0o111, 0o002


def check_host(
    spec: Spec, host: Host, *, path: str | None = None, spec_dirs: Iterable[str] = _SPEC_DIRS, root: str = "/"
) -> Iterator[Problem]:
    """Yield what keeps a valid spec from working on a host, with `where` for `cdi.report.locate`.

    Errors make a container fail to start, or give it another device than the spec means; warnings are all else.
    `path` is the spec's own file on this machine, for whether runtimes find and may read it;
    links below `root` are followed as if it were `/`.
    """
    if path is not None:
        yield from _check_file(path, spec_dirs, root)
    host = host.with_nodes()
    fine: set[object] = set()
    yield from _check_edits(spec.container_edits, "containerEdits", host, fine)
    for i, device in enumerate(spec.devices):
        yield from _check_edits(device.container_edits, f"devices[{i}].containerEdits", host, fine)


def check_edits(edits: ContainerEdits, where: str, host: Host) -> Iterator[Problem]:
    """Yield what keeps edits from working on a host; `where` is their own place in the spec."""
    yield from _check_edits(edits, where, host.with_nodes(), set())


def _check_edits(edits: ContainerEdits, where: str, host: Host, fine: set[object]) -> Iterator[Problem]:
    """Yield the same; `fine` are parts of which nothing is to be said, as other devices have them too."""
    parts_of: tuple[tuple[str, tuple[Any, ...], Callable[..., Iterator[Problem]]], ...] = (
        ("deviceNodes", edits.device_nodes, _check_node),
        ("netDevices", edits.net_devices, _check_net),
        ("hooks", edits.hooks, _check_hook),
        ("mounts", edits.mounts, _check_mount),
    )
    for name, parts, check in parts_of:
        for i, part in enumerate(parts):
            if part not in fine:
                problems = list(_guarded(check, part, f"{where}.{name}[{i}]", host))
                if not problems:
                    fine.add(part)
                yield from problems


def _guarded(check: Callable[..., Iterator[Problem]], part: object, where: str, host: Host) -> Iterator[Problem]:
    try:
        yield from check(part, where, host)
    except HostError as error:
        yield _warning("host-unreadable", error.message, where, "run as root to check what only root may see")


def _check_node(node: DeviceNode, where: str, host: Host) -> Iterator[Problem]:
    """As the reference: a node without type or numbers takes them from the host, and there must be one to ask."""
    path = node.host_path or node.path
    key = f"{where}.{'hostPath' if node.host_path else 'path'}"
    complete = bool(node.type and (node.major or node.type == "p"))
    say = _warning if complete else _error
    stat = host.lookup(path, follow=False)
    if stat is None and not host.has_nodes:
        message = f"whether there is {path!r} cannot be told: /dev is not the host's, and sysfs does not name it"
        yield _warning("host-node-unknown", message, key, "ask on the host itself, or give a root that has its /dev")
    elif stat is None:
        hint = "is its driver loaded? `cdi generate` writes what is there"
        yield say("host-node-missing", f"there is no {path!r}", key, hint)
    elif not stat.is_node:
        advice = "runtimes follow no link here: name what it leads to" if stat.type == "l" else None
        yield say("host-node-type", f"{path!r} is {_TYPES[stat.type]}, not a device node", key, advice)
    else:
        yield from _compare_node(node, stat, where, path)


def _compare_node(node: DeviceNode, stat: Stat, where: str, path: str) -> Iterator[Problem]:
    if node.type and _plain_type(node.type) != stat.type:
        message = f"{path!r} is {_TYPES[stat.type]}, the spec says {_TYPES.get(_plain_type(node.type), node.type)}"
        yield _error("host-node-type", message, f"{where}.type", None)
    elif node.major and (node.major, node.minor or 0) != (stat.major, stat.minor):
        message = f"{path!r} is {stat.numbers} on this host, the spec says {node.major}:{node.minor or 0}"
        hint = "containers would get another device: leave the numbers out, or generate the spec anew"
        yield _error("host-node-numbers", message, f"{where}.major", hint)


def _check_net(net: NetDevice, where: str, host: Host) -> Iterator[Problem]:
    if not host.exists(f"/sys/class/net/{net.host_interface_name}"):
        message = f"there is no network interface {net.host_interface_name!r}"
        hint = "it may be in a container: a card's comes back when the network of that ends, a virtual one is gone then"
        yield _error("host-net-missing", message, f"{where}.hostInterfaceName", hint)


def _check_hook(hook: Hook, where: str, host: Host) -> Iterator[Problem]:
    say = _warning if hook.hook_name == "poststop" else _error  # its failures are only logged
    stat = host.lookup(hook.path)
    if stat is None:
        yield say("host-hook-missing", f"there is no {hook.path!r} to run", f"{where}.path", _HOOK_HINT)
    elif stat.type != "f":
        yield say("host-hook-type", f"{hook.path!r} is {_TYPES[stat.type]}, not a program", f"{where}.path", None)
    elif not stat.mode & _EXECUTABLE:
        message = f"{hook.path!r} is not executable, its mode is {stat.mode:04o}"
        yield say("host-hook-mode", message, f"{where}.path", f"chmod +x {hook.path}")
    elif stat.uid or stat.mode & _OTHERS_WRITE:
        who = f"user {stat.uid}" if stat.uid else "everybody"
        message = f"{who} may change {hook.path!r}, which runs as root when a container is created"
        yield _warning("host-hook-owner", message, f"{where}.path", f"chown root {hook.path}; chmod go-w {hook.path}")


def _check_mount(mount: Mount, where: str, host: Host) -> Iterator[Problem]:
    is_bind = not mount.type or mount.type in _BINDS or bool(_BINDS & set(mount.options))
    if is_bind and not host.exists(mount.host_path):
        message = f"there is no {mount.host_path!r} to mount"
        hint = "an update of its driver may have renamed it: `cdi generate` writes what is there now"
        yield _error("host-mount-missing", message, f"{where}.hostPath", hint)


def _check_file(path: str, spec_dirs: Iterable[str], root: str) -> Iterator[Problem]:
    inner = inside(root, path)
    top = "/" if inner is None else root
    here = Host(top)
    place = Path(path).absolute() if inner is None else Path(inner)
    try:
        mode = here.stat(str(place)).mode
        directory = here.resolve(str(place.parent))
        read = [posixpath.normpath(spec_dir) for spec_dir in spec_dirs]
        is_read = directory in {_resolved(here, inside(top, spec_dir) or spec_dir) for spec_dir in read}
        closed = next((p for p in place.parents if not here.stat(str(p)).mode & _SEARCHABLE), None)
    except HostError as error:
        yield _warning("host-unreadable", error.message, "", None)
        return
    if not mode & _READABLE:
        message = f"the file is not world-readable, its mode is {mode:04o}: other users' runtimes do not see it"
        yield _warning("host-file-mode", message, "", f"chmod a+r {path}")
    if closed is not None:
        closed = Path(top, str(closed)[1:])
        message = f"directory {str(closed)!r} is closed to other users: their runtimes do not see the file"
        yield _warning("host-file-mode", message, "", f"chmod a+x {closed}")
    if not is_read:
        message = f"the file is in {directory!r}, which runtimes do not read"
        yield _warning("host-file-place", message, "", f"they read {', '.join(read)}; `cdi install` puts it there")


def _resolved(host: Host, path: str) -> str:
    try:
        return host.resolve(path)
    except HostError:
        return path


_TYPES = {
    "f": "a regular file",
    "d": "a directory",
    "l": "a symbolic link",
    "c": "a character device",
    "b": "a block device",
    "p": "a FIFO",
    "s": "a socket",
}


def _plain_type(kind: str) -> str:
    return "c" if kind == "u" else kind  # an unbuffered character device


def _error(rule: str, message: str, where: str, hint: str | None) -> Problem:
    return Problem(severity="error", rule=rule, message=message, where=where, hint=hint)


def _warning(rule: str, message: str, where: str, hint: str | None) -> Problem:
    return Problem(severity="warning", rule=rule, message=message, where=where, hint=hint)
