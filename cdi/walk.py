"""The way to a path below a directory that stands in for `/`, step by step, so that nothing leads out of it."""

from __future__ import annotations

__all__ = ["MAX_LINKS", "Places", "failure"]

import errno
import os
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType

MAX_LINKS = 40  # as in the kernel (path_resolution(7))
_STEP = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_OPEN = 100  # directories at most
_TOO_LONG = 4096  # PATH_MAX (linux/limits.h)
_NOWHERE = frozenset({"", "."})
_NO_NAMES = _NOWHERE | {".."}


class Places:
    """Directories that are held open, by path inside the root; each was opened in the one above, never through a link.

    Not more than a hundred are: of more, the half that was opened first is closed, and opened again if it is needed.
    If they are to `stay`, it is for those who ask next.
    """

    def __init__(self, root: str, *, stay: bool = False) -> None:
        self._fds: dict[str, int] = {}
        self._stay = stay
        self._fds[""] = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)

    def __enter__(self) -> Places:  # noqa: PYI034 - Self is in typing from Python 3.11 on
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if not self._stay:
            self.close()

    def close(self) -> None:
        """Close all, the root too."""
        while self._fds:
            os.close(self._fds.popitem()[1])

    __del__ = close

    def look(self, path: str, *, follow: bool = True) -> tuple[int, str | None, os.stat_result]:
        """Return the directory in which a path ends, what is there and no directory, and what the system says of it."""
        here, leaf = self.walk(path, follow=False)
        status = self._status(here, leaf)
        if follow and stat.S_ISLNK(status.st_mode):
            here, leaf = self.walk(path)
            status = self._status(here, leaf)
        return self.at(here), leaf, status

    def walk(self, path: str, *, follow: bool = True, missing: bool = False) -> tuple[str, str | None]:
        """Return the directory in which a path ends, and the name of what is there and no directory.

        With `missing`, it also ends, with the rest of the path for a name, where there is nothing. Without `follow`,
        it ends in the directory of the last name, whatever that is, unless that is `..` or there is none.
        """
        if len(path) >= _TOO_LONG:
            raise failure(errno.ENAMETOOLONG)
        here, _, leaf = path.rpartition("/")
        while leaf in _NOWHERE and here and not follow:
            here, _, leaf = here.rpartition("/")
        if follow or leaf in _NO_NAMES:
            return self._descend(path, missing=missing)
        if here not in self._fds:
            here, other = self._descend(here, missing=False)
            if other is not None:
                raise failure(errno.ENOTDIR)
        return here, leaf

    def _descend(self, path: str, *, missing: bool) -> tuple[str, str | None]:
        here = self._nearest(path)
        pending = _parts(path[len(here) :])
        links = 0
        while pending:
            name = pending.pop()
            if name == "..":
                here = here.rpartition("/")[0]
                continue
            try:
                if self._down(here, name):
                    here = f"{here}/{name}"
                    continue
            except FileNotFoundError:
                if not missing or ".." in pending:
                    raise
                return here, "/".join([name, *reversed(pending)])
            target = _link_target(name, self.at(here), last=not pending)
            if target is None:
                return here, name
            links += 1
            if links > MAX_LINKS:
                raise failure(errno.ELOOP)
            if target.startswith("/"):
                here = ""
            pending += _parts(target)
        return here, None

    def at(self, path: str) -> int:
        """Return a directory that a walk came through; one that was closed since is opened again, by its path."""
        fd = self._fds.get(path)
        if fd is not None:
            return fd
        here = self._nearest(path)
        for name in path[len(here) + 1 :].split("/"):
            if not self._down(here, name):
                raise failure(errno.ENOTDIR)
            here = f"{here}/{name}"
        return self._fds[path]

    def _status(self, here: str, leaf: str | None) -> os.stat_result:
        fd = self.at(here)
        return os.fstat(fd) if leaf is None else os.stat(leaf, dir_fd=fd, follow_symlinks=False)

    def _nearest(self, path: str) -> str:
        """Return the path of the open directory that is furthest on the way to a path."""
        while path not in self._fds:
            path = path.rpartition("/")[0]
        return path

    def _down(self, here: str, name: str) -> bool:
        """Open what is in a directory; return whether it is one itself."""
        path = f"{here}/{name}"
        if path in self._fds:
            return True
        try:
            self._fds[path] = os.open(name, _STEP, dir_fd=self.at(here))
        except OSError as error:
            if error.errno in {errno.ENOTDIR, errno.ELOOP}:
                return False
            raise
        if len(self._fds) > _OPEN:
            for old in list(self._fds)[1 : _OPEN // 2]:
                os.close(self._fds.pop(old))
        return True


def _parts(path: str) -> list[str]:
    """Return the components of a path, the first one last."""
    return [part for part in reversed(path.split("/")) if part not in _NOWHERE]


def _link_target(name: str, fd: int, *, last: bool) -> str | None:
    """Return where a link leads, None for what is no link; only the last of a path may be that."""
    try:
        return os.readlink(name, dir_fd=fd)
    except OSError as error:
        if error.errno != errno.EINVAL:  # not a link
            raise
        if not last:
            raise failure(errno.ENOTDIR) from None
        return None


def failure(code: int) -> OSError:
    """Return the error of that number, in the words of the system."""
    return OSError(code, os.strerror(code))
