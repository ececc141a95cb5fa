"""Names of the CDI spec: `vendor/class=device`, spec file names and container annotations."""

from __future__ import annotations

__all__ = [
    "ANNOTATION_PREFIX",
    "QualifiedName",
    "annotation",
    "class_fault",
    "device_fault",
    "natural_key",
    "parse_name",
    "spec_name",
    "split_kind",
    "vendor_fault",
]

import re
from functools import lru_cache
from typing import TYPE_CHECKING

import msgspec

from cdi.errors import InvalidName

if TYPE_CHECKING:
    from collections.abc import Iterable

ANNOTATION_PREFIX = "cdi.k8s.io/"

# SPEC.md, "Kind": vendor and class start with a letter, end with a letter or a digit; ASCII only.
_QUALIFIER = re.compile(r"[A-Za-z](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
# SPEC.md, "Device name": as above, may also start with a digit (from 0.5.0) and contain ':'.
_DEVICE = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._:-]*[A-Za-z0-9])?")
_ANNOTATION = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
_ANNOTATION_MAX = 63
# A PCI address is hexadecimal, and one number as a whole: 0000:0e:00.0 comes after 0000:03:00.0.
_NUMBER = re.compile(r"([0-9a-f]{4,8}:[0-9a-f]{2}:[01][0-9a-f]\.[0-7]|\d+)")


class QualifiedName(msgspec.Struct, frozen=True, order=True):
    """A fully qualified device name; `str()` gives `vendor/class=device`."""

    vendor: str
    class_: str
    device: str

    def __str__(self) -> str:
        return f"{self.vendor}/{self.class_}={self.device}"

    @property
    def kind(self) -> str:
        """`vendor/class`."""
        return f"{self.vendor}/{self.class_}"


def parse_name(text: str) -> QualifiedName:
    """Return the parts of `vendor/class=device`; raise `InvalidName` saying which part is wrong."""
    kind, equals, device = text.partition("=")
    vendor, slash, class_ = kind.partition("/")
    if not (equals and slash and vendor and class_ and device):
        missing = "a vendor" if not (slash and vendor) else "a class" if not class_ else "a device name"
        message = f"unqualified device name {text!r}, {missing} is missing"
        raise InvalidName(message, hint="write vendor/class=device, as in vendor.com/gpu=0")
    fault = vendor_fault(vendor) or class_fault(class_) or device_fault(device)
    if fault:
        message = f"invalid device name {text!r}: {fault}"
        raise InvalidName(message)
    return QualifiedName(vendor, class_, device)


@lru_cache(maxsize=1 << 13)
def natural_key(text: str) -> tuple[list[str | tuple[int, str]], str]:
    """Return a sort key that puts `gpu=2` before `gpu=10`, and PCI addresses in their order."""
    parts: list[str | tuple[int, str]] = [*_NUMBER.split(text)]
    for place in range(1, len(parts), 2):
        digits = str(parts[place]).lstrip("0")
        parts[place] = (len(digits), digits)
    return parts, text


def split_kind(kind: str) -> tuple[str, str]:
    """Return vendor and class of a kind; vendor is empty when the kind is not `vendor/class`."""
    vendor, _, class_ = kind.partition("/")
    return (vendor, class_) if vendor and class_ else ("", kind)


def vendor_fault(vendor: str) -> str | None:
    """Return what is wrong with a vendor name, or None."""
    return _qualifier_fault("vendor", vendor)


def class_fault(class_: str) -> str | None:
    """Return what is wrong with a class name, or None."""
    return _qualifier_fault("class", class_)


def device_fault(device: str) -> str | None:
    """Return what is wrong with a device name (without its kind), or None."""
    if _DEVICE.fullmatch(device):
        return None
    if not device:
        return "empty device name"
    return f"invalid device name {device!r}, {_reason(device, first='a letter or a digit', inner='._:-')}"


def spec_name(vendor: str, class_: str, *, transient_id: str | None = None) -> str:
    """Return the file name, without extension, for the spec of a kind.

    With `transient_id` (a container or claim id), the name is for a spec that lives as long as that does.
    A slash in the id becomes an underscore, as the reference library does it.
    """
    stem = f"{vendor}-{class_}"
    return stem if transient_id is None else f"{stem}_{transient_id.replace('/', '_')}"


def annotation(plugin: str, device_id: str, devices: Iterable[str]) -> tuple[str, str]:
    """Return key and value of the container annotation that asks a runtime for `devices`.

    Raises `InvalidName` for an invalid plugin name, id or device name (SPEC.md, "CDI annotations").
    """
    if not plugin or not device_id:
        message = f"empty {'device id' if plugin else 'plugin name'} for an annotation"
        raise InvalidName(message)
    name = f"{plugin}_{device_id.replace('/', '_')}"
    if len(name.encode()) > _ANNOTATION_MAX:
        message = f"annotation name {name!r} is longer than {_ANNOTATION_MAX} characters"
        raise InvalidName(message)
    if not _ANNOTATION.fullmatch(name):
        message = f"invalid annotation name {name!r}, {_reason(name, first='a letter or a digit', inner='._-')}"
        raise InvalidName(message)
    return ANNOTATION_PREFIX + name, ",".join(str(parse_name(device)) for device in devices)


def _qualifier_fault(part: str, name: str) -> str | None:
    if _QUALIFIER.fullmatch(name):
        return None
    if not name:
        return f"empty {part}"
    return f"invalid {part} {name!r}, {_reason(name, first='a letter', inner='._-')}"


def _reason(name: str, *, first: str, inner: str) -> str:
    for char in name:
        if not (char.isascii() and char.isalnum()) and char not in inner:
            return f"{char!r} is not allowed (letters, digits and {inner!r} are)"
    if not name[0].isalpha() and first == "a letter":
        return "it must start with a letter"
    if not name[0].isalnum():
        return f"it must start with {first}"
    return "it must end with a letter or a digit"
