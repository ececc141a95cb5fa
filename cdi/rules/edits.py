"""Rules about container edits and their parts."""

from __future__ import annotations

__all__: list[str] = []

import re

from cdi.model import ContainerEdits, DeviceNode, Hook, IntelRdt, Mount, NetDevice
from cdi.rules.rule import Finding, Findings, repeats, rule

# Container edits.


@rule("env", "error", ContainerEdits, Hook)
def _env(subject: ContainerEdits | Hook) -> Findings:
    """Environment entries are `NAME=value` with a name."""
    if not subject.env:
        return None
    bad = [(i, entry) for i, entry in enumerate(subject.env) if entry.find("=") <= 0]
    hint = "write NAME=value"
    return [Finding(f"env[{i}]", f"invalid environment entry {entry!r}", hint) for i, entry in bad] or None


@rule("duplicate-env", "warning", ContainerEdits, Hook)
def _duplicate_env(subject: ContainerEdits | Hook) -> Findings:
    """A name is set once in a list: of two, only the last has an effect."""
    if len(subject.env) < 2:  # noqa: PLR2004
        return None
    names = [entry.partition("=")[0] for entry in subject.env]
    if len(set(names)) == len(names):
        return None
    hint = "only the last one counts"
    return [Finding(f"env[{i}]", f"{names[i]!r} is set twice", hint) for i in repeats(names)] or None


@rule("secret-env", "warning", ContainerEdits, Hook)
def _secret_env(subject: ContainerEdits | Hook) -> Findings:
    """Spec files are readable by everyone on the node, so they hold no secrets."""
    if not _SECRET.search("\n".join(subject.env)):
        return None
    hint = "every user of the node can read it: pass secrets through the workload instead"
    bad = [(i, entry.partition("=")[0]) for i, entry in enumerate(subject.env) if _SECRET.search(entry)]
    return [Finding(f"env[{i}]", f"{name!r} looks like a secret", hint) for i, name in bad] or None


_SECRET = re.compile(  # a value that is a path names a file that holds the secret
    r"(?:^|_)(?:PASSWORD|PASSWD|PASSPHRASE|SECRET|TOKEN|CREDENTIALS?|(?:API|ACCESS|PRIVATE|SECRET)_?KEY)=[^/\s]",
    re.IGNORECASE | re.MULTILINE,
)


@rule("duplicate-path", "warning", ContainerEdits)
def _duplicate_path(edits: ContainerEdits) -> Findings:
    """A path in the container is used once: of two, the last one wins."""
    unique = {node.path for node in edits.device_nodes}
    unique.update([mount.container_path for mount in edits.mounts])
    if len(unique) == len(edits.device_nodes) + len(edits.mounts):
        return None
    paths = [(node.path, f"deviceNodes[{i}].path") for i, node in enumerate(edits.device_nodes)]
    paths += [(mount.container_path, f"mounts[{i}].containerPath") for i, mount in enumerate(edits.mounts)]
    found, first = [], dict[str, str]()
    for path, where in paths:
        if path and path in first:
            found.append(Finding(where, f"{path!r} is used twice", f"{first[path]} has the same path: remove one"))
        first.setdefault(path, where)
    return found or None


@rule("gid-zero", "warning", ContainerEdits)
def _gid_zero(edits: ContainerEdits) -> Findings:
    """`additionalGids` does not hold 0, which runtimes skip."""
    if 0 not in edits.additional_gids:
        return None
    zeros = [i for i, gid in enumerate(edits.additional_gids) if gid == 0]
    return [Finding(f"additionalGids[{i}]", "group 0 is ignored by runtimes", "remove it") for i in zeros]


@rule("net-device-twice", "error", ContainerEdits)
def _net_device_twice(edits: ContainerEdits) -> Findings:
    """Neither an interface of the host nor a name in the container occurs twice in one list of netDevices."""
    if len(edits.net_devices) < 2:  # noqa: PLR2004
        return None
    found = []
    of_host = [device.host_interface_name for device in edits.net_devices]
    of_container = [device.name for device in edits.net_devices]
    for key, names in (("hostInterfaceName", of_host), ("name", of_container)):
        hint = "an interface is moved once"
        found += [Finding(f"netDevices[{i}].{key}", f"{names[i]!r} occurs twice", hint) for i in repeats(names)]
    return found or None


# Device nodes.


@rule("node-path", "error", DeviceNode)
def _node_path(node: DeviceNode) -> Findings:
    """A device node has a path."""
    return None if node.path else [Finding("path", "the path of a device node is missing or empty")]


@rule("node-type", "error", DeviceNode)
def _node_type(node: DeviceNode) -> Findings:
    """The type of a node is `b` (block), `c` or `u` (character) or `p` (FIFO)."""
    if not node.type or node.type in ("c", "b", "u", "p"):
        return None
    return [Finding("type", f"invalid device type {node.type!r}", "write c, b, u or p, or leave it out")]


@rule("node-permissions", "error", DeviceNode)
def _node_permissions(node: DeviceNode) -> Findings:
    """Permissions are made of `r`, `w` and `m`, or the word `none`."""
    permissions = node.permissions
    if not permissions or permissions in ("rw", "rwm", "none") or not permissions.strip("rwm"):
        return None
    return [Finding("permissions", f"invalid permissions {permissions!r}", "write some of 'rwm', or 'none'")]


