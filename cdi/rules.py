"""What a schema cannot say about a spec: one small function a rule.

A rule takes its subject (the spec, a device, edits, or one entry of the edits) and returns None, or what it
found. Rules of severity `error` are those of the reference library: it refuses the whole file. What breaks
the others loads, but is unwise. `docs/rules/` has a page for each.
"""

from __future__ import annotations

__all__ = ["RULES", "Finding", "Rule", "apply_rules", "is_valid"]

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Optional

import msgspec

from cdi.model import ContainerEdits, Device, DeviceNode, Hook, IntelRdt, Mount, NetDevice, Spec
from cdi.names import class_fault, device_fault, split_kind, vendor_fault
from cdi.problem import Problem, Severity
from cdi.versions import LATEST, VERSIONS, at_least, minimum_version, needed_version


class Finding(msgspec.Struct, frozen=True):
    """What a rule says about its subject; `where` is relative to that, such as `env[2]`."""

    where: str
    message: str
    hint: str | None = None


Findings = Optional[list[Finding]]  # noqa: UP045 - evaluated on Python 3.10


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


def _repeats(names: list[str]) -> list[int]:
    """Return where a name stands that stood before, empty names not counted."""
    seen: set[str] = set()
    return [i for i, name in enumerate(names) if name and (name in seen or seen.add(name))]  # type: ignore[func-returns-value]


# The spec.


@_rule("version-unknown", "error", Spec)
def _version_unknown(spec: Spec) -> Findings:
    """`cdiVersion` is one of the released versions, with or without a leading `v`."""
    if spec.cdi_version.removeprefix("v") in VERSIONS:
        return None
    if not spec.cdi_version:
        return [Finding("cdiVersion", "cdiVersion is missing", f"this spec needs {needed_version(spec)!r}")]
    hint = f"known versions are {', '.join(VERSIONS)}; this spec needs {needed_version(spec)}"
    return [Finding("cdiVersion", f"unknown CDI version {spec.cdi_version!r}", hint)]


@_rule("version-too-low", "error", Spec)
def _version_too_low(spec: Spec) -> Findings:
    """`cdiVersion` is not lower than what the spec uses."""
    version = spec.cdi_version.removeprefix("v")
    if version == LATEST or version not in VERSIONS or at_least(version, minimum_version(spec)):
        return None
    hint = f"write cdiVersion {needed_version(spec)!r}"
    return [Finding("cdiVersion", f"version {version} lacks what the spec uses", hint)]


@_rule("version-misfit", "warning", Spec)
def _version_misfit(spec: Spec) -> Findings:
    """`cdiVersion` is just what the spec needs.

    With a higher one, older runtimes drop the whole file for its number alone. A lower one is sometimes not
    noticed by newer runtimes (they look for `hostPath` and mount types in the last device only), but those that
    the number promises do not know the field, and drop the file.
    """
    version, needed = spec.cdi_version.removeprefix("v"), needed_version(spec)
    if version == needed or version not in VERSIONS:
        return None
    hint = f"write cdiVersion {needed!r}"
    if at_least(version, needed):
        message = f"version {version} is higher than the {needed} that the spec needs, older runtimes refuse the file"
        return [Finding("cdiVersion", message, hint)]
    if not at_least(version, minimum_version(spec)):
        return None  # version-too-low says it
    message = f"the spec needs version {needed}, runtimes that know only {version} refuse the file"
    return [Finding("cdiVersion", message, hint)]


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
    again = _repeats(names)
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
    if not subject.annotations:
        return None
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
    if not subject.env:
        return None
    bad = [(i, entry) for i, entry in enumerate(subject.env) if entry.find("=") <= 0]
    hint = "write NAME=value"
    return [Finding(f"env[{i}]", f"invalid environment entry {entry!r}", hint) for i, entry in bad] or None


@_rule("duplicate-env", "warning", ContainerEdits, Hook)
def _duplicate_env(subject: ContainerEdits | Hook) -> Findings:
    """A name is set once in a list: of two, only the last has an effect."""
    if len(subject.env) < 2:  # noqa: PLR2004
        return None
    names = [entry.partition("=")[0] for entry in subject.env]
    if len(set(names)) == len(names):
        return None
    hint = "only the last one counts"
    return [Finding(f"env[{i}]", f"{names[i]!r} is set twice", hint) for i in _repeats(names)] or None


@_rule("secret-env", "warning", ContainerEdits, Hook)
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


@_rule("duplicate-path", "warning", ContainerEdits)
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
    of_host = [device.host_interface_name for device in edits.net_devices]
    of_container = [device.name for device in edits.net_devices]
    for key, names in (("hostInterfaceName", of_host), ("name", of_container)):
        hint = "an interface is moved once"
        found += [Finding(f"netDevices[{i}].{key}", f"{names[i]!r} occurs twice", hint) for i in _repeats(names)]
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


@_rule("path", "warning", Spec)
def _path(spec: Spec) -> Findings:
    """Paths are absolute and clean.

    What a relative path means depends on the runtime. With `..`, `.`, doubled or trailing slashes, two spellings
    of one path are not seen as the same.
    """
    if _tidy(spec):
        return None
    found = []
    for where, path in _paths(spec):
        if path and path[0] != "/":
            found.append(Finding(where, f"relative path {path!r}", "write an absolute path"))
        elif _UNCLEAN.search(path):
            found.append(Finding(where, f"unclean path {path!r}", "write it without '.', '..' and extra slashes"))
    return found or None


