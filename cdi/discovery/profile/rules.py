"""What is wrong with the values of a profile, each with the way out: patterns, names, ids, paths."""

from __future__ import annotations

__all__ = ["faults_of"]

import re
from typing import TYPE_CHECKING

from cdi.discovery.form import Fault
from cdi.discovery.profile.format import MountPattern, NodePattern, Profile, SharedParts, Subject
from cdi.discovery.profile.pattern import fill, pattern_fault, placeholders, text_fault
from cdi.names import class_fault, device_fault, split_kind, vendor_fault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_FAMILY = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_ID = re.compile(r"[0-9a-f]{4}:([0-9a-f]{4}|\*)(:([0-9a-f]{4}|\*):([0-9a-f]{4}|\*))?")
_CLASS = re.compile(r"[0-9a-f]{2}([0-9a-f]{2}){0,2}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_KEY = re.compile(r"[a-z][A-Za-z0-9]*")
_PERMISSIONS = re.compile(r"r?w?m?")
_ALWAYS = ("name", "n", "bdf")  # placeholders
_SORTS = ("index", "bdf")  # of names that every device has, where there is such a thing


def faults_of(part: object) -> Iterator[Fault]:
    """Yield what is wrong with a part of a profile, the parts inside of it aside."""
    rule = _RULES.get(type(part))
    return iter(()) if rule is None else rule(part)


def _profile(profile: Profile) -> Iterator[Fault]:
    if not _FAMILY.fullmatch(profile.family):
        hint = "write small letters, digits and single dashes, as in vendor-npu"
        yield Fault("family", f"invalid family name {profile.family!r}", hint)
    yield from _kind(profile.kind)
    yield from _text("summary", profile.summary)
    yield from _ids("hardware", profile.hardware)
    if profile.driver is not None:
        yield from _text("driver", profile.driver)
    if not profile.devices:
        yield Fault("devices", "no devices", "say where they are, with `sysfs`, `node`, `pci` or `drivers`")
    first: dict[object, int] = {}
    for index, one in enumerate(profile.devices):
        place = (one.sysfs, one.node, one.pci, one.pci_class, one.drivers, str(one.match), one.except_pci)
        if first.setdefault(place, index) != index:
            yield Fault(f"devices[{index}]", f"looks for the same as devices[{first[place]}]", "remove one of them")


def _kind(kind: str) -> Iterator[Fault]:
    vendor, class_ = split_kind(kind)
    if not vendor:
        yield Fault("kind", f"invalid kind {kind!r}", "write vendor/class, as in vendor.com/npu")
        return
    fault = vendor_fault(vendor) or class_fault(class_)
    if fault is not None:
        yield Fault("kind", fault)
    elif len(vendor) == 1 or len(class_) == 1:
        yield Fault("kind", f"a part of {kind!r} has one letter", "runtimes before CDI 1.1.0 crash of that: use two")


def _subject(subject: Subject) -> Iterator[Fault]:
    yield from _search(subject)
    yield from _text("what", subject.what)
    if subject.caution is not None:
        yield from _text("caution", subject.caution)
    for field, pattern, top in (("sysfs", subject.sysfs, "/sys/"), ("node", subject.node, "/dev/")):
        if pattern is not None:
            yield from _path(field, pattern, top, known=("n",))
    yield from _ids("pci", subject.pci)
    yield from _ids("except_pci", subject.except_pci)
    yield from _drivers(subject)
    yield from _matches(subject)
    if not _PERMISSIONS.fullmatch(subject.permissions) or not subject.permissions:
        yield Fault("permissions", f"invalid permissions {subject.permissions!r}", "write rw, or some of r, w and m")
    yield from _nodes(subject.nodes, _ALWAYS, absolute=False)
    yield from _naming(subject)


def _search(subject: Subject) -> Iterator[Fault]:
    on_pci = subject.sysfs is None and subject.node is None
    if not any((subject.sysfs, subject.node, subject.pci, subject.pci_class, subject.drivers)):
        yield Fault("", "nothing says where the device is", "give it `sysfs`, `node`, `pci`, `pci_class` or `drivers`")
    elif on_pci and not subject.nodes and not subject.vfio:
        yield Fault("", "a PCI function has no node of its own", "give it `nodes`, or `vfio: true`")
    if subject.vfio and not on_pci:
        yield Fault("vfio", "only a PCI function can be used through VFIO", "look for it with `pci` or `drivers` alone")


def _drivers(subject: Subject) -> Iterator[Fault]:
    for index, code in enumerate(subject.pci_class):
        if not _CLASS.fullmatch(code):
            hint = "write 2, 4 or 6 hexadecimal digits in small letters, as in '1200'"
            yield Fault(f"pci_class[{index}]", f"invalid PCI class {code!r}", hint)
    places = {f"drivers[{index}]": driver for index, driver in enumerate(subject.drivers)}
    for where, driver in (places | {f"except_drivers.{driver}": driver for driver in subject.except_drivers}).items():
        if not driver or "/" in driver:
            yield Fault(where, f"invalid name of a driver {driver!r}", "it is a name as in /sys/bus/pci/drivers")


def _matches(subject: Subject) -> Iterator[Fault]:
    for key, wanted in subject.match.items():
        if not key.isupper():
            yield from _relative(f"match.{key}", key, f"invalid attribute {key!r}")
        if not wanted:
            yield Fault(f"match.{key}", "matches nothing", "write what it must be, `*` stands for anything")


def _nodes(nodes: tuple[str | NodePattern, ...], known: tuple[str, ...], *, absolute: bool) -> Iterator[Fault]:
    """Yield what is wrong with patterns of nodes; a path below the device's directory is not for all devices."""
    for index, one in enumerate(nodes):
        where, path = (f"nodes[{index}].path", one.path) if isinstance(one, NodePattern) else (f"nodes[{index}]", one)
        if path.startswith("/") or absolute:
            yield from _path(where, path, "/dev/", known=known)
        else:
            yield from _relative(where, path, f"invalid path {path!r}")
            yield from _braces(where, path, known)


def _naming(subject: Subject) -> Iterator[Fault]:
    known = (*_ALWAYS, *subject.attributes)
    for key, path in subject.attributes.items():
        where = f"attributes.{key}"
        if not _KEY.fullmatch(key) or key in _ALWAYS:
            yield Fault(where, f"invalid name of an attribute {key!r}", "write it as in serialNumber")
        yield from _relative(where, path, f"invalid path of an attribute {path!r}")
    templates = {"name": subject.name} | {f"names.{sort}": template for sort, template in subject.names.items()}
    variables = {f"env.{key}": value for key, value in subject.env.items()}
    variables |= {f"env_lists.{key}": value for key, value in subject.env_lists.items()}
    numbered = [subject.sysfs, subject.node, *(one if isinstance(one, str) else one.path for one in subject.nodes)]
    for where, template in (templates | variables).items():
        bad = list(_braces(where, template, known, is_text=where in variables))
        yield from bad
        if not bad and "n" in placeholders(template) and not any("{n}" in (one or "") for one in numbered):
            yield Fault(where, "nothing finds {n}", "write {n} for the number in `sysfs`, `node` or `nodes`")
        if not bad and where in templates:
            fault = device_fault(fill(template, dict.fromkeys(known, "0")) or "")
            if fault is not None:
                yield Fault(where, fault)
    yield from _env("env", subject.env)
    yield from _env("env_lists", subject.env_lists)
    for index, sort in enumerate(subject.also):
        if sort not in subject.names and sort not in _SORTS:
            hint = f"there are {', '.join(dict.fromkeys((*_SORTS, *subject.names)))}"
            yield Fault(f"also[{index}]", f"no name of the sort {sort!r}", hint)


def _shared(shared: SharedParts) -> Iterator[Fault]:
    yield from _nodes(shared.nodes, ("n",), absolute=True)
    for index, mount in enumerate(shared.mounts):
        path = mount.path if isinstance(mount, MountPattern) else mount
        where = f"mounts[{index}].path" if isinstance(mount, MountPattern) else f"mounts[{index}]"
        yield from _path(where, path, "/", known=("n",))
    for index, name in enumerate(shared.libraries):
        if not name or "/" in name:
            yield Fault(f"libraries[{index}]", f"{name!r} is no name of a library", "write it as in libnpu*.so*")
        yield from _braces(f"libraries[{index}]", name, ())
    yield from _env("env", shared.env)
    for key, value in shared.env.items():
        yield from _braces(f"env.{key}", value, (), is_text=True)


def _mount(mount: MountPattern) -> Iterator[Fault]:
    first: dict[str, int] = {}
    for index, option in enumerate(mount.options):
        if not option or first.setdefault(option, index) != index:
            why = "the option stands there twice" if option else "an empty option"
            yield Fault(f"options[{index}]", why, "remove it")


def _path(where: str, path: str, top: str, *, known: tuple[str, ...]) -> Iterator[Fault]:
    parts = path.split("/")[1:]
    if not path.startswith(top) or path == top:
        yield Fault(where, f"{path!r} is not below {top}", f"write the whole path, beginning with {top}")
    elif {"", ".", ".."} & set(parts):
        yield Fault(where, f"{path!r} is not a plain path", "write it without empty parts, . and ..")
    elif any("**" in part for part in parts):
        yield Fault(where, f"'**' in {path!r}", "a `*` matches within one name: write a pattern for each directory")
    yield from _braces(where, path, known)


def _relative(where: str, path: str, message: str) -> Iterator[Fault]:
    if {"", ".", ".."} & set(path.split("/")) or "**" in path:
        yield Fault(where, message, "write a path below the directory of the device, as in device/model")


def _braces(where: str, text: str, known: Iterable[str], *, is_text: bool = False) -> Iterator[Fault]:
    names = tuple(known)
    fault = text_fault(text, names) if is_text else pattern_fault(text, names)
    if fault is None:
        return
    there_are = ", ".join("{" + name + "}" for name in names)
    hint = f"there are {there_are}" if names else "nothing can stand in braces here"
    if "bracket" in fault:
        hint = "close it, or write ? for a single character"
    yield Fault(where, fault, f"{hint}; a brace itself is doubled" if is_text else hint)


def _env(field: str, env: dict[str, str]) -> Iterator[Fault]:
    for key in env:
        if not _VARIABLE.fullmatch(key):
            yield Fault(
                f"{field}.{key}", f"invalid name of a variable {key!r}", "write letters, digits and underscores"
            )


def _ids(field: str, ids: tuple[str, ...]) -> Iterator[Fault]:
    for index, one in enumerate(ids):
        if not _ID.fullmatch(one):
            hint = "write vendor:device in small hexadecimal digits, as in '17cb:a100' or '17cb:*'"
            yield Fault(f"{field}[{index}]", f"invalid PCI id {one!r}", hint)


def _text(where: str, text: str) -> Iterator[Fault]:
    if not text.strip() or "\n" in text.strip():
        yield Fault(where, "not a line of text", "write a few words")


_RULES: dict[type, Callable[..., Iterator[Fault]]] = {
    Profile: _profile,
    Subject: _subject,
    SharedParts: _shared,
    MountPattern: _mount,
}