@rule("stale-numbers", "warning", DeviceNode)
def _stale_numbers(node: DeviceNode) -> Findings:
    """A node with numbers has a type too.

    Without the type, a runtime that finds other numbers on the host goes on with those of the file, and one
    that does not find the node refuses to start the container.
    """
    if not node.major or node.type:
        return None
    hint = "give the type too, or leave out major and minor, so that they are looked up at start"
    return [Finding("major", "major without type: stale numbers go unnoticed, and a missing node is fatal", hint)]


@rule("file-mode", "warning", DeviceNode)
def _file_mode(node: DeviceNode) -> Findings:
    """`fileMode` is permission bits as a plain number: 438 is 0o666, 666 is not."""
    mode = node.file_mode
    if mode is None or mode <= 0o777:  # noqa: PLR2004
        octal = str(mode)
        if mode is None or octal not in ("666", "660", "600", "640", "644", "664", "755", "700", "400", "440", "444"):
            return None
        hint = f"write {int(octal, 8)} (0o{octal})"
        return [Finding("fileMode", f"{mode} is a decimal number and means mode 0o{mode:o}", hint)]
    hint = "fileMode takes the nine permission bits as a decimal number: 438 for rw-rw-rw-"
    return [Finding("fileMode", f"{mode} (0o{mode:o}) has more than permission bits", hint)]


# Mounts.


@rule("mount-path", "error", Mount)
def _mount_path(mount: Mount) -> Findings:
    """A mount has a hostPath and a containerPath."""
    if mount.host_path and mount.container_path:
        return None
    pairs = (("hostPath", mount.host_path), ("containerPath", mount.container_path))
    return [Finding(key, f"the {key} of a mount is missing or empty") for key, path in pairs if not path]


@rule("mount-not-bind", "warning", Mount)
def _mount_not_bind(mount: Mount) -> Findings:
    """A mount has a type, or `bind` or `rbind` among its options: low-level runtimes refuse it otherwise."""
    if mount.type or "bind" in mount.options or "rbind" in mount.options:
        return None
    message = "neither a type nor a bind option: low-level runtimes refuse such a mount"
    return [Finding("", message, "add 'bind' or 'rbind' to the options")]


# Hooks.


_HOOKS = ("createContainer", "createRuntime", "startContainer", "prestart", "poststart", "poststop")


@rule("hook-name", "error", Hook)
def _hook_name(hook: Hook) -> Findings:
    """`hookName` is one of the six hooks of the OCI runtime spec, case included."""
    if hook.hook_name in _HOOKS:
        return None
    what = f"unknown hook {hook.hook_name!r}" if hook.hook_name else "hookName is missing or empty"
    return [Finding("hookName", what, f"one of {', '.join(_HOOKS)}")]


@rule("hook-deprecated", "warning", Hook)
def _hook_deprecated(hook: Hook) -> Findings:
    """`prestart` is deprecated in the OCI runtime spec, and when it runs differs between runtimes."""
    if hook.hook_name != "prestart":
        return None
    hint = "use createRuntime (host namespaces) or createContainer (the container's)"
    return [Finding("hookName", "prestart is deprecated, runtimes differ in when they run it", hint)]


@rule("hook-path", "error", Hook)
def _hook_path(hook: Hook) -> Findings:
    """A hook has a path."""
    return None if hook.path else [Finding("path", "the path of a hook is missing or empty")]


@rule("hook-timeout", "warning", Hook)
def _hook_timeout(hook: Hook) -> Findings:
    """A timeout is more than 0 seconds: low-level runtimes refuse others, or kill the hook at once."""
    if hook.timeout is None or hook.timeout > 0:
        return None
    return [Finding("timeout", f"timeout of {hook.timeout} seconds", "leave it out for no limit")]


# Intel RDT and network interfaces.


@rule("rdt-closid", "error", IntelRdt)
def _rdt_closid(rdt: IntelRdt) -> Findings:
    """`closID` is a file name, or `/` for the root class."""
    clos = rdt.clos_id
    if not clos or clos == "/":
        return None
    if len(clos.encode()) < _PATH_MAX and clos not in (".", "..") and "/" not in clos and "\n" not in clos:
        return None
    return [Finding("closID", f"invalid closID {clos[:40]!r}", "write a file name without '/', or '/' alone")]


_PATH_MAX = 4096


@rule("net-device", "error", NetDevice)
def _net_device(device: NetDevice) -> Findings:
    """A net device has a hostInterfaceName and a name."""
    if device.host_interface_name and device.name:
        return None
    pairs = (("hostInterfaceName", device.host_interface_name), ("name", device.name))
    return [Finding(key, f"the {key} of a net device is missing or empty") for key, name in pairs if not name]


@rule("interface-name", "warning", NetDevice)
def _interface_name(device: NetDevice) -> Findings:
    """Interface names are what the kernel takes: up to 15 bytes, no slash, colon or space, not `.` or `..`."""
    pairs = (("hostInterfaceName", device.host_interface_name), ("name", device.name))
    bad = [(key, name) for key, name in pairs if name and not _interface(name)]
    hint = "up to 15 bytes without '/', ':' or spaces"
    return [Finding(key, f"{name!r} cannot be the name of an interface", hint) for key, name in bad] or None


def _interface(name: str) -> bool:
    short = len(name.encode()) <= 15  # noqa: PLR2004 - IFNAMSIZ less the NUL, linux/if.h
    return short and name not in (".", "..") and not re.search(r"[/:\s]", name)
