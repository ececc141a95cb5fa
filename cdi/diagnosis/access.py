"""Step `readable`: whether the user that a runtime runs as may read a spec file, and SELinux lets it."""

from __future__ import annotations

__all__ = ["directory_faults", "read_faults"]

import errno
from typing import TYPE_CHECKING

from cdi.diagnosis.account import ANYBODY, Barrier, barrier
from cdi.diagnosis.finding import Finding
from cdi.diagnosis.selinux import foreign_label
from cdi.host import HostError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cdi.diagnosis.account import Account
    from cdi.diagnosis.files import Listing, SpecFile
    from cdi.host import Host

_STEP = "readable"
_FORBIDDEN = frozenset({errno.EACCES, errno.EPERM})


def read_faults(host: Host, file: SpecFile, account: Account, *, enforcing: bool) -> Iterator[Finding]:
    """Yield what keeps a runtime from reading a file: it drops the file, and says so in a log at most."""
    if file.failure is not None:
        yield _failed(file.path, file.failure)
        return
    yield from _barred(host, file.path, account)
    label = foreign_label(host, file.path) if enforcing else None
    if label is not None:
        yield Finding(
            step=_STEP,
            status="warning",
            message=f"SELinux may hide the file from daemons: its label is {label}",
            why="a file keeps the label of where it was made when it is moved, and SELinux is enforcing here",
            hint=f"restorecon -v {file.path}",
            path=file.path,
        )


def directory_faults(host: Host, listing: Listing, account: Account) -> Iterator[Finding]:
    """Yield what keeps a runtime from listing a directory: all specs in it are as if they were not there."""
    directory = listing.directory
    if listing.failure is not None:
        yield _failed(directory, listing.failure)
    elif listing.link is not None:
        yield Finding(
            step=_STEP,
            status="problem",
            message=f"{directory!r} is a link to {listing.link!r}, and runtimes do not follow a link in its place",
            why="the reference library walks a directory without following links, the directory itself included",
            hint="make it a directory, or have runtimes read the other one: `cdi runtime set-dirs NAME DIR…`",
            path=directory,
        )
    elif not listing.missing:
        yield from _barred(host, directory, account)


def _failed(path: str, failure: HostError) -> Finding:
    if failure.code in _FORBIDDEN:
        return Finding(step=_STEP, status="unknown", message=failure.message, hint="run as root", path=path)
    message = f"{path!r} is a link that leads nowhere" if failure.missing else failure.message
    return Finding(step=_STEP, status="problem", message=message, why="runtimes cannot read it either", path=path)


def _barred(host: Host, path: str, account: Account) -> Iterator[Finding]:
    try:
        found = barrier(host, path, account)
    except HostError as error:
        yield _failed(path, error)
        return
    if found is not None:
        yield Finding(
            step=_STEP,
            status="warning" if account is ANYBODY else "problem",
            message=f"{account.name} cannot read {path!r}: {_described(found)}",
            why="a rootless runtime reads specs as its user, and skips what that user cannot read without a word",
            hint=found.remedy,
            path=path,
        )


def _described(found: Barrier) -> str:
    stat = found.stat
    owner = f"{stat.uid}:{stat.gid}" if stat.uid or stat.gid else "root"
    what = "directory " if stat.type == "d" else ""
    return f"{what}{found.path!r} has mode {stat.mode:04o} and belongs to {owner}"
