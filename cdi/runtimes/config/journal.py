"""Writing a change of a configuration, with a journal by which it can be taken back byte for byte.

The journal of a runtime is a directory of the host, in which each change has a file with what was before. It is on
the disk before the change is made. Whoever is killed in between leaves an entry whose change is not there to
see; the next one drops it.
"""

from __future__ import annotations

__all__ = ["TIMEOUT", "apply", "planned_undo", "undo"]

import hashlib
import os
import re
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import msgspec

from cdi.errors import CdiError, FileConflict, FileError, NothingFound
from cdi.files import Attributes, lock_open, open_in, os_errors, put, read_open, remove_stale, sync_directory
from cdi.runtimes.config.place import Kept, directory_of, kept, missing_above, settled
from cdi.runtimes.config.plan import Action, Change, Plan

if TYPE_CHECKING:
    from collections.abc import Generator

TIMEOUT = 10.0  # seconds to wait for another writer
_HOME = "/var/lib/cdi-tools/runtimes"
_ENTRY = re.compile(r"\d{6}\.json")
_PRIVATE = Attributes(mode=0o600)


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A change that was made: the file as it was, what it became, and the directories made for it."""

    version: int = 1
    action: Action
    path: str
    old: Kept | None
    new: str  # the SHA-256 of the content
    made: tuple[str, ...] = ()


def apply(plan: Plan, *, root: str = "/", timeout: float = TIMEOUT) -> None:
    """Make the change of a plan, if it has one, below a root.

    Raises `FileConflict` when the file is no longer as it was when the plan was made, `Locked` when another writer
    takes more than `timeout` seconds. Killed at any step, it leaves the old file or the new one.
    """
    change = plan.change
    if change is None or change.new is None:
        return
    new = change.new
    with _journal(root, plan.runtime, timeout) as journal, os_errors("write", change.path, writing=True):
        journal.settle()
        path = settled(root, change.path)
        made = missing_above(root, path)
        before = _present(root, path)
        _refuse_other(change, before)
        journal.push(Entry(action=plan.action, path=path, old=before, new=_hash(new), made=made))
        try:
            with directory_of(root, path, make=0o755) as (directory, name):
                remove_stale(directory)
                put(
                    directory,
                    name,
                    new,
                    attributes=before.attributes if before else None,
                    last_look=lambda: _refuse_other(change, kept(directory, name)),
                )
        except (OSError, CdiError):
            journal.settle()
            raise


def planned_undo(runtime: str, *, root: str = "/", force: bool = False) -> Plan:
    """Return what `undo` would do; raise what it would raise."""
    path = settled(root, f"{_HOME}/{runtime}")
    with os_errors("read", path):
        try:
            with directory_of(root, f"{path}/.") as (directory, _):
                return _undoing(_Journal(root, directory), runtime, force=force)[1]
        except FileNotFoundError:
            raise _nothing(runtime) from None


def undo(runtime: str, *, root: str = "/", force: bool = False, timeout: float = TIMEOUT) -> Plan:
    """Take back the last change that was made for a runtime, and return what was done.

    The file gets back its content, mode and owner, or goes when there was none, with the directories that were
    made for it unless something else is in them. Raises `NothingFound` when there is nothing to take back, and,
    unless `force`, `FileConflict` when somebody else has changed the file since.
    """
    planned_undo(runtime, root=root, force=force)  # nothing is made where there is nothing to take back
    with _journal(root, runtime, timeout) as journal:
        entry, plan = _undoing(journal, runtime, force=force)
        with os_errors("write", entry.path, writing=True):
            if plan.change is not None:
                _restore(root, entry)
            _clean_up(root, entry)
            journal.drop()
    return plan


class _Journal:
    """The changes made for a runtime, in an open directory."""

    def __init__(self, root: str, directory: int) -> None:
        self.root = root
        self._directory = directory

    def last(self) -> Entry | None:
        """Return the last change; raise `FileError` when its file is not one of ours."""
        names = self._names()
        if not names:
            return None
        with os_errors("read", f"{names[-1]} of the journal in {_HOME}"):
            descriptor = open_in(self._directory, names[-1])
            owners = {os.fstat(opened).st_uid for opened in (self._directory, descriptor)}
            content = read_open(descriptor, names[-1])
        if not owners <= {0, os.geteuid()}:
            raise _foreign(names[-1], "it, or its directory, belongs to another user")
        try:
            entry = msgspec.json.decode(content, type=Entry)
        except msgspec.MsgspecError as error:
            raise _foreign(names[-1], str(error)) from error
        if not all(map(_is_settled, (entry.path, *entry.made))):
            raise _foreign(names[-1], "its paths are not those of a root")
        return entry

    def push(self, entry: Entry) -> None:
        """Write down a change that is about to be made."""
        remove_stale(self._directory)
        number = int(self._names()[-1][:6]) + 1 if self._names() else 1
        put(self._directory, f"{number:06}.json", msgspec.json.encode(entry), attributes=_PRIVATE)

    def drop(self) -> None:
        """Forget the last change."""
        os.unlink(self._names()[-1], dir_fd=self._directory)
        sync_directory(self._directory)

    def settle(self) -> None:
        """Forget a last change that was not made, because its writer failed or was killed, or that is taken back."""
        entry = self.last()
        if entry is not None and _content(_present(self.root, entry.path)) == _content(entry.old):
            _clean_up(self.root, entry)
            self.drop()

    def _names(self) -> list[str]:
        return sorted(name for name in os.listdir(self._directory) if _ENTRY.fullmatch(name))  # noqa: PTH208 - a descriptor


@contextmanager
def _journal(root: str, runtime: str, timeout: float) -> Generator[_Journal]:
    """Hold the lock of a runtime's journal, which is made when there is none."""
    home = settled(root, _HOME)
    path = f"{home}/{runtime}"
    with os_errors("write", path, writing=True):
        with directory_of(root, path, make=0o755):
            pass
        with directory_of(root, f"{path}/.", make=0o700) as (directory, _):
            lock_open(directory, path, timeout)
            yield _Journal(root, directory)


