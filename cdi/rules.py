"""What a schema cannot say about a spec: one small function a rule.

A rule takes its subject (the spec, a device, edits, or one entry of the edits) and returns None, or what it
found. Rules of severity `error` are those of the reference library: it refuses the whole file. What breaks
the others loads, but is unwise. `docs/rules/` has a page for each.
"""

from __future__ import annotations

__all__ = ["RULES", "Finding", "Rule", "apply_rules"]

import re
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any, Optional

import msgspec

from cdi.model import ContainerEdits, Device, DeviceNode, Hook, IntelRdt, Mount, NetDevice, Spec
from cdi.names import class_fault, device_fault, split_kind, vendor_fault
from cdi.problem import Problem, Severity
from cdi.versions import VERSIONS, at_least, minimum_version


class Finding(msgspec.Struct, frozen=True):
    """What a rule says about its subject; `where` is relative to that, such as `env[2]`."""

    where: str
    message: str
    hint: str | None = None


Findings = Optional[list[Finding]]


class Rule(msgspec.Struct, frozen=True):
    """A rule: its name, how bad it is to break it, and what it looks at."""

    name: str
    severity: Severity
    subject: type
    function: Callable[[Any], Findings]


RULES: list[Rule] = []


def _rule(name: str, severity: Severity, *subjects: type) -> Callable[[Any], Any]:
    def register(function: Any) -> Any:
        RULES.extend(Rule(name, severity, subject, function) for subject in subjects)
        return function

    return register


# The spec.


@_rule("version-unknown", "error", Spec)
def _version_unknown(spec: Spec) -> Findings:
    """`cdiVersion` is one of the released versions, with or without a leading `v`."""
    if spec.cdi_version.removeprefix("v") in VERSIONS:
        return None
    if not spec.cdi_version:
        return [Finding("cdiVersion", "cdiVersion is missing", f"this spec needs {minimum_version(spec)!r}")]
    hint = f"known versions are {', '.join(VERSIONS)}; this spec needs {minimum_version(spec)}"
    return [Finding("cdiVersion", f"unknown CDI version {spec.cdi_version!r}", hint)]


@_rule("version-too-low", "error", Spec)
def _version_too_low(spec: Spec) -> Findings:
    """`cdiVersion` is not lower than what the spec uses."""
    version, needed = spec.cdi_version.removeprefix("v"), minimum_version(spec)
    if version not in VERSIONS or at_least(version, needed):
        return None
    return [Finding("cdiVersion", f"version {version} lacks what the spec uses", f"write cdiVersion {needed!r}")]


@_rule("version-too-high", "warning", Spec)
def _version_too_high(spec: Spec) -> Findings:
    """`cdiVersion` is not higher than needed: older runtimes drop the whole file for its number alone."""
    version, needed = spec.cdi_version.removeprefix("v"), minimum_version(spec)
    if version == needed or version not in VERSIONS or not at_least(version, needed):
        return None
    message = f"version {version} is higher than the {needed} that the spec needs, older runtimes refuse the file"
    return [Finding("cdiVersion", message, f"write cdiVersion {needed!r}")]


@_rule("kind", "error", Spec)
def _kind(spec: Spec) -> Findings:
    """`kind` is `vendor/class`: letters, digits, `.`, `_` and `-`, a letter first, a letter or digit last."""
    if not spec.kind:
        return [Finding("kind", "kind is missing", "write vendor/class, as in vendor.com/gpu")]
    vendor, class_ = split_kind(spec.kind)
    fault = (vendor_fault(vendor) or class_fault(class_)) if vendor else f"{spec.kind!r} is not vendor/class"
    return [Finding("kind", fault, "write vendor/class, as in vendor.com/gpu")] if fault else None


@_rule("short-name", "warning", Spec)
def _short_name(spec: Spec) -> Findings:
    """Vendor and class have two letters or more: one crashes every runtime built on the reference up to 1.1.0."""
    vendor, class_ = split_kind(spec.kind)
    if len(vendor) != 1 and len(class_) != 1:
        return None
    which = "vendor" if len(vendor) == 1 else "class"
    message = f"a {which} of one letter crashes containerd, CRI-O, dockerd and podman in all releases up to CDI 1.1.0"
    return [Finding("kind", message, f"choose a longer {which}, and never put this file on a node")]


