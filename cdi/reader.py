"""Spec directories and their files, as the system shows them or, below another root, as after a chroot."""

from __future__ import annotations

__all__ = ["SUFFIXES", "Reader"]

import errno
import os

from cdi.errors import FileError
from cdi.files import os_errors, read, read_open
from cdi.rooted import Directory, inside

SUFFIXES = (".json", ".yaml")  # with this case: runtimes ignore all else, .yml and .JSON too


class Reader:
    """Reads what lies below `root` so that no link leads out of it, and all else as the system does."""

    def __init__(self, root: str = "/") -> None:
        self._root = root
        self._below = Directory(root)

    def spec_files(self, directory: str | os.PathLike[str]) -> list[str]:
        """Return the sorted paths of what counts as spec files in a directory; raise `OSError`."""
        place = inside(self._root, directory)
        if place is None:
            with os.scandir(directory) as entries:
                found = [e.path for e in entries if e.name.endswith(SUFFIXES) and not e.is_dir(follow_symlinks=False)]
        else:
            names = [name for name in self._below.listdir(place) if name.endswith(SUFFIXES)]
            found = [os.path.join(directory, name) for name in names if not self._is_directory(f"{place}/{name}")]  # noqa: PTH118 - as scandir
        return sorted(found)

    def link(self, directory: str | os.PathLike[str]) -> str | None:
        """Return where a directory leads that is itself a link, None for any other; raise `OSError`."""
        place = inside(self._root, directory)
        try:
            return os.readlink(directory) if place is None else self._below.readlink(place)  # noqa: PTH115 - as given
        except OSError as error:
            if error.errno == errno.EINVAL:  # no link
                return None
            raise

    def read(self, path: str) -> bytes:
        """Return the content of a regular file; raise `FileError`."""
        place = inside(self._root, path)
        if place is None:
            return read(path)
        with os_errors("read", path):
            try:
                descriptor = self._below.open(place)
            except FileNotFoundError as error:
                hint = f"links in {self._root!r} are followed as if it were /"
                raise FileError.from_os(error, "read", path, hint=hint) from error
            return read_open(descriptor, path)

    def status(self, path: str) -> os.stat_result:
        """Return what the system says of a file, links followed; raise `OSError`."""
        place = inside(self._root, path)
        return os.stat(path) if place is None else self._below.status(place)  # noqa: PTH116 - a thousand paths, none of them needed as such

    def _is_directory(self, place: str) -> bool:
        try:
            return self._below.stat(place, follow=False).type == "d"
        except FileNotFoundError:  # removed since it was listed
            return True
