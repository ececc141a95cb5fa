r"""A host as text, one entry a line: for examples, tests and bug reports.

    # a comment
    /proc/net/route = "Iface\tDestination\n"                   text in JSON, exactly as it is
    /sys/class/net/eth1/mtu = 1500                             one line of text; its line feed is implied
    /sys/class/net/eth1 -> ../../devices/virtual/net/eth1      a link
    /sys/class/net/eth1/speed ! EINVAL                         reading it fails
    /dev/kvm : c 10 232 0660 0 108                             type, major, minor, mode, then uid and gid
    /usr/bin/hook : f 0755                                     so also f, d, s and p, which have no numbers
    /etc/crio/crio.conf : f 0644 @1764000000                   when it was modified, in seconds since 1970
    /usr/bin/hook @ system_u:object_r:bin_t:s0                 the SELinux label, besides what else is said
    /sys/class/infiniband/                                     an empty directory

Directories above an entry need no line. A path with spaces, or one that starts with a quotation mark, is written
as a JSON string. Bytes that are not UTF-8 stand as `\udc80` to `\udcff` in JSON strings. A file may have a line
for its content, another for its mode, and a third for its label.
"""

from __future__ import annotations

__all__ = ["DIRECTORY", "FILE", "LINK", "Entry", "Tree", "format_tree", "parse_tree"]

import errno
import json
import os
import re
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from cdi.errors import FileError
from cdi.host.source import Stat
from cdi.walk import MAX_LINKS

if TYPE_CHECKING:
    from collections.abc import Mapping

