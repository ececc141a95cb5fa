"""Spec files on disk: read one; write, replace or remove one so that no reader ever sees half of it.

A file is written under a temporary name in its own directory, which runtimes ignore, and renamed when it is on
the disk. Writers take turns by a lock on the directory, which leaves nothing behind.
"""

from __future__ import annotations

__all__ = ["TIMEOUT", "LockedDir", "load", "lock", "read", "remove", "write"]

import os
import stat
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from msgspec.structs import replace

from cdi.encode import dump
from cdi.errors import FileConflict, InvalidName, SpecInvalid
from cdi.files import kind_of_file, locked_directory, os_errors, put, read, read_in, remove_stale, sync_directory
from cdi.names import spec_name
from cdi.report import check

if TYPE_CHECKING:
    from collections.abc import Generator

    from cdi.model import Spec

TIMEOUT = 10.0  # seconds to wait for another writer
_OTHER_SUFFIX = {".json": ".yaml", ".yaml": ".json"}  # what runtimes read


def load(path: str | os.PathLike[str]) -> Spec:
    """Return the spec in a file; raise `FileError` when it cannot be read, `SpecInvalid` with all its problems."""
    return check(read(path), source=os.fspath(path)).usable()


def write(  # noqa: PLR0913 - what to write, where, and how
    spec: Spec,
    where: str | os.PathLike[str],
    *,
    name: str | None = None,
    format: Literal["yaml", "json"] = "yaml",  # noqa: A002 - the public contract
    force: bool = False,
    timeout: float = TIMEOUT,
) -> Path:
    """Put a spec in place, whole or not at all, and return the path of the file.

    `where` is a directory, or a file that ends in `.json` or `.yaml`. In a directory, which is made when it is
    missing, the file is called `name`, or after the kind of the spec. Its mode is 0644. A file that has this
    content already is not touched.

    Raises `SpecInvalid` for a spec that runtimes do not load. Unless `force`, it also refuses a spec that
    crashes released runtimes (`SpecInvalid`), and to replace a file that is not ours (`FileConflict`): of another
    user, not a regular file, or not a spec of this kind. Raises `FileConflict` in any case for a directory, and
    when the same kind lies beside it in the other format, since runtimes would then use neither; `Locked` when
    another writer takes more than `timeout` seconds.
    """
    directory, file_name = _target(Path(where), spec, name, format)
    content = _encoded(spec, file_name, force=force)
    with lock(directory, timeout=timeout) as locked:
        return locked.put(file_name, content, spec, force=force)


def remove(path: str | os.PathLike[str], *, force: bool = False, timeout: float = TIMEOUT) -> bool:
    """Remove a spec file and return whether there was one.

    Unless `force`, it refuses a file of another user, and one that is not a spec file by its name
    (`FileConflict`).
    """
    path = Path(path)
    if not os.path.lexists(path):
        return False
    with lock(path.parent, timeout=timeout) as locked:
        return locked.remove(path.name, force=force)


@contextmanager
def lock(directory: str | os.PathLike[str], *, timeout: float = TIMEOUT) -> Generator[LockedDir]:
    """Hold the lock of a spec directory, made when missing, to change several files in one turn.

    It keeps other writers out, not readers. Raises `Locked` after `timeout` seconds.
    """
    path = Path(directory)
    with locked_directory(path, timeout) as descriptor:
        yield LockedDir(path, descriptor)