@_rule("no-devices", "error", Spec)
def _no_devices(spec: Spec) -> Findings:
    """A spec has at least one device."""
    if spec.devices:
        return None
    return [Finding("devices", "a spec needs at least one device", "spec-level edits alone do not make a device")]


@_rule("duplicate-device", "error", Spec)
def _duplicate_device(spec: Spec) -> Findings:
    """Device names are unique in a spec."""
    names = [device.name for device in spec.devices]
    if len(set(names)) == len(names):
        return None
    again = [i for i, name in enumerate(names) if name and name in names[:i]]
    return [Finding(f"devices[{i}].name", f"device {names[i]!r} is defined twice", "rename one") for i in again] or None


@_rule("annotation-key", "warning", Spec, Device)
def _annotation_key(subject: Spec | Device) -> Findings:
    """Annotation keys are as in Kubernetes: an optional DNS prefix and `/`, then a name of up to 63 characters."""
    if not subject.annotations:
        return None
    bad = [key for key in subject.annotations if not _valid_annotation_key(key)]
    hint = "write [prefix.example/]name: 63 letters, digits, '-', '_' or '.', a letter or digit at both ends"
    return [Finding(f"annotations.{key}", f"invalid annotation key {key!r}", hint) for key in bad] or None


@_rule("annotation-size", "warning", Spec, Device)
def _annotation_size(subject: Spec | Device) -> Findings:
    """The annotations of a spec or a device have at most 256 KiB together."""
    size = sum(len(key.encode()) + len(value.encode()) for key, value in subject.annotations.items())
    if size <= _ANNOTATIONS_MAX:
        return None
    return [Finding("annotations", f"annotations of {size} bytes, more than {_ANNOTATIONS_MAX}")]


_ANNOTATIONS_MAX = 256 * 1024
_KEY_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
_KEY_PREFIX = re.compile(r"(?=.{1,253}$)[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*")


def _valid_annotation_key(key: str) -> bool:
    prefix, slash, name = key.rpartition("/")
    return bool(_KEY_NAME.fullmatch(name)) and (not slash or bool(_KEY_PREFIX.fullmatch(prefix.lower())))


# Devices.


@_rule("device-name", "error", Device)
def _device_name(device: Device) -> Findings:
    """A device name has letters, digits, `.`, `_`, `-` and `:`, a letter or digit at both ends."""
    fault = device_fault(device.name)
    return [Finding("name", fault, "write a name such as '0', 'gpu0' or '0000:3b:00.0'")] if fault else None


@_rule("empty-edits", "error", Device)
def _empty_edits(device: Device) -> Findings:
    """A device edits something of its own, even if the spec has edits for all devices."""
    if device.container_edits:
        return None
    hint = "give it an env, a device node, a mount or another edit; an env such as DEVICE_0=present will do"
    return [Finding("containerEdits", "a device without container edits", hint)]


# Container edits.


@_rule("env", "error", ContainerEdits, Hook)
def _env(subject: ContainerEdits | Hook) -> Findings:
    """Environment entries are `NAME=value` with a name."""
    found = None
    for i, entry in enumerate(subject.env):
        if entry.find("=") <= 0:
            found = found or []
            found.append(Finding(f"env[{i}]", f"invalid environment entry {entry!r}", "write NAME=value"))
    return found


@_rule("duplicate-env", "warning", ContainerEdits, Hook)
def _duplicate_env(subject: ContainerEdits | Hook) -> Findings:
    """A name is set once in a list: of two, only the last has an effect."""
    if len(subject.env) < 2:  # noqa: PLR2004
        return None
    names = [entry.partition("=")[0] for entry in subject.env]
    if len(set(names)) == len(names):
        return None
    again = [i for i, name in enumerate(names) if name and name in names[:i]]
    return [Finding(f"env[{i}]", f"{names[i]!r} is set twice", "only the last one counts") for i in again] or None