_PLAIN_PATH = re.compile(r"/[!#-~]*")
_PLAIN_TEXT = re.compile(r"[!#-~](?:[ -~]*[!-~])?")
_LINE = re.compile(r'(?P<path>"(?:[^"\\]|\\.)*"|[^\s"]\S*)(?:\s+(?P<sign>=|->|:|!|@)(?:\s+(?P<rest>.*\S))?)?\s*')
_FILE_MODE = 0o644
_DIRECTORY_MODE = 0o755


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One path of a tree: what is there, its SELinux label, and its content, link target or error of reading."""

    stat: Stat
    content: bytes = b""
    target: str = ""
    error: int | None = None
    label: str | None = None


DIRECTORY = Entry(stat=Stat(type="d", mode=_DIRECTORY_MODE))
LINK = Stat(type="l", mode=0o777)
FILE = Entry(stat=Stat(type="f", mode=_FILE_MODE))


class Tree:
    """A file system of entries; links and `..` are followed as if it were all there is."""

    def __init__(self, entries: Mapping[str, Entry]) -> None:
        self._entries: dict[str, Entry] = {"/": DIRECTORY}
        self._names: dict[str, list[str]] = {"/": []}
        for path, entry in entries.items():
            self._add(path, entry)

    def __repr__(self) -> str:
        return f"Tree({len(self._entries)} entries)"

    def read(self, path: str, limit: int) -> bytes:
        """Return the content of a regular file of at most `limit` bytes."""
        entry = self._entry(path)
        if entry.error is not None:
            raise _failure(entry.error)
        if entry.stat.type == "d":
            raise _failure(errno.EISDIR)
        if entry.stat.type != "f":
            raise OSError(errno.ENXIO, "not a regular file")
        if len(entry.content) > limit:
            raise _failure(errno.EFBIG)
        return entry.content

    def listdir(self, path: str) -> list[str]:
        """Return the names in a directory, in any order."""
        place = self._place(path, follow=True)
        entry = self._at(place)
        if entry.error is not None:
            raise _failure(entry.error)
        if entry.stat.type != "d":
            raise _failure(errno.ENOTDIR)
        return list(self._names[place])

    def readlink(self, path: str) -> str:
        """Return the target of a link as it is written."""
        entry = self._entry(path, follow=False)
        if entry.stat.type != "l":
            raise _failure(errno.EINVAL)
        return entry.target

    def resolve(self, path: str) -> str:
        """Return the path without links and dots."""
        place = self._place(path, follow=True)
        self._at(place)
        return place

    def stat(self, path: str, *, follow: bool) -> Stat:
        """Return what is at the path; of a link in last place, itself unless `follow`."""
        return self._entry(path, follow=follow).stat

    def label(self, path: str) -> str | None:
        """Return the SELinux label of the path, None where there is none."""
        return self._entry(path).label

    def open(self, path: str) -> int:
        """Fail: a text has no files."""
        raise _failure(errno.ENOTSUP, path)

    def _add(self, path: str, entry: Entry) -> None:
        if path == "/":
            return
        parent, _, name = path.rpartition("/")
        parent = parent or "/"
        missing = []
        above = parent
        while above not in self._entries:
            missing.append(above)
            above = above.rpartition("/")[0] or "/"
        for directory in reversed(missing):
            self._add(directory, DIRECTORY)
        if parent not in self._names:
            raise _failure(errno.ENOTDIR, path)
        if path not in self._entries:
            self._names[parent].append(name)
        self._entries[path] = entry
        if entry.stat.type == "d":
            self._names.setdefault(path, [])

    def _entry(self, path: str, *, follow: bool = True) -> Entry:
        return self._at(self._place(path, follow=follow))

    def _at(self, place: str) -> Entry:
        if place not in self._entries:
            raise _failure(errno.ENOENT)
        return self._entries[place]

    def _place(self, path: str, *, follow: bool) -> str:
        pending = path.split("/")[::-1]
        place = ""
        links = 0
        while pending:
            name = pending.pop()
            if name in {"", "."}:
                continue
            if name == "..":
                place = place.rpartition("/")[0]
                continue
            below = f"{place}/{name}"
            entry = self._entries.get(below)
            if entry is None or entry.stat.type not in {"d", "l"}:
                if not any(pending):
                    return below
                raise _failure(errno.ENOENT if entry is None else errno.ENOTDIR)
            if entry.stat.type == "d" or (not follow and not any(pending)):
                place = below
                continue
            links += 1
            if links > MAX_LINKS:
                raise _failure(errno.ELOOP)
            if entry.target.startswith("/"):
                place = ""
            pending += entry.target.split("/")[::-1]
        return place or "/"


def parse_tree(text: str, *, source: str = "tree") -> dict[str, Entry]:
    """Return the entries of a text tree by path; raise `FileError` naming the line that makes no sense."""
    entries: dict[str, Entry] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            path, entry = _parse_line(line.strip())
            entries[path] = _joined(entries.get(path), entry)
        except (ValueError, LookupError, TypeError) as error:
            message = f"{source}:{number}: {error}"
            raise FileError(message, hint="docs/hosts.md describes host trees") from error
    return entries


def format_tree(entries: Mapping[str, Entry]) -> str:
    """Return entries as a text tree, sorted by path, directories that have entries left out."""
    filled = {path.rpartition("/")[0] for path in entries}
    return "".join(_format_labelled(path, entries[path], filled) for path in sorted(entries))


def _parse_line(line: str) -> tuple[str, Entry]:
    match = _LINE.fullmatch(line)
    if match is None:
        message = "not an entry, expected a path and then =, ->, :, ! or @"
        raise ValueError(message)
    path, sign, rest = match["path"], match["sign"], match["rest"] or ""
    path = json.loads(path) if path.startswith('"') else path
    parts = path.rstrip("/").split("/")
    if not path.startswith("/") or {"", ".", ".."} & set(parts[1:]):
        message = f"path {path!r} is not absolute and plain"
        raise ValueError(message)
    clean = "/".join(parts) or "/"
    if path.endswith("/"):
        if sign not in {None, "!"}:
            message = f"{path!r} ends in a slash, so it is a directory and cannot have content"
            raise ValueError(message)
        return clean, Entry(stat=DIRECTORY.stat, error=_error(rest) if sign else None)
    if sign is None:
        message = f"{path!r} has no content; end it with a slash if it is a directory"
        raise ValueError(message)
    return clean, _PARSE[sign](rest)


def _parse_content(rest: str) -> Entry:
    if not rest:
        return FILE
    text = json.loads(rest) if rest.startswith('"') else rest + "\n"
    return Entry(stat=FILE.stat, content=text.encode("utf-8", "surrogateescape"))


def _parse_link(rest: str) -> Entry:
    target = json.loads(rest) if rest.startswith('"') else rest
    if not target:
        message = "a link needs a target"
        raise ValueError(message)
    return Entry(stat=LINK, target=target)


def _parse_stat(rest: str) -> Entry:
    rest, _, modified = rest.partition("@")
    kind, *numbers = rest.split()
    wanted = 2 if kind in {"c", "b"} else 0
    if kind not in {"f", "d", "c", "b", "p", "s"} or len(numbers) not in {wanted + 1, wanted + 3}:
        message = f"cannot read {rest!r}, expected such as 'c 10 232 0660' or 'f 0755 0 0'"
        raise ValueError(message)
    major, minor = (int(numbers[0]), int(numbers[1])) if wanted else (None, None)
    mode = int(numbers[wanted], 8)
    uid, gid = (int(n) for n in numbers[wanted + 1 :] or (0, 0))
    when = float(modified) if modified else None
    return Entry(stat=Stat(type=kind, mode=mode, uid=uid, gid=gid, major=major, minor=minor, modified=when))


def _parse_label(rest: str) -> Entry:
    if not rest:
        message = "a label needs a text"
        raise ValueError(message)
    return Entry(stat=FILE.stat, label=rest)


def _parse_error(rest: str) -> Entry:
    return Entry(stat=FILE.stat, error=_error(rest))


def _error(name: str) -> int:
    code: int | None = getattr(errno, name, None)
    if not isinstance(code, int):
        message = f"unknown error {name!r}, expected a name such as EACCES"
        raise ValueError(message)  # noqa: TRY004 - the text is wrong, not its type
    return code


_PARSE = {"=": _parse_content, "->": _parse_link, ":": _parse_stat, "!": _parse_error, "@": _parse_label}


def _joined(first: Entry | None, second: Entry) -> Entry:
    """Return one entry from the lines of a path that give its content, its mode and its label."""
    if first is None:
        return second
    for one, other in ((first, second), (second, first)):
        if one.label is not None and replace(one, label=None) == FILE:
            return replace(other, label=one.label)
    if first.stat.type != "f" or second.stat.type != "f":
        message = "the path has an entry already"
        raise ValueError(message)
    stat = second.stat if second.stat != FILE.stat else first.stat
    label = first.label or second.label
    return Entry(stat=stat, content=second.content or first.content, error=second.error or first.error, label=label)


def _format_labelled(path: str, entry: Entry, filled: set[str]) -> str:
    text = _format_entry(path, entry, filled)
    return text if entry.label is None else f"{text}{_name(path)} @ {entry.label}\n"


def _name(path: str) -> str:
    return path if _PLAIN_PATH.fullmatch(path) else json.dumps(path)


def _format_entry(path: str, entry: Entry, filled: set[str]) -> str:
    name = _name(path)
    stat = entry.stat
    if stat.type == "l":
        return f"{name} -> {_quoted(entry.target)}\n"
    if stat.type == "d" and stat.mode == _DIRECTORY_MODE and not stat.uid and not stat.gid and not entry.label:
        failing = f" ! {errno.errorcode[entry.error]}" if entry.error is not None else ""
        name = name[:-1] + '/"' if name.endswith('"') else f"{name}/"
        return f"{name}{failing}\n" if failing or path not in filled else ""
    if stat.type == "f":
        return _format_file(name, entry)
    return f"{name} : {_format_stat(stat)}\n"


def _format_file(name: str, entry: Entry) -> str:
    mode = f"{name} : {_format_stat(entry.stat)}\n" if entry.stat != FILE.stat else ""
    if entry.error is not None:
        return f"{mode}{name} ! {errno.errorcode[entry.error]}\n"
    if not entry.content:
        return mode or f"{name} =\n"
    text = entry.content.decode("utf-8", "surrogateescape")
    plain = text.endswith("\n") and _PLAIN_TEXT.fullmatch(text[:-1])
    return f"{mode}{name} = {text[:-1] if plain else json.dumps(text)}\n"


def _format_stat(stat: Stat) -> str:
    numbers = "" if stat.major is None else f"{stat.major} {stat.minor} "
    owner = f" {stat.uid} {stat.gid}" if stat.uid or stat.gid else ""
    modified = f" @{stat.modified:.15g}" if stat.modified is not None else ""
    return f"{stat.type} {numbers}{stat.mode:04o}{owner}{modified}"


def _quoted(text: str) -> str:
    return text if _PLAIN_TEXT.fullmatch(text) else json.dumps(text)


def _failure(code: int, path: str | None = None) -> OSError:
    return OSError(code, os.strerror(code), path)
