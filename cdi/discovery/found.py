"""What a family yields: things found and things skipped, each with its reason; and what a family is."""

from __future__ import annotations

__all__ = ["Discovery", "Family", "Found", "Skipped"]


from typing import TYPE_CHECKING

import msgspec
from msgspec import field

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from cdi.host import Host
    from cdi.model import ContainerEdits
    from cdi.problem import Problem


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """A device that a container can be given.

    `name` is the host's own word for it, other words are in `names` by what they are ("bdf", "uuid"); making
    valid device names of them is the generator's work. `in_all` is false for what nobody should get unasked.
    """

    family: str
    kind: str
    name: str
    names: Mapping[str, str] = field(default_factory=dict[str, str])
    edits: ContainerEdits
    how: str
    attributes: Mapping[str, str | int | bool] = field(default_factory=dict[str, "str | int | bool"])
    warnings: tuple[str, ...] = ()
    in_all: bool = True


class Skipped(msgspec.Struct, frozen=True, kw_only=True):
    """A thing that was seen, or looked for, and is not offered; `hint` says how to get it all the same."""

    family: str
    what: str
    why: str
    hint: str | None = None


class Family(msgspec.Struct, frozen=True, kw_only=True):
    """Hardware that is looked for together.

    `discover` yields what there is; its second argument holds the names that the user asked for, which override
    a precaution (never a fact). Raising `HostError` ends the family, and is reported.
    """

    name: str
    kind: str
    summary: str
    discover: Callable[[Host, frozenset[str]], Iterator[Found | Skipped | Problem]]


class Discovery(msgspec.Struct, frozen=True, kw_only=True):
    """What was found on a host, in the order of families and names, and everything there is to say about it."""

    families: tuple[str, ...]
    found: tuple[Found, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    problems: tuple[Problem, ...] = ()