@_rule("secret-env", "warning", ContainerEdits, Hook)
def _secret_env(subject: ContainerEdits | Hook) -> Findings:
    """Spec files are readable by everyone on the node, so they hold no secrets."""
    found = None
    for i, entry in enumerate(subject.env):
        name, _, value = entry.partition("=")
        if value and value[0] != "/" and _SECRET.search(name):
            found = found or []
            hint = "every user of the node can read it: pass secrets through the workload instead"
            found.append(Finding(f"env[{i}]", f"{name!r} looks like a secret", hint))
    return found


_SECRET = re.compile(
    r"(?:^|_)(?:PASSWORD|PASSWD|PASSPHRASE|SECRET|TOKEN|CREDENTIALS?|(?:API|ACCESS|PRIVATE|SECRET)_?KEY)(?:_ID)?$",
    re.IGNORECASE,
)


@_rule("duplicate-path", "warning", ContainerEdits)
def _duplicate_path(edits: ContainerEdits) -> Findings:
    """A path in the container is used once: of two, the last one wins."""
    paths = [(node.path, f"deviceNodes[{i}].path") for i, node in enumerate(edits.device_nodes)]
    paths += [(mount.container_path, f"mounts[{i}].containerPath") for i, mount in enumerate(edits.mounts)]
    if len({path for path, _ in paths}) == len(paths):
        return None
    found, first = [], dict[str, str]()
    for path, where in paths:
        if path and path in first:
            found.append(Finding(where, f"{path!r} is used twice", f"{first[path]} has the same path: remove one"))
        first.setdefault(path, where)
    return found or None


@_rule("gid-zero", "warning", ContainerEdits)
def _gid_zero(edits: ContainerEdits) -> Findings:
    """`additionalGids` does not hold 0, which runtimes skip."""
    if 0 not in edits.additional_gids:
        return None
    zeros = [i for i, gid in enumerate(edits.additional_gids) if gid == 0]
    return [Finding(f"additionalGids[{i}]", "group 0 is ignored by runtimes", "remove it") for i in zeros]


@_rule("net-device-twice", "error", ContainerEdits)
def _net_device_twice(edits: ContainerEdits) -> Findings:
    """Neither an interface of the host nor a name in the container occurs twice in one list of netDevices."""
    if len(edits.net_devices) < 2:  # noqa: PLR2004
        return None
    found = []
    for key, of in (("hostInterfaceName", lambda d: d.host_interface_name), ("name", lambda d: d.name)):
        names = [of(device) for device in edits.net_devices]
        for i, name in enumerate(names):
            if name and name in names[:i]:
                found.append(Finding(f"netDevices[{i}].{key}", f"{name!r} occurs twice", "an interface is moved once"))
    return found or None


# Device nodes.


@_rule("node-path", "error", DeviceNode)
def _node_path(node: DeviceNode) -> Findings:
    """A device node has a path."""
    return None if node.path else [Finding("path", "the path of a device node is missing or empty")]


@_rule("node-type", "error", DeviceNode)
def _node_type(node: DeviceNode) -> Findings:
    """The type of a node is `b` (block), `c` or `u` (character) or `p` (FIFO)."""
    if not node.type or node.type in ("c", "b", "u", "p"):
        return None
    return [Finding("type", f"invalid device type {node.type!r}", "write c, b, u or p, or leave it out")]


@_rule("node-permissions", "error", DeviceNode)
def _node_permissions(node: DeviceNode) -> Findings:
    """Permissions are made of `r`, `w` and `m`, or the word `none`."""
    permissions = node.permissions
    if not permissions or permissions in ("rw", "rwm", "none") or not permissions.strip("rwm"):
        return None
    return [Finding("permissions", f"invalid permissions {permissions!r}", "write some of 'rwm', or 'none'")]


@_rule("stale-numbers", "warning", DeviceNode)
def _stale_numbers(node: DeviceNode) -> Findings:
    """A node with numbers has a type too.

    Without the type, a runtime that finds other numbers on the host goes on with those of the file, and one
    that does not find the node refuses to start the container.
    """
    if not node.major or node.type:
        return None
    hint = "give the type too, or leave out major and minor, so that they are looked up at start"
    return [Finding("major", "major without type: stale numbers go unnoticed, and a missing node is fatal", hint)]


