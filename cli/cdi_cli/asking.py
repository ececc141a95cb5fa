"""Device names as users write them: exact, or patterns such as `vendor.com/gpu=*`."""

from __future__ import annotations

__all__ = ["asked_for"]

from typing import TYPE_CHECKING

from cdi.errors import UnresolvedDevices

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cdi.registry import Registry

_WILD = frozenset("*?[")


def asked_for(registry: Registry, wanted: Iterable[str]) -> tuple[str, ...]:
    """Return the devices that are meant, each once, in the order asked for; raise `UnresolvedDevices` for others."""
    names: dict[str, None] = {}
    unresolved = []
    for name in wanted:
        matches = registry.match(name) if _WILD & set(name) else [name] if registry.get(name) else ()
        names |= dict.fromkeys(matches)
        if not matches:
            unresolved.append(name)
    if unresolved:
        raise UnresolvedDevices(unresolved, hint=_hint(registry, unresolved))
    return tuple(names)


def _hint(registry: Registry, unresolved: list[str]) -> str | None:
    """Return why the first of them may be missing."""
    exact = [name for name in unresolved if not _WILD & set(name)]
    if not exact:
        return "no device matches, 'cdi devices' lists them all"
    try:
        registry.edits(exact)
    except UnresolvedDevices as error:
        return error.hint
    return None
