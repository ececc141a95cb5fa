"""What a change of a runtime's configuration comes to: one file, before and after."""

from __future__ import annotations

__all__ = ["Action", "Change", "Plan", "Request", "broken", "read_text"]

from typing import TYPE_CHECKING, Literal, TypeAlias

import msgspec

from cdi.errors import ConfigInvalid
from cdi.host import HostError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cdi.host import Host
    from cdi.problem import Problem
    from cdi.runtimes.runtime import Runtime

Action: TypeAlias = Literal["enable", "disable", "set-dirs", "undo"]


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody wants of a runtime: CDI on or off, or these spec directories."""

    action: Literal["enable", "disable", "set-dirs"]
    dirs: tuple[str, ...] = ()

    @property
    def on(self) -> bool:
        """Whether CDI is to be on."""
        return self.action != "disable"

    def nothing(self, runtime: Runtime, why: str, *, remarks: Iterable[str] = ()) -> Plan:
        """Return the plan for a runtime that is as it should be."""
        return Plan(runtime=runtime.name, action=self.action, why=why, remarks=tuple(remarks))

    def change(self, runtime: Runtime, path: str, *, old: str | None, new: str, remarks: Iterable[str] = ()) -> Plan:
        """Return the plan to give a file this text."""
        change = Change(path=path, old=None if old is None else old.encode(), new=new.encode())
        return Plan(runtime=runtime.name, action=self.action, why=path, change=change, remarks=tuple(remarks))


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """A file of the host, its content before (None when there is no file) and after (None when it goes)."""

    path: str
    old: bytes | None
    new: bytes | None


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be done for a runtime: nothing when `change` is None, and then `why` says why not.

    `remarks` are what its user should know.
    """

    runtime: str
    action: Action
    why: str
    change: Change | None = None
    remarks: tuple[str, ...] = ()


def broken(problem: Problem) -> ConfigInvalid:
    """Return the error for a configuration with which its daemon does not start: a change is no help there."""
    place = problem.where if problem.line is None else f"{problem.where}:{problem.line}"
    return ConfigInvalid(f"{place}: {problem.message}", hint="correct that first; the file is untouched")


def read_text(host: Host, path: str) -> str | None:
    """Return the text of a configuration file, None when there is no file; raise `ConfigInvalid` for other bytes."""
    try:
        content = host.read_bytes(path)
    except HostError as error:
        if error.missing:
            return None
        raise
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        column = error.start - content.rfind(b"\n", 0, error.start)
        raise ConfigInvalid.at(path, line, column, "not UTF-8") from error
