"""A live host as a text tree: what discovery reads, with addresses, serial numbers and UUIDs replaced."""

from __future__ import annotations

__all__ = ["Recorder", "snapshot"]

import re
from typing import TYPE_CHECKING

from msgspec.structs import replace

from cdi.discovery import discover, families, host_families
from cdi.discovery.nvidia.survey import nvml_files
from cdi.host import Host, HostError, Source, Stat
from cdi.host.tree import DIRECTORY, FILE, LINK, Entry, format_tree
from cdi.host.udev import udev_files
from cdi.redaction import redacted
from cdi.walk import MAX_LINKS

if TYPE_CHECKING:
    from collections.abc import Mapping

_LIMIT = 1 << 20
_TABLE_LIMIT = 64 << 20  # of what redaction leaves little
_EXECUTABLE, _PROGRAM_MODE = 0o111, 0o755
_OF_THE_KERNEL = ("/sys", "/proc", "/dev")
# Read besides what discovery reads, since it says why a device was not found.
_BESIDES = (
    "/proc/devices",
    "/proc/misc",
    "/proc/sys/kernel/osrelease",
    "/sys/bus/pci/devices/*/acpi_index",
    "/sys/bus/pci/devices/*/class",
    "/sys/bus/pci/devices/*/device",
    "/sys/bus/pci/devices/*/driver",
    "/sys/bus/pci/devices/*/subsystem_device",
    "/sys/bus/pci/devices/*/subsystem_vendor",
    "/sys/bus/pci/devices/*/vendor",
    "/sys/class/*",
    "/sys/class/infiniband/*/ports/1/pkeys/0",
)
_HEADER = "# A host as recorded by `cdi snapshot`: addresses, serial numbers and UUIDs are replaced.\n"


def snapshot(host: Host) -> str:
    """Return a text tree from which `discover` finds what it finds on the host itself.

    It holds what discovery opened, and the PCI functions and classes of the host, for what was not found. The
    same value has the same replacement throughout, and the same host gives the same text.
    """
    recorder = Recorder(host.source)
    seen = host.over(recorder)
    own, _ = host_families(seen)
    discover(seen, [*families(), *(family.name for _, family in own)])  # also those that must be named
    for pattern in _BESIDES:
        _read_all(seen, pattern)
    answers = {**nvml_files(seen), **udev_files(seen)}
    files = {path: Entry(stat=FILE.stat, content=content) for path, content in answers.items()}
    return _HEADER + format_tree(_Pseudonyms().replace({**redacted(recorder.entries()), **files}))


def _read_all(host: Host, pattern: str) -> None:
    try:
        for path in host.glob(pattern):
            stat = host.stat(path)
            if stat.type == "f":
                host.read_bytes(path)
    except HostError:
        return  # the recorder has noted what there was to note