def _undoing(journal: _Journal, runtime: str, *, force: bool) -> tuple[Entry, Plan]:
    """Return the last change and what takes it back."""
    entry = journal.last()
    if entry is None:
        raise _nothing(runtime)
    with os_errors("read", entry.path):
        present = _content(_present(journal.root, entry.path))
    old = _content(entry.old)
    if present == old:
        why = f"the last change, {entry.action}, was not made or is taken back already"
        return entry, Plan(runtime=runtime, action="undo", why=why)
    if not force and (present is None or _hash(present) != entry.new):
        message = f"{entry.path!r} was changed by somebody else since {entry.action!r}"
        raise FileConflict(
            message, hint=f"'cdi runtime undo {runtime} --force' puts it back as it was before all the same"
        )
    why = f"{entry.action} is taken back"
    return entry, Plan(runtime=runtime, action="undo", why=why, change=Change(path=entry.path, old=present, new=old))


def _restore(root: str, entry: Entry) -> None:
    make = None if entry.old is None else 0o755
    with suppress(FileNotFoundError), directory_of(root, entry.path, make=make) as (directory, name):
        remove_stale(directory)
        if entry.old is not None:
            put(directory, name, entry.old.content, attributes=entry.old.attributes)
        else:
            os.unlink(name, dir_fd=directory)
            sync_directory(directory)


def _clean_up(root: str, entry: Entry) -> None:
    """Remove what a killed writer left, and the directories made for a file which is gone, as far as they are empty."""
    with suppress(OSError), directory_of(root, entry.path) as (directory, _):
        remove_stale(directory)
    for path in reversed(entry.made):
        with suppress(OSError), directory_of(root, path) as (directory, name):
            os.rmdir(name, dir_fd=directory)


def _present(root: str, path: str) -> Kept | None:
    try:
        with directory_of(root, path) as (directory, name):
            return kept(directory, name)
    except FileNotFoundError:
        return None


def _refuse_other(change: Change, present: Kept | None) -> None:
    if _content(present) != change.old:
        message = f"{change.path!r} was changed by somebody else just now"
        raise FileConflict(message, hint="nothing was written; try again")


def _is_settled(path: str) -> bool:
    """Return whether a path is as `settled` gives it: nothing in it leads up and out of a root."""
    return path.startswith("/") and not {"", ".", ".."} & set(path.split("/")[1:])


def _foreign(name: str, why: str) -> FileError:
    message = f"cannot read {name!r} of the journal in {_HOME}: {why}"
    return FileError(message, hint="what it knew of the last change is lost; remove it to go on")


def _content(file: Kept | None) -> bytes | None:
    return None if file is None else file.content


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _nothing(runtime: str) -> NothingFound:
    return NothingFound(f"nothing to take back for {runtime}", hint="only changes that cdi itself made can be undone")