class LockedDir:
    """A spec directory whose lock we hold."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._fd = descriptor

    def write(
        self,
        spec: Spec,
        *,
        name: str | None = None,
        format: Literal["yaml", "json"] = "yaml",  # noqa: A002 - the public contract
        force: bool = False,
    ) -> Path:
        """Put a spec in this directory, as the function `write` does."""
        file_name = _file_name(spec, name, format)
        return self.put(file_name, _encoded(spec, file_name, force=force), spec, force=force)

    def put(self, name: str, content: bytes, spec: Spec, *, force: bool) -> Path:
        """Give the file `name` this content, which is that of `spec`."""
        path = self.path / name
        with os_errors("write", path, writing=True):
            remove_stale(self._fd)
            if self._needs_writing(name, content, spec, force=force):
                self._refuse_twin(name, spec)
                put(self._fd, name, content)
        return path

    def remove(self, name: str, *, force: bool = False) -> bool:
        """Remove a spec file of this directory, as the function `remove` does."""
        path = self.path / _checked_name(name)
        with os_errors("remove", path, writing=True):
            present = self._stat(name)
            if present is None:
                return False
            if stat.S_ISDIR(present.st_mode):
                raise _conflict(path, "is a directory", hint="name a spec file")
            if not force:
                if path.suffix not in _OTHER_SUFFIX:
                    raise _conflict(path, "is not a spec file by its name", hint="spec files end in .json or .yaml")
                _refuse_other_user(path, present)
            os.unlink(name, dir_fd=self._fd)
            sync_directory(self._fd)
        return True

    def kind(self, name: str) -> str | None:
        """Return the kind of the spec in a file of this directory, None where there is none."""
        content = read_in(self._fd, _checked_name(name))
        return None if content is None else check(content).kind

    def tidy(self) -> None:
        """Remove what writers left that were killed."""
        with os_errors("tidy", self.path, writing=True):
            remove_stale(self._fd)

    def _needs_writing(self, name: str, content: bytes, spec: Spec, *, force: bool) -> bool:
        """Return False for a file that is as it should be; raise `FileConflict` for one that is not ours."""
        present = self._stat(name)
        if present is None:
            return True
        path = self.path / name
        if stat.S_ISDIR(present.st_mode):
            raise _conflict(path, "is a directory", hint="choose another name")
        old = read_in(self._fd, name)
        if old == content and stat.S_IMODE(present.st_mode) == 0o644:  # noqa: PLR2004
            return False
        if not force:
            if not stat.S_ISREG(present.st_mode):
                raise _conflict(path, f"is {kind_of_file(present)}, not a regular file")
            _refuse_other_user(path, present)
            kind = None if old is None else check(old).kind
            if kind != spec.kind:
                if kind is None:
                    raise _conflict(path, "does not hold a CDI spec", hint="uninstall it, or force replaces it")
                raise _conflict(path, f"holds a spec of kind {kind!r}")
        return True

    def _refuse_twin(self, name: str, spec: Spec) -> None:
        """Raise `FileConflict` when the kind lies in the directory in the other format, too."""
        twin = (self.path / name).with_suffix(_OTHER_SUFFIX[Path(name).suffix])
        old = read_in(self._fd, twin.name)
        if old is not None and check(old).kind == spec.kind:
            message = f"{str(twin)!r} has the same kind, and runtimes use no device that two files define"
            raise FileConflict(message, hint=f"remove that file first, or write {twin.suffix[1:]}")

    def _stat(self, name: str) -> os.stat_result | None:
        try:
            return os.stat(name, dir_fd=self._fd, follow_symlinks=False)
        except FileNotFoundError:
            return None


def _target(where: Path, spec: Spec, name: str | None, format_: str) -> tuple[Path, str]:
    """Return the directory and the name of the file to write."""
    if name is None and where.suffix == ".yml":
        message = f"runtimes do not read {where.name!r}"
        raise InvalidName(message, hint="call it .yaml")
    if name is None and where.suffix in _OTHER_SUFFIX and not where.is_dir():
        return where.parent, where.name
    return where, _file_name(spec, name, format_)


def _file_name(spec: Spec, name: str | None, format_: str) -> str:
    stem = _checked_name(spec_name(spec.vendor, spec.class_) if name is None else name)
    return stem if Path(stem).suffix in _OTHER_SUFFIX else f"{stem}.{format_}"


def _checked_name(name: str) -> str:
    if name in {"", ".", ".."} or "/" in name or "\0" in name:
        message = f"invalid file name {name!r}"
        raise InvalidName(message, hint="use a name without '/', such as vendor.com-gpu")
    return name


def _encoded(spec: Spec, file_name: str, *, force: bool) -> bytes:
    """Return the content for a spec; raise `SpecInvalid` when it must not come before a runtime."""
    content = dump(spec, format="json" if file_name.endswith(".json") else "yaml").encode()
    report = check(content, source=file_name)
    report.usable()
    fatal = [p for p in report.problems if p.rule == "short-name"]
    if fatal and not force:
        errors = [replace(problem, severity="error", line=None, column=None) for problem in fatal]
        raise SpecInvalid(errors, source=file_name)
    return content


def _refuse_other_user(path: Path, present: os.stat_result) -> None:
    if present.st_uid != os.geteuid():
        raise _conflict(path, f"belongs to user {present.st_uid}")


def _conflict(path: Path, reason: str, *, hint: str = "force replaces it") -> FileConflict:
    return FileConflict(f"{str(path)!r} {reason}", hint=hint)
