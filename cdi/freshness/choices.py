"""With which choices a spec was evidently written: to find fault with it for them would be to cry wolf."""

from __future__ import annotations

__all__ = ["alternatives", "evident", "in_words"]

from itertools import chain, combinations
from typing import TYPE_CHECKING, Any

from cdi.hooks import hook_name
from cdi.naming import name_devices
from cdi.versions import VERSIONS, at_least

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from cdi.discovery import Found
    from cdi.host import Host
    from cdi.model import ContainerEdits, Hook, Spec

_ALL = "all"
_EXECUTABLE = 0o111


def evident(old: Spec, new: Spec, found: Sequence[Found], host: Host) -> dict[str, Any]:
    """Return the arguments of `generate` that an installed spec shows, where they are not the defaults.

    `new` is what the defaults give, `found` the devices of the kind on this host.
    """
    choices: dict[str, Any] = {}
    names = {device.name for device in old.devices}
    strategy = _strategy(names - {_ALL}, found)
    if strategy:
        choices["names"] = strategy
    if _ALL not in names and any(device.name == _ALL for device in new.devices):
        choices["all_device"] = False
    if any(node.major for edits in _edits(old) for node in edits.device_nodes):
        choices["numbers"] = True
    if any(device.annotations for device in old.devices):
        choices["annotations"] = True
    own = _programs(old)
    if not any(edits.hooks for edits in _edits(old)):
        choices |= {"hooks": False} if any(edits.hooks for edits in _edits(new)) else {}
    elif len(own) == 1 and own.isdisjoint(_programs(new)) and all(_runs(program, host) for program in own):
        choices["hook_program"] = next(iter(own))
    return choices


def alternatives(old: Spec, new: Spec, choices: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield choices that would explain as well what is missing from an installed spec."""
    if choices.get("hooks") is False:
        rest = {name: choice for name, choice in choices.items() if name != "hooks"}
        yield rest | {"disable_hooks": (_ALL,)}
    version, newer = old.cdi_version.removeprefix("v"), new.cdi_version
    if version in VERSIONS and version != newer and at_least(newer, version):
        yield {**choices, "max_version": version}


def in_words(choices: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what the choices are, for people."""
    return tuple(_words(choices))


def _words(choices: Mapping[str, Any]) -> Iterator[str]:
    if "names" in choices:
        yield f"names by {' and '.join(choices['names'])}"
    if not choices.get("all_device", True):
        yield "without the device 'all'"
    if choices.get("numbers"):
        yield "with numbers"
    if choices.get("annotations"):
        yield "with annotations"
    if not choices.get("hooks", True) or choices.get("disable_hooks"):
        yield "without hooks"
    if "hook_program" in choices:
        yield f"with hooks of {choices['hook_program']}"
    if choices.get("max_version"):
        yield f"for CDI {choices['max_version']}"


def _strategy(names: set[str], found: Sequence[Found]) -> tuple[str, ...]:
    """Return the sorts of names that explain best what is installed; none for those of the default.

    Others than the default must explain all that it explains, since what it does not may be of devices that are gone.
    """
    sorts = sorted({sort for one in found for sort in one.names})
    known, *least = _likeness(names, found, ())
    best: tuple[str, ...] = ()
    for candidate in (*((sort,) for sort in sorts), *combinations(sorts, 2), _seen(names, found, sorts)):
        if least == [0, 0]:
            break
        explained, *unlike = _likeness(names, found, candidate)
        if explained >= known and unlike < least:
            best, least = candidate, unlike
    return best


def _seen(names: set[str], found: Sequence[Found], sorts: Sequence[str]) -> tuple[str, ...]:
    """Return the sorts by which every device that is installed is called."""
    installed = [one.names for one in found if not names.isdisjoint(one.names.values())]
    return tuple(sort for sort in sorts if all(own.get(sort) in names for own in installed if sort in own))


def _likeness(names: set[str], found: Sequence[Found], strategy: tuple[str, ...]) -> tuple[set[str], int, int]:
    """Return which names a strategy explains, how many it does not, and how many more it gives to their devices."""
    called: dict[int, set[str]] = {}
    for naming in name_devices(found, strategy, reserved=_ALL):
        called.setdefault(id(naming.found), set()).add(naming.name)
    explained = names.intersection(chain.from_iterable(called.values()))
    return explained, len(names - explained), sum(len(own - names) for own in called.values() if own & names)


def _programs(spec: Spec) -> set[str]:
    return {hook.path for hook in _hooks(spec) if hook_name(hook) is not None}


def _runs(program: str, host: Host) -> bool:
    stat = host.lookup(program)
    return stat is not None and stat.type == "f" and bool(stat.mode & _EXECUTABLE)


def _hooks(spec: Spec) -> Iterator[Hook]:
    return chain.from_iterable(edits.hooks for edits in _edits(spec))


def _edits(spec: Spec) -> Iterator[ContainerEdits]:
    yield spec.container_edits
    yield from (device.container_edits for device in spec.devices)
