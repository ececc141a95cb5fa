"""Rules about a spec as a whole and its devices."""

from __future__ import annotations

__all__: list[str] = []

import re
from typing import TYPE_CHECKING

from cdi.model import Device, Spec
from cdi.names import class_fault, device_fault, split_kind, vendor_fault
from cdi.rules.rule import Finding, Findings, repeats, rule
from cdi.versions import LATEST, VERSIONS, at_least, minimum_version, needed_version

if TYPE_CHECKING:
    from collections.abc import Iterator

# The spec.


@rule("version-unknown", "error", Spec)
def _version_unknown(spec: Spec) -> Findings:
    """`cdiVersion` is one of the released versions, with or without a leading `v`."""
    if spec.cdi_version.removeprefix("v") in VERSIONS:
        return None
    if not spec.cdi_version:
        return [Finding("cdiVersion", "cdiVersion is missing", f"this spec needs {needed_version(spec)!r}")]
    hint = f"known versions are {', '.join(VERSIONS)}; this spec needs {needed_version(spec)}"
    return [Finding("cdiVersion", f"unknown CDI version {spec.cdi_version!r}", hint)]


@rule("version-too-low", "error", Spec)
def _version_too_low(spec: Spec) -> Findings:
    """`cdiVersion` is not lower than what the spec uses."""
    version = spec.cdi_version.removeprefix("v")
    if version == LATEST or version not in VERSIONS or at_least(version, minimum_version(spec)):
        return None
    hint = f"write cdiVersion {needed_version(spec)!r}"
    return [Finding("cdiVersion", f"version {version} lacks what the spec uses", hint)]


@rule("version-misfit", "warning", Spec)
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


@rule("kind", "error", Spec)
def _kind(spec: Spec) -> Findings:
    """`kind` is `vendor/class`: letters, digits, `.`, `_` and `-`, a letter first, a letter or digit last."""
    if not spec.kind:
        return [Finding("kind", "kind is missing", "write vendor/class, as in vendor.com/gpu")]
    vendor, class_ = split_kind(spec.kind)
    fault = (vendor_fault(vendor) or class_fault(class_)) if vendor else f"{spec.kind!r} is not vendor/class"
    return [Finding("kind", fault, "write vendor/class, as in vendor.com/gpu")] if fault else None


@rule("short-name", "warning", Spec)
def _short_name(spec: Spec) -> Findings:
    """Vendor and class have two letters or more: one crashes every runtime built on the reference up to 1.1.0."""
    vendor, class_ = split_kind(spec.kind)
    if len(vendor) != 1 and len(class_) != 1:
        return None
    which = "vendor" if len(vendor) == 1 else "class"
    message = f"a {which} of one letter crashes containerd, CRI-O, dockerd and podman in all releases up to CDI 1.1.0"
    return [Finding("kind", message, f"choose a longer {which}, and never put this file on a node")]


@rule("no-devices", "error", Spec)
def _no_devices(spec: Spec) -> Findings:
    """A spec has at least one device."""
    if spec.devices:
        return None
    return [Finding("devices", "a spec needs at least one device", "spec-level edits alone do not make a device")]


@rule("duplicate-device", "error", Spec)
def _duplicate_device(spec: Spec) -> Findings:
    """Device names are unique in a spec."""
    names = [device.name for device in spec.devices]
    if len(set(names)) == len(names):
        return None
    again = repeats(names)
    return [Finding(f"devices[{i}].name", f"device {names[i]!r} is defined twice", "rename one") for i in again] or None


@rule("annotation-key", "warning", Spec, Device)
def _annotation_key(subject: Spec | Device) -> Findings:
    """Annotation keys are as in Kubernetes: an optional DNS prefix and `/`, then a name of up to 63 characters."""
    if not subject.annotations:
        return None
    bad = [key for key in subject.annotations if not _valid_annotation_key(key)]
    hint = "write [prefix.example/]name: 63 letters, digits, '-', '_' or '.', a letter or digit at both ends"
    return [Finding(f"annotations.{key}", f"invalid annotation key {key!r}", hint) for key in bad] or None


@rule("annotation-size", "warning", Spec, Device)
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


@rule("device-name", "error", Device)
def _device_name(device: Device) -> Findings:
    """A device name has letters, digits, `.`, `_`, `-` and `:`, a letter or digit at both ends."""
    fault = device_fault(device.name)
    return [Finding("name", fault, "write a name such as '0', 'gpu0' or '0000:3b:00.0'")] if fault else None


@rule("empty-edits", "error", Device)
def _empty_edits(device: Device) -> Findings:
    """A device edits something of its own, even if the spec has edits for all devices."""
    if device.container_edits:
        return None
    hint = "give it an env, a device node, a mount or another edit; an env such as DEVICE_0=present will do"
    return [Finding("containerEdits", "a device without container edits", hint)]


# Paths of all kinds.


@rule("path", "warning", Spec)
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
