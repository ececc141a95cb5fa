"""Who reads the files: the user that a runtime runs as, and what bars the way for that user."""

from __future__ import annotations

__all__ = ["ANYBODY", "ROOT", "Account", "Barrier", "barrier", "find_account"]

import posixpath
from typing import TYPE_CHECKING

import msgspec

from cdi.errors import UsageError
from cdi.host import HostError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cdi.host import Host, Stat

_READ, _SEARCH = 0o4, 0o1


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """A user of the host; `uid` None is for any user that is neither the owner nor in the group of a file."""

    name: str
    uid: int | None
    gids: frozenset[int] = frozenset()
    home: str | None = None

    @property
    def is_root(self) -> bool:
        """Whether permissions do not count."""
        return self.uid == 0

    def may(self, stat: Stat, wanted: int) -> bool:
        """Return whether the mode of a file grants all of the wanted bits: 4 to read, 2 to write, 1 to search."""
        if self.is_root:
            return True
        shift = 6 if stat.uid == self.uid else 3 if stat.gid in self.gids else 0
        return stat.mode >> shift & wanted == wanted


ROOT = Account(name="root", uid=0)
ANYBODY = Account(name="other users", uid=None)


class Barrier(msgspec.Struct, frozen=True, kw_only=True):
    """The first thing on the way to a file, or the file itself, that an account may not pass."""

    path: str
    stat: Stat

    @property
    def remedy(self) -> str:
        """The command that opens it."""
        return f"chmod a+rx {self.path}" if self.stat.type == "d" else f"chmod a+r {self.path}"


def find_account(host: Host, who: str) -> Account:
    """Return the user of a host by name or number; raise `UsageError` for a name that the host does not have."""
    for name, uid, gid, home in _users(host):
        if who in {name, uid}:
            groups = {int(group) for group, members in _groups(host) if name in members}
            return Account(name=name, uid=int(uid), gids=frozenset({int(gid), *groups}), home=home)
    if who in {"root", "0"}:
        return ROOT
    if who.isdecimal():
        return Account(name=f"user {who}", uid=int(who))
    message = f"this host has no user {who!r}"
    raise UsageError(message, hint="/etc/passwd lists the users of this host; a number is taken as it is")


def barrier(host: Host, path: str, account: Account) -> Barrier | None:
    """Return what keeps an account from reading a file or listing a directory; raise `HostError`."""
    if account.is_root:
        return None
    for place in dict.fromkeys([*_above(path), *_above(host.resolve(path))]):
        stat = host.stat(place)
        if stat.type == "d" and not account.may(stat, _SEARCH):
            return Barrier(path=place, stat=stat)
    stat = host.stat(path)
    return None if account.may(stat, _READ) else Barrier(path=path, stat=stat)


def _above(path: str) -> list[str]:
    """Return the directories above a path, the root first."""
    parts = posixpath.dirname(path).split("/")
    return ["/".join(parts[:end]) or "/" for end in range(1, len(parts) + 1)]


def _users(host: Host) -> Iterator[tuple[str, str, str, str]]:
    for fields in _lines(host, "/etc/passwd"):
        if len(fields) > 5 and fields[2].isdecimal() and fields[3].isdecimal():  # noqa: PLR2004 - passwd(5)
            yield fields[0], fields[2], fields[3], fields[5]


def _groups(host: Host) -> Iterator[tuple[str, frozenset[str]]]:
    for fields in _lines(host, "/etc/group"):
        if len(fields) > 3 and fields[2].isdecimal():  # noqa: PLR2004 - group(5)
            yield fields[2], frozenset(fields[3].split(","))


def _lines(host: Host, path: str) -> list[list[str]]:
    try:
        return [line.split(":") for line in host.read_text(path).splitlines()]
    except HostError:
        return []
