"""Files that the user asked for, and that are not specs."""

from __future__ import annotations

__all__ = ["write_text"]

import os

from cdi.files import os_errors, put


def write_text(path: str, text: str) -> str:
    """Write a file whole or not at all, and return its path; raise `FileError`."""
    directory, name = os.path.split(os.path.realpath(path))
    with os_errors("write", path, writing=True):
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            put(descriptor, name, text.encode("utf-8", "surrogateescape"))
        finally:
            os.close(descriptor)
    return path
