"""The documents that a user names: files, what lies in directories, and stdin."""

from __future__ import annotations

__all__ = ["STDIN", "read_document", "spec_files"]

import sys
from pathlib import Path

from cdi.document import MAX_BYTES
from cdi.errors import FileError
from cdi.files import os_errors
from cdi.names import natural_key
from cdi.reader import Reader
from cdi_cli.streams import is_closed

STDIN = "-"
_PASSED_ON = "/dev/fd/"


def spec_files(directory: str, root: str = "/") -> list[str] | None:
    """Return the paths of the spec files in a directory, None when it is none; raise `FileError`."""
    home = directory.rstrip("/") or "/"
    try:
        return sorted(Reader(root).spec_files(home), key=natural_key)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise FileError.from_os(error, "read", directory) from error


def read_document(path: str, root: str = "/") -> bytes:
    """Return the content of a file, or of stdin for `-`; raise `FileError`.

    No link leads out of `root` when the file is below it. Of what is no regular file, only what the shell passes on
    is read: `<(cdi generate)` is `/dev/fd/63`.
    """
    if path.startswith(_PASSED_ON):
        with os_errors("read", path), Path(path).open("rb") as passed:
            return passed.read(MAX_BYTES + 1)
    if path != STDIN:
        return Reader(root).read(path)
    if sys.stdin is None or is_closed(0):
        message = "cannot read standard input: it is closed"
        raise FileError(message)
    try:
        return sys.stdin.buffer.read(MAX_BYTES + 1)
    except OSError as error:
        raise FileError.from_os(error, "read", "standard input") from error