class Recorder:
    """A source that remembers what it was asked, and can then give all of that as entries of a tree."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._read: set[str] = set()
        self._listed: set[str] = set()
        self._seen: set[str] = set()

    def __repr__(self) -> str:
        return f"Recorder({self._source!r})"

    def read(self, path: str, limit: int) -> bytes:
        """Return the content of a regular file of at most `limit` bytes."""
        self._read.add(path)
        return self._source.read(path, limit)

    def listdir(self, path: str) -> list[str]:
        """Return the names in a directory, in any order."""
        self._listed.add(path)
        return self._source.listdir(path)

    def readlink(self, path: str) -> str:
        """Return the target of a link as it is written."""
        self._seen.add(path)
        return self._source.readlink(path)

    def resolve(self, path: str) -> str:
        """Return the path without links and dots."""
        self._seen.add(path)
        return self._source.resolve(path)

    def stat(self, path: str, *, follow: bool) -> Stat:
        """Return what is at the path; of a link in last place, itself unless `follow`."""
        self._seen.add(path)
        return self._source.stat(path, follow=follow)

    def label(self, path: str) -> str | None:
        """Return the SELinux label of the path, which is not recorded."""
        return self._source.label(path)

    def open(self, path: str) -> int:
        """Return a descriptor to read a regular file; what is read of it is not recorded."""
        return self._source.open(path)

    def entries(self) -> dict[str, Entry]:
        """Return what was asked for, and the links on the way to it."""
        entries: dict[str, Entry] = {}
        for path in sorted(self._seen):
            self._trace(path, entries)
        for path in sorted(self._listed):
            self._add_names(self._trace(path, entries), entries)
        for path in sorted(self._read):
            self._add_content(self._trace(path, entries), entries)
        return entries

    def _trace(self, path: str, entries: dict[str, Entry]) -> str:
        """Add the links that lead to a path and what is there; return the path without links.

        Links in /proc depend on who asks (self, net): what is below stays under the name that it was asked by.
        """
        pending = path.split("/")[::-1]
        place = ""
        links = 0
        while pending and links <= MAX_LINKS:
            name = pending.pop()
            if name in {"", "."}:
                continue
            if name == "..":
                place = place.rpartition("/")[0]
                continue
            place = f"{place}/{name}"
            if place.startswith("/proc/") and any(pending):
                continue
            target = self._describe(place, entries)
            if target:
                links += 1
                pending += target.split("/")[::-1]
                place = "" if target.startswith("/") else place.rpartition("/")[0]
        return place or "/"

    def _describe(self, path: str, entries: dict[str, Entry]) -> str:
        """Add what is at a path, files without their content; return the target if it is a link."""
        if path not in entries:
            try:
                stat = self._source.stat(path, follow=False)
                target = self._source.readlink(path) if stat.type == "l" else ""
            except OSError:
                return ""
            program = Entry(stat=Stat(type="f", mode=_PROGRAM_MODE))
            file = program if stat.mode & _EXECUTABLE else FILE
            plain = {"d": DIRECTORY, "f": file, "l": Entry(stat=LINK, target=target)}
            entries[path] = plain.get(stat.type) or Entry(stat=replace(stat, modified=None))
        return entries[path].target

    def _add_names(self, place: str, entries: dict[str, Entry]) -> None:
        try:
            names = self._source.listdir(place)
        except OSError as error:
            _fail(place, entries, error, type_="d")
            return
        # Of the kernel's files all names count. Elsewhere what nobody asked about is what else is installed.
        if place.startswith(_OF_THE_KERNEL):
            for name in names:
                self._describe(f"{place.rstrip('/')}/{name}", entries)

    def _add_content(self, place: str, entries: dict[str, Entry]) -> None:
        limit = _TABLE_LIMIT if place.startswith("/proc/") else _LIMIT
        try:
            content = self._source.read(place, limit)
        except OSError as error:
            _fail(place, entries, error, type_="f")
        else:
            stat = entries[place].stat if place in entries else FILE.stat
            entries[place] = Entry(stat=stat, content=content)


def _fail(place: str, entries: dict[str, Entry], error: OSError, *, type_: str) -> None:
    """Note that a directory cannot be listed, or a file not read; reading a directory fails on every host."""
    if place in entries and entries[place].stat.type == type_:
        entries[place] = Entry(stat=entries[place].stat, error=error.errno)


# Files that hold nothing but what identifies a machine or a part of it.
_SERIALS = frozenset({"phys_port_id", "phys_switch_id", "serial", "serial_number", "unique_id", "vpd", "wwid"})
_MAC = r"(?<![0-9a-f:])(?:[0-9a-f]{2}:){5,}[0-9a-f]{2}(?![0-9a-f:])"
_NAME_WITH_MAC = r"(?<=enx|wlx|wwx|slx|ibx)[0-9a-f]{12}"
_GUID = r"(?<![0-9a-f:])(?:[0-9a-f]{4}:){3}[0-9a-f]{4}(?![0-9a-f:])"
_UUID = r"(?<![0-9a-f])(?<![0-9a-f]-)[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?![0-9a-f-])"
# Not a version of four parts: 5.15.167.4-microsoft-standard-WSL2.
_IPV4 = (
    r"(?<![0-9.])(?:(?:25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])\.){3}"
    r"(?:25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])(?![0-9.]|-[a-z])"
)
_PRIVATE = re.compile(f"{_MAC}|{_NAME_WITH_MAC}|{_GUID}|{_UUID}|{_IPV4}", re.IGNORECASE)
# What a GPU's `unique_id` says in hexadecimal, KFD says in decimal.
_KFD_SERIALS = re.compile(r"(?:(?<=^unique_id )|(?<=^hive_id ))[1-9][0-9]*$", re.MULTILINE)
_HEX = re.compile(r"[0-9a-f]", re.IGNORECASE)
_MEANINGFUL = frozenset("0f")


class _Pseudonyms:
    """Replacements, numbered in the order in which the values turn up.

    A value keeps its length and its punctuation, and one without meaning of its own (all zeros, a broadcast
    address) stays. What stands with and without colons, as in enx020000000001, is one value.
    """

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def replace(self, entries: Mapping[str, Entry]) -> dict[str, Entry]:
        """Return the entries with paths, link targets and contents replaced."""
        return {self._text(path): self._entry(path, entries[path]) for path in sorted(entries)}

    def _entry(self, path: str, entry: Entry) -> Entry:
        text = entry.content.decode("utf-8", "surrogateescape")
        if path.rpartition("/")[2] in _SERIALS and text.strip("0\n"):
            text = self._number(text.strip()) + "\n"
        if "/kfd/topology/nodes/" in path:
            text = _KFD_SERIALS.sub(lambda match: str(self._index(f"{int(match[0]):016x}")), text)
        content = self._text(text).encode("utf-8", "surrogateescape")
        return Entry(stat=entry.stat, content=content, target=self._text(entry.target), error=entry.error)

    def _text(self, text: str) -> str:
        return _PRIVATE.sub(lambda match: self._value(match[0]), text)

    def _value(self, value: str) -> str:
        digits = "".join(_HEX.findall(value))
        if set(digits.lower()) <= _MEANINGFUL:
            return value
        if "." in value:
            return f"192.0.2.{self._index(value) % 256}"
        new = iter("02" + self._number(digits)[2:])
        return _HEX.sub(lambda _: next(new), value)

    def _number(self, value: str) -> str:
        return f"{self._index(value):0{len(value)}x}"

    def _index(self, value: str) -> int:
        return self._numbers.setdefault(value.lower(), len(self._numbers) + 1)
