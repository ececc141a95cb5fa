"""The spec files of a host, read once for all runtimes, and what in their directories is not read."""

from __future__ import annotations

__all__ = ["Listing", "SpecFile", "list_directory", "read_file"]

import re
from typing import TYPE_CHECKING

import msgspec

from cdi.document import MAX_BYTES
from cdi.host import HostError
from cdi.reader import SUFFIXES
from cdi.report import check

if TYPE_CHECKING:
    from cdi.host import Host
    from cdi.model import Device
    from cdi.problem import Problem
    from cdi.report import Report

# An entry of these lists is looked into before anything asks whether it is there (pkg/cdi/container-edits.go).
_DEREFERENCED = re.compile(r"(?:deviceNodes|netDevices|mounts|hooks)\[\d+\]$")
_ALIKE = re.compile(r"\.(?:ya?ml|json)(?:\.|$|~)", re.IGNORECASE)


class SpecFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file that counts as a spec by its name; it has a `failure` or a `report`, never both."""

    path: str
    content: bytes = b""
    report: Report | None = None
    failure: HostError | None = None

    @property
    def crashers(self) -> tuple[Problem, ...]:
        """What in it makes released runtimes panic."""
        problems = self.report.problems if self.report is not None else ()
        return tuple(p for p in problems if p.rule == "short-name" or _is_null_part(p))

    @property
    def names(self) -> tuple[str, ...]:
        """The qualified names of its devices, if it is valid."""
        spec = self.report.spec if self.report is not None else None
        return tuple(f"{spec.kind}={device.name}" for device in spec.devices) if spec is not None else ()

    def device(self, name: str) -> Device | None:
        """Return a device by its qualified name, None unless the file is valid and has it."""
        spec = self.report.spec if self.report is not None else None
        if spec is None or not name.startswith(f"{spec.kind}="):
            return None
        return next((device for device in spec.devices if f"{spec.kind}={device.name}" == name), None)

    def mentions(self, kind: str) -> bool:
        """Return whether a file that is no valid spec is, or may be meant to be, one of this kind."""
        if self.report is None or self.report.valid:
            return False
        return self.report.kind == kind or kind.encode("utf-8", "surrogateescape") in self.content


class Listing(msgspec.Struct, frozen=True, kw_only=True):
    """A spec directory: its files, the `strays` in it that no runtime reads, or why there is nothing to list.

    `link` is where the directory leads to if it is a link itself, which runtimes do not follow.
    """

    directory: str
    files: tuple[SpecFile, ...] = ()
    strays: tuple[str, ...] = ()
    missing: bool = False
    link: str | None = None
    failure: HostError | None = None


def list_directory(host: Host, directory: str) -> Listing:
    """Return what is in a spec directory, as runtimes list it."""
    try:
        place = host.lookup(directory, follow=False)
        if place is not None and place.type == "l":
            return Listing(directory=directory, link=host.readlink(directory))
        if place is None or place.type != "d":
            return Listing(directory=directory, missing=True)
        paths = [f"{directory}/{name}" for name in host.listdir(directory)]
        folders = {path for path in paths if _is_directory(host, path)}
    except HostError as error:
        return Listing(directory=directory, failure=error)
    files = [path for path in paths if path.endswith(SUFFIXES) and path not in folders]
    strays = [path for path in paths if path not in files and (path in folders or _ALIKE.search(path))]
    return Listing(
        directory=directory,
        files=tuple(read_file(host, path) for path in files),
        strays=tuple(inner for path in strays for inner in _spec_like(host, path, is_folder=path in folders)),
    )


def read_file(host: Host, path: str) -> SpecFile:
    """Return a file as a spec, whatever it is called."""
    try:
        content = host.read_bytes(path, limit=MAX_BYTES)
    except HostError as error:
        return SpecFile(path=path, failure=error)
    return SpecFile(path=path, content=content, report=check(content, source=path))


def _spec_like(host: Host, path: str, *, is_folder: bool) -> list[str]:
    """Return a stray file, or the files in a stray directory that would be specs elsewhere."""
    if not is_folder:
        return [path]
    try:
        return [f"{path}/{name}" for name in host.listdir(path) if name.endswith(SUFFIXES)]
    except HostError:
        return []


def _is_directory(host: Host, path: str) -> bool:
    stat = host.lookup(path, follow=False)
    return stat is not None and stat.type == "d"


def _is_null_part(problem: Problem) -> bool:
    return problem.rule == "null-entry" and _DEREFERENCED.search(problem.where) is not None