@_rule("file-mode", "warning", DeviceNode)
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


@_rule("mount-path", "error", Mount)
def _mount_path(mount: Mount) -> Findings:
    """A mount has a hostPath and a containerPath."""
    if mount.host_path and mount.container_path:
        return None
    pairs = (("hostPath", mount.host_path), ("containerPath", mount.container_path))
    return [Finding(key, f"the {key} of a mount is missing or empty") for key, path in pairs if not path]


@_rule("mount-not-bind", "warning", Mount)
def _mount_not_bind(mount: Mount) -> Findings:
    """A mount has a type, or `bind` or `rbind` among its options: low-level runtimes refuse it otherwise."""
    if mount.type or "bind" in mount.options or "rbind" in mount.options:
        return None
    message = "neither a type nor a bind option: low-level runtimes refuse such a mount"
    return [Finding("", message, "add 'bind' or 'rbind' to the options")]


# Hooks.


_HOOKS = ("createContainer", "createRuntime", "startContainer", "prestart", "poststart", "poststop")


@_rule("hook-name", "error", Hook)
def _hook_name(hook: Hook) -> Findings:
    """`hookName` is one of the six hooks of the OCI runtime spec, case included."""
    if hook.hook_name in _HOOKS:
        return None
    what = f"unknown hook {hook.hook_name!r}" if hook.hook_name else "hookName is missing or empty"
    return [Finding("hookName", what, f"one of {', '.join(_HOOKS)}")]


@_rule("hook-deprecated", "warning", Hook)
def _hook_deprecated(hook: Hook) -> Findings:
    """`prestart` is deprecated in the OCI runtime spec, and when it runs differs between runtimes."""
    if hook.hook_name != "prestart":
        return None
    hint = "use createRuntime (host namespaces) or createContainer (the container's)"
    return [Finding("hookName", "prestart is deprecated, runtimes differ in when they run it", hint)]


@_rule("hook-path", "error", Hook)
def _hook_path(hook: Hook) -> Findings:
    """A hook has a path."""
    return None if hook.path else [Finding("path", "the path of a hook is missing or empty")]


@_rule("hook-timeout", "warning", Hook)
def _hook_timeout(hook: Hook) -> Findings:
    """A timeout is more than 0 seconds: low-level runtimes refuse others, or kill the hook at once."""
    if hook.timeout is None or hook.timeout > 0:
        return None
    return [Finding("timeout", f"timeout of {hook.timeout} seconds", "leave it out for no limit")]


# Intel RDT and network interfaces.


@_rule("rdt-closid", "error", IntelRdt)
def _rdt_closid(rdt: IntelRdt) -> Findings:
    """`closID` is a file name, or `/` for the root class."""
    clos = rdt.clos_id
    if not clos or clos == "/":
        return None
    if len(clos.encode()) < _PATH_MAX and clos not in (".", "..") and "/" not in clos and "\n" not in clos:
        return None
    return [Finding("closID", f"invalid closID {clos[:40]!r}", "write a file name without '/', or '/' alone")]


_PATH_MAX = 4096


@_rule("net-device", "error", NetDevice)
def _net_device(device: NetDevice) -> Findings:
    """A net device has a hostInterfaceName and a name."""
    if device.host_interface_name and device.name:
        return None
    pairs = (("hostInterfaceName", device.host_interface_name), ("name", device.name))
    return [Finding(key, f"the {key} of a net device is missing or empty") for key, name in pairs if not name]


@_rule("interface-name", "warning", NetDevice)
def _interface_name(device: NetDevice) -> Findings:
    """Interface names are what the kernel takes: up to 15 bytes, no slash, colon or space, not `.` or `..`."""
    pairs = (("hostInterfaceName", device.host_interface_name), ("name", device.name))
    bad = [(key, name) for key, name in pairs if name and not _interface(name)]
    hint = "up to 15 bytes without '/', ':' or spaces"
    return [Finding(key, f"{name!r} cannot be the name of an interface", hint) for key, name in bad] or None


