"""The shared libraries below a driver's root: where they are, and by which links programs know them."""

from __future__ import annotations

__all__ = ["Libraries", "Library", "LibraryDirectory", "driver_host", "find_library"]

import re
from typing import TYPE_CHECKING

import msgspec

from cdi.discovery.library_places import COMPATIBLE, library_places, real_directory
from cdi.discovery.nvidia.elf import ElfUnread, read_soname
from cdi.hooks import LINK_SEPARATOR
from cdi.host import HostError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cdi.host import Host

# Links that programs expect, whether or not the host has them: of a library, the target (None: itself) and the link.
_EXPECTED: Mapping[str, tuple[str | None, str]] = {
    "libcuda.so": ("libcuda.so.1", "libcuda.so"),
    "libGLX_nvidia.so": (None, "libGLX_indirect.so.0"),
    "libnvidia-opticalflow.so": ("libnvidia-opticalflow.so.1", "libnvidia-opticalflow.so"),
}
_VERSIONED = re.compile(r".*\.so\.[^.]+\..+")


class LibraryDirectory(msgspec.Struct, frozen=True, kw_only=True):
    """A directory of libraries, as a path without links below the driver's root; `bits` is None if both could be."""

    path: str
    bits: int | None
    names: tuple[str, ...]  # of what may be a library, or a link to one


class Library(msgspec.Struct, frozen=True, kw_only=True):
    """A library: a file, not a link to one."""

    directory: str
    name: str
    bits: int | None  # of the directory that it was found in

    @property
    def path(self) -> str:
        """The path below the driver's root."""
        return f"{self.directory.rstrip('/')}/{self.name}"

    @property
    def stem(self) -> str:
        """The name without what follows `.so`."""
        return _stem(self.name)