_UNCLEAN = re.compile(r"//|/\.{1,2}(?:/|$)|./$")


def _paths(spec: Spec) -> Iterator[tuple[str, str]]:
    everywhere = [("containerEdits", spec.container_edits)]
    everywhere += [(f"devices[{i}].containerEdits", device.container_edits) for i, device in enumerate(spec.devices)]
    for where, edits in everywhere:
        for i, node in enumerate(edits.device_nodes):
            yield f"{where}.deviceNodes[{i}].path", node.path
            yield f"{where}.deviceNodes[{i}].hostPath", node.host_path or ""
        for i, hook in enumerate(edits.hooks):
            yield f"{where}.hooks[{i}].path", hook.path
        for i, mount in enumerate(edits.mounts):
            if not mount.type or mount.type == "bind":  # the source of a tmpfs or proc is no path
                yield f"{where}.mounts[{i}].hostPath", mount.host_path
            yield f"{where}.mounts[{i}].containerPath", mount.container_path


def _tidy(spec: Spec) -> bool:
    """Return whether all paths are surely absolute and clean: one look at many paths."""
    paths = ["/"]
    for edits in (spec.container_edits, *[device.container_edits for device in spec.devices]):
        for node in edits.device_nodes:
            paths.append(node.path)
            if node.host_path:
                paths.append(node.host_path)
        paths += [hook.path for hook in edits.hooks]
        for mount in edits.mounts:
            paths += mount.host_path, mount.container_path
    text = "\n".join(paths) + "\n"
    absolute = text.count("\n/") == len(paths) - 1
    return absolute and "//" not in text and "/." not in text and text.find("/\n", 1) < 0


# Applying them. Most specs break no rule, so asking is cheap and explaining is not.

_Functions = tuple[Callable[[Any], Findings], ...]


def _of(subject: type) -> _Functions:
    return tuple(rule.function for rule in RULES if rule.subject is subject)


_BY_FUNCTION = {rule.function: rule for rule in RULES}
_SPEC, _DEVICE, _EDITS, _RDT = _of(Spec), _of(Device), _of(ContainerEdits), _of(IntelRdt)
_NODE, _NET, _HOOK, _MOUNT = _of(DeviceNode), _of(NetDevice), _of(Hook), _of(Mount)


_ERRORS: dict[type, _Functions] = {
    subject: tuple(rule.function for rule in RULES if rule.subject is subject and rule.severity == "error")
    for subject in (Spec, Device, ContainerEdits, DeviceNode, NetDevice, Hook, Mount, IntelRdt)
}


def is_valid(spec: Spec) -> bool:
    """Return whether the spec keeps all rules of the reference library, which is quicker than to ask every rule."""
    every = (spec.container_edits, *[device.container_edits for device in spec.devices])
    subjects: dict[type, Sequence[object]] = {
        Spec: (spec,),
        Device: spec.devices,
        ContainerEdits: every,
        DeviceNode: [node for edits in every for node in edits.device_nodes],
        NetDevice: [device for edits in every for device in edits.net_devices],
        Hook: [hook for edits in every for hook in edits.hooks],
        Mount: [mount for edits in every for mount in edits.mounts],
        IntelRdt: [edits.intel_rdt for edits in every if edits.intel_rdt is not None],
    }
    return not any(any(map(function, subjects[kind])) for kind in subjects for function in _ERRORS[kind])


def apply_rules(spec: Spec) -> list[Problem]:
    """Return what the rules find in a spec; `where` is set, line and column are not."""
    problems = _ask(_SPEC, spec, "") + _edits(spec.container_edits, "containerEdits")
    for i, device in enumerate(spec.devices):
        where = f"devices[{i}]"
        problems += _ask(_DEVICE, device, where)
        problems += _edits(device.container_edits, where + ".containerEdits")
    return problems


def _edits(edits: ContainerEdits, where: str) -> list[Problem]:
    problems = _ask(_EDITS, edits, where)
    for functions, parts, key in (
        (_NODE, edits.device_nodes, "deviceNodes"),
        (_NET, edits.net_devices, "netDevices"),
        (_HOOK, edits.hooks, "hooks"),
        (_MOUNT, edits.mounts, "mounts"),
    ):
        for function in functions if parts else ():
            found = [i for i, part in enumerate(parts) if function(part) is not None]
            for i in found:
                problems += _ask((function,), parts[i], f"{where}.{key}[{i}]")
    if edits.intel_rdt is not None:
        problems += _ask(_RDT, edits.intel_rdt, where + ".intelRdt")
    return problems


def _ask(functions: _Functions, subject: object, where: str) -> list[Problem]:
    problems = []
    for function in functions:
        for finding in function(subject) or ():
            rule = _BY_FUNCTION[function]
            place = f"{where}.{finding.where}" if where and finding.where else where or finding.where
            problem = Problem(
                severity=rule.severity, rule=rule.name, message=finding.message, where=place, hint=finding.hint
            )
            problems.append(problem)
    return problems
