"""What a family yields: things found, what they share, things skipped, each with its reason; and what a family is."""

from __future__ import annotations

__all__ = ["Discovery", "Family", "Found", "Report", "Shared", "Skipped", "present"]


from typing import TYPE_CHECKING, Union

import msgspec
from msgspec import field

from cdi.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from cdi.host import Host
    from cdi.model import ContainerEdits


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """A device that a container can be given.

    `name` is the host's own word for it, other words are in `names` by what they are ("bdf", "uuid"); making
    valid device names of them is the generator's work. `also` lists those of `names` that the device is called
    as well, unless the user chooses; `words` are others by which it can be asked for (`include`). `edits` has the
    numbers of device nodes; the generator leaves them out unless they are wanted. `in_all` is false for what
    nobody should get unasked. `env_lists` are variables that list all devices of a container, with what this one
    adds (an entry, or a JSON object): joined they are in `all`, since of two devices with the same variable runtimes
    keep one.
    """

    family: str
    kind: str
    name: str
    names: Mapping[str, str] = field(default_factory=dict[str, str])
    also: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    edits: ContainerEdits
    env_lists: Mapping[str, str] = field(default_factory=dict[str, str])
    annotations: Mapping[str, str] = field(default_factory=dict[str, str])
    how: str
    attributes: Mapping[str, str | int | bool] = field(default_factory=dict[str, "str | int | bool"])
    warnings: tuple[str, ...] = ()
    in_all: bool = True


class Shared(msgspec.Struct, frozen=True, kw_only=True):
    """What every device of a kind brings, the spec's own edits: control nodes, libraries, hooks, environment."""

    family: str
    kind: str
    edits: ContainerEdits
    how: str
    warnings: tuple[str, ...] = ()


class Skipped(msgspec.Struct, frozen=True, kw_only=True):
    """A thing that was seen, or looked for, and is not offered; `hint` says how to get it all the same.

    `absent` is for what was looked for and is not there, or is another family's; `broken` for what is there and
    should work, but does not; `lent` are the names of what a container, or a program of the host, has now: a spec that
    offers it stays right; `words` are others by which it can be asked for.
    """

    family: str
    what: str
    why: str
    hint: str | None = None
    absent: bool = False
    broken: bool = False
    lent: tuple[str, ...] = ()
    words: tuple[str, ...] = ()

    @property
    def advice(self) -> str:
        """Why, and the way out."""
        return f"{self.why} ({self.hint})" if self.hint else self.why


Report = Union[Found, Shared, Skipped, Problem]  # noqa: UP007 - evaluated, and 3.10 is supported


class Family(msgspec.Struct, frozen=True, kw_only=True):
    """Hardware that is looked for together.

    `discover` yields what there is; its second argument holds the names that the user asked for, which override
    a precaution (never a fact). Raising `HostError` ends the family, and is reported. One that is `on_request`
    looks only when it is named: it gives more than most should have, or what we know of it is uncertain.
    """

    name: str
    kind: str
    summary: str
    discover: Callable[[Host, frozenset[str]], Iterator[Report]]
    on_request: bool = False


class Discovery(msgspec.Struct, frozen=True, kw_only=True):
    """What was found on a host, in the order of families and names, and everything there is to say about it.

    `unsure` are the kinds of which there may be more, since something could not be read or asked, and why; `lent` are
    the devices that somebody has now, by kind.
    """

    families: tuple[str, ...]
    kinds: tuple[str, ...] = ()
    found: tuple[Found, ...] = ()
    shared: tuple[Shared, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    problems: tuple[Problem, ...] = ()
    unsure: Mapping[str, str] = field(default_factory=dict[str, str])
    lent: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, "tuple[str, ...]"])


def present(facts: Mapping[str, str | int | bool | None]) -> dict[str, str | int | bool]:
    """Return the attributes that are known: what could not be read is absent, and never a zero."""
    return {key: fact for key, fact in facts.items() if fact is not None}