class Libraries:
    """The directories of libraries below a root, all that there are, each listed once.

    Split installations are common: what the driver brings is in one directory, what its packages need in another.
    So the directories that the user names, the usual ones and those of the linker's cache count together. `unread`
    says what could not be read, and `unsure` which links had to be guessed.
    """

    def __init__(self, root: Host) -> None:
        self._root = root
        self._names: dict[str, tuple[str, ...]] = {}
        self._by_stem: dict[str, dict[str, list[str]]] = {}
        self.unread: list[str] = []
        self.unsure: list[str] = []
        listed = ((path, bits, self._list(path)) for path, bits in library_places(root, self.unread))
        self.directories = tuple(
            LibraryDirectory(path=path, bits=bits, names=names) for path, bits, names in listed if names
        )

    def find(self, pattern: str, directories: tuple[LibraryDirectory, ...] | None = None) -> Iterator[Library]:
        """Yield the libraries whose names match a regular expression, each file once however many links lead to it."""
        matches = re.compile(pattern).fullmatch
        seen: set[str] = set()
        for directory in self.directories if directories is None else directories:
            for name in directory.names:
                real = self._file(directory.path, name) if matches(name) else None
                if real is not None and real not in seen:
                    seen.add(real)
                    parent, _, base = real.rpartition("/")
                    yield Library(directory=parent or "/", name=base, bits=directory.bits)

    def holding(self, pattern: str) -> tuple[LibraryDirectory, ...]:
        """Return the directories that hold the files themselves of libraries whose names match."""
        sizes: dict[str, int | None] = {}
        for library in self.find(pattern):
            sizes.setdefault(library.directory, library.bits)
        return tuple(LibraryDirectory(path=path, bits=sizes[path], names=self._list(path)) for path in sizes)

    def within(self, directory: LibraryDirectory, name: str) -> LibraryDirectory | None:
        """Return a directory in a directory of libraries, if it is there and has any."""
        path = real_directory(self._root, f"{directory.path}/{name}", self.unread)
        names = self._list(path) if path is not None else ()
        return LibraryDirectory(path=path, bits=directory.bits, names=names) if path is not None and names else None

    def links(self, library: Library) -> Iterator[tuple[str, str]]:
        """Yield target and path of the links beside a library that programs know it by: its SONAME, and `lib….so`.

            libcuda.so -> libcuda.so.1                     for the compiler
            libcuda.so.1 -> libcuda.so.550.54.15           the SONAME, made by ldconfig
            libcuda.so.550.54.15

        The host's own links tell the SONAME. Only where they disagree, as when two versions of the driver are
        installed, is the library itself asked. Some links are made even if the host lacks them.
        """
        place = library.directory.rstrip("/")
        if library.stem in _EXPECTED and _VERSIONED.fullmatch(library.name):
            target, link = _EXPECTED[library.stem]
            yield target or library.name, f"{place}/{link}"
        known = {name: self._target(f"{place}/{name}") for name in self._siblings(library)}
        links = {name: target for name, target in known.items() if target is not None}
        if not links:
            return
        names = [name for name in links if name != library.stem]
        soname = self._soname(library, names, links)
        if soname is not None and soname != library.name and soname in links:
            yield library.name, f"{place}/{soname}"
        if library.stem in links and library.stem != soname:
            yield soname or library.name, f"{place}/{library.stem}"

    def _soname(self, library: Library, names: list[str], links: dict[str, str]) -> str | None:
        """Return the SONAME; None where it can only be the library's own name."""
        ours = [name for name in names if self._leads_to(name, library, links)]
        if len(ours) == len(names) == 1:
            return ours[0]
        if not names and self._leads_to(library.stem, library, links):
            return None
        try:
            return read_soname(self._root, library.path)
        except ElfUnread as unread:
            if unread.no_reader:
                self.unsure.append(f"{library.path}: {unread}, its links are those of its directory")
            return min(ours or names, key=len, default=None)

    def _leads_to(self, name: str, library: Library, links: dict[str, str]) -> bool:
        """Return whether a link leads to a library: within their directory without asking, else by its whole path."""
        for _ in links:
            target = links.get(name)
            if target is None:
                break
            if "/" in target:
                return self._file(library.directory, name) == library.path
            name = target
        return name == library.name

    def _siblings(self, library: Library) -> list[str]:
        """Return the other names of a directory that differ from a library's only behind `.so`."""
        place = library.directory
        if place not in self._by_stem:
            self._by_stem[place] = groups = dict[str, list[str]]()
            for name in self._list(place):
                groups.setdefault(_stem(name), []).append(name)
        return [name for name in self._by_stem[place].get(library.stem, ()) if name != library.name]

    def _target(self, path: str) -> str | None:
        """Return where a link leads, None for what is no link."""
        try:
            return self._root.readlink(path)
        except HostError:
            return None

    def _file(self, directory: str, name: str) -> str | None:
        """Return the path without links of a file, None when it is none."""
        path = f"{directory.rstrip('/')}/{name}"
        try:
            kind = self._root.stat(path, follow=False).type
            real = self._root.resolve(path) if kind == "l" else path
            return real if kind == "f" or self._root.stat(real).type == "f" else None
        except HostError as error:
            if not error.missing:
                self.unread.append(error.message)
            return None

    def _list(self, path: str) -> tuple[str, ...]:
        if path not in self._names:
            try:
                names = self._root.listdir(path, natural=False)
            except HostError as error:
                names = ()
                if not error.missing:
                    self.unread.append(error.message)
            libraries = [name for name in names if ".so" in name]
            odd = [name for name in libraries if not name.isprintable() or LINK_SEPARATOR in name]
            self.unread += [f"{path}: {name!r} is left out, no hook can be told of such a name" for name in odd]
            self._names[path] = tuple(name for name in libraries if name not in odd)
        return self._names[path]


def driver_host(host: Host) -> Host | None:
    """Return the driver's root as a host of its own; None when there is nothing at it."""
    try:
        return host.below(host.driver_root)
    except HostError as error:
        if error.missing:
            return None
        raise


def find_library(host: Host, soname: str) -> str | None:
    """Return the path on the host of a 64-bit library of the driver such as `libnvidia-ml.so.1`, or None."""
    root = driver_host(host)
    if root is None:
        return None
    for directory, bits in library_places(root, []):
        path = f"{directory.rstrip('/')}/{soname}"
        if bits != COMPATIBLE and _is_file(root, path):
            return host.driver(root.resolve(path))
    return None


def _is_file(root: Host, path: str) -> bool:
    try:
        return root.stat(path).type == "f"
    except HostError:
        return False


def _stem(name: str) -> str:
    before, so, _ = name.rpartition(".so")
    return before + so
