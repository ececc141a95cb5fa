"""Names for found devices: valid, each once, and the same again as long as the host is the same."""

from __future__ import annotations

__all__ = ["Naming", "name_devices"]

import re
from collections import Counter
from itertools import chain, count
from typing import TYPE_CHECKING

import msgspec

from cdi.discovery import Found  # noqa: TC001 - msgspec reads the annotations
from cdi.names import device_fault, natural_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9._:-]")
_NOT_AT_ENDS = "._:-"


class Naming(msgspec.Struct, frozen=True, kw_only=True):
    """A name that a device gets, and what there is to say about it; `clash` when another has the one it wished for."""

    found: Found
    name: str
    notes: tuple[str, ...] = ()
    clash: str | None = None


def name_devices(found: Iterable[Found], strategies: Sequence[str], *, reserved: str) -> list[Naming]:
    """Return a name for each device and strategy, sorted; without strategies, its own name and those of `also`.

    A device's own name goes before what others are called besides; of such names, those that several have are given
    to none.
    """
    taken = {reserved}
    namings: list[Naming] = []
    for one in found:
        for wish in dict.fromkeys(one.names.get(strategy, one.name) for strategy in strategies or ("",)):
            name = _free_name([wish, one.name], taken)
            odd = (f"called so because {wish!r} is no free device name",) if name != wish else ()
            clash = f"called so because another device is called {wish!r}" if name != wish and wish in taken else None
            taken.add(name)
            namings.append(Naming(found=one, name=name, notes=(one.how, *odd, *one.warnings), clash=clash))
    others = Counter(name for own in namings for name in {own.found.names.get(sort) for sort in own.found.also})
    for own in list(namings) if not strategies else ():
        for sort in own.found.also:
            name = own.found.names.get(sort, "")
            if device_fault(name) is None and name not in taken and others[name] == 1:
                taken.add(name)
                namings.append(Naming(found=own.found, name=name, notes=(f"also {own.name}",)))
    return sorted(namings, key=lambda naming: natural_key(naming.name))


def _free_name(wishes: Sequence[str], taken: set[str]) -> str:
    """Return the first wish, made valid, that is free; failing that the last one with a number."""
    numbered = (f"{wishes[-1]}-{number}" for number in count(2))
    valid = (wish if device_fault(wish) is None else _hashed(wish) for wish in chain(wishes, numbered))
    return next(name for name in valid if name not in taken)


def _hashed(wish: str) -> str:
    """Return a valid name that depends on the wish alone: `eth0@x` is `eth0-x-9e13`, whatever else there is."""
    import hashlib  # noqa: PLC0415 - slow, and few hosts have such names

    stem = _NOT_IN_NAMES.sub("-", wish).strip(_NOT_AT_ENDS) or "device"
    return f"{stem}-{hashlib.sha256(wish.encode('utf-8', 'surrogatepass')).hexdigest()[:4]}"
