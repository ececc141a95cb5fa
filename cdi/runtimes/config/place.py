"""Files below a root for writing: each directory on the way is opened below the one before, and none is a link."""

from __future__ import annotations

__all__ = ["Kept", "directory_of", "kept", "missing_above", "settled"]

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec

from cdi.files import Attributes, open_in, os_errors, read_open, sync_directory
from cdi.rooted import Directory

if TYPE_CHECKING:
    from collections.abc import Generator

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """A file as it is: all that it takes to write it again."""

    content: bytes
    attributes: Attributes


def settled(root: str, path: str) -> str:
    """Return the path without links, which are followed as if `root` were `/`; nothing need be there yet."""
    with os_errors("look at", path):
        return Directory(root).future(path)


def missing_above(root: str, path: str) -> tuple[str, ...]:
    """Return the directories above a path without links that are not there, from the top down."""
    directory = Directory(root)
    parts = path.split("/")[1:-1]
    found = []
    for number in range(1, len(parts) + 1):
        place = "/" + "/".join(parts[:number])
        try:
            directory.status(place)
        except FileNotFoundError:
            found.append(place)
    return tuple(found)


@contextmanager
def directory_of(root: str, path: str, *, make: int | None = None) -> Generator[tuple[int, str]]:
    """Open the directory of a path without links, and give it with the name of the file.

    Missing directories are made with the mode `make`; without one they are an error. A link on the way, which
    somebody put there since, is an error too.
    """
    *parts, name = path.split("/")[1:]
    descriptor = os.open(root, _DIRECTORY)
    try:
        for part in parts:
            below = _below(descriptor, part, make)
            os.close(descriptor)
            descriptor = below
        yield descriptor, name
    finally:
        os.close(descriptor)


def kept(directory: int, name: str) -> Kept | None:
    """Return a file of an open directory, None when there is none; raise `FileError` when it is not a regular file."""
    try:
        descriptor = open_in(directory, name)
    except FileNotFoundError:
        return None
    attributes = Attributes.of(descriptor)
    return Kept(content=read_open(descriptor, name), attributes=attributes)


def _below(directory: int, name: str, make: int | None) -> int:
    try:
        return os.open(name, _DIRECTORY | os.O_NOFOLLOW, dir_fd=directory)
    except FileNotFoundError:
        if make is None:
            raise
    os.mkdir(name, make, dir_fd=directory)
    descriptor = os.open(name, _DIRECTORY | os.O_NOFOLLOW, dir_fd=directory)
    os.fchmod(descriptor, make)  # whatever the umask
    sync_directory(directory)
    return descriptor