def _interface(name: str) -> bool:
    short = len(name.encode()) <= 15  # noqa: PLR2004 - IFNAMSIZ less the NUL, linux/if.h
    return short and name not in (".", "..") and not re.search(r"[/:\s]", name)


# Paths of all kinds.


def _paths(subject: DeviceNode | Mount | Hook) -> tuple[tuple[str, str | None], ...]:
    if isinstance(subject, DeviceNode):
        return ("path", subject.path), ("hostPath", subject.host_path)
    if isinstance(subject, Hook):
        return (("path", subject.path),)
    if subject.type and subject.type != "bind":  # the source of a tmpfs or proc is no path
        return (("containerPath", subject.container_path),)
    return ("hostPath", subject.host_path), ("containerPath", subject.container_path)


@_rule("relative-path", "warning", DeviceNode, Mount, Hook)
def _relative_path(subject: DeviceNode | Mount | Hook) -> Findings:
    """Paths are absolute: what a relative one means depends on the runtime."""
    found = None
    for key, path in _paths(subject):
        if path and path[0] != "/":
            found = found or []
            found.append(Finding(key, f"relative path {path!r}", "write an absolute path"))
    return found


@_rule("unclean-path", "warning", DeviceNode, Mount, Hook)
def _unclean_path(subject: DeviceNode | Mount | Hook) -> Findings:
    """Paths have no `..`, `.`, doubled or trailing slashes: two spellings of a path are not seen as the same."""
    found = None
    for key, path in _paths(subject):
        if path and ("//" in path or "/." in path or (path[-1] == "/" and path != "/")) and _UNCLEAN.search(path):
            found = found or []
            found.append(Finding(key, f"unclean path {path!r}", "write it without '.', '..' and extra slashes"))
    return found


_UNCLEAN = re.compile(r"//|/\.{1,2}(?:/|$)|./$")


_Functions = list[tuple[Rule, Callable[[Any], Findings]]]


def _of(subject: type) -> _Functions:
    return [(rule, rule.function) for rule in RULES if rule.subject is subject]


_SPEC, _DEVICE, _EDITS = _of(Spec), _of(Device), _of(ContainerEdits)
_PARTS: tuple[tuple[str, str, _Functions], ...] = (
    ("device_nodes", "deviceNodes", _of(DeviceNode)),
    ("net_devices", "netDevices", _of(NetDevice)),
    ("hooks", "hooks", _of(Hook)),
    ("mounts", "mounts", _of(Mount)),
)
_RDT = _of(IntelRdt)


def apply_rules(spec: Spec) -> Iterator[Problem]:
    """Yield what the rules find in a spec; `where` is set, line and column are not."""
    return chain(
        _apply(_SPEC, spec, ""),
        _apply_edits(spec.container_edits, "containerEdits"),
        *(_apply_device(device, i) for i, device in enumerate(spec.devices)),
    )


def _apply_device(device: Device, index: int) -> list[Problem]:
    found = _apply(_DEVICE, device, f"devices[{index}]")
    found += _apply_edits(device.container_edits, f"devices[{index}].containerEdits")
    return found


def _apply_edits(edits: ContainerEdits, where: str) -> list[Problem]:
    problems = _apply(_EDITS, edits, where)
    for attribute, key, functions in _PARTS:
        parts = getattr(edits, attribute)
        for part in parts:
            for _, function in functions:
                if function(part) is not None:
                    break
            else:
                continue
            problems += _apply(functions, part, f"{where}.{key}[{_index(parts, part)}]")
    if edits.intel_rdt is not None:
        problems += _apply(_RDT, edits.intel_rdt, f"{where}.intelRdt")
    return problems


def _index(parts: tuple[object, ...], part: object) -> int:
    return next(i for i, other in enumerate(parts) if other is part)


def _apply(functions: _Functions, subject: object, where: str) -> list[Problem]:
    problems = []
    for rule, function in functions:
        for finding in function(subject) or ():
            place = f"{where}.{finding.where}" if where and finding.where else where or finding.where
            problem = Problem(
                severity=rule.severity, rule=rule.name, message=finding.message, where=place, hint=finding.hint
            )
            problems.append(problem)
    return problems
