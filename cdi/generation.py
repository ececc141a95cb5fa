"""Found devices to specs: one spec a kind, with valid names, an `all` device, shared edits and the lowest version."""

from __future__ import annotations

__all__ = ["Explanation", "Generated", "generate", "nothing_found"]

import hashlib
import re
from itertools import chain, count
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from cdi.edits import append, common, deduplicate, sort
from cdi.errors import CdiError, NothingFound, UsageError
from cdi.model import ContainerEdits, Device, Spec
from cdi.names import device_fault, natural_key
from cdi.versions import LATEST, VERSIONS, downgrade, needed_version

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cdi.discovery import Discovery, Found

_ALL = "all"
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9._:-]")
_NOT_AT_ENDS = "._:-"


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """Why a device or a spec is as it is: `subject` is a qualified device name or a kind."""

    subject: str
    text: str


class Generated(msgspec.Struct, frozen=True, kw_only=True):
    """The specs, sorted by kind, and an explanation for each decision; iterating gives the specs."""

    specs: tuple[Spec, ...] = ()
    explanations: tuple[Explanation, ...] = ()

    def __iter__(self) -> Iterator[Spec]:
        return iter(self.specs)

    def __len__(self) -> int:
        return len(self.specs)


class _Named(msgspec.Struct, frozen=True, kw_only=True):
    device: Device
    found: Found


def generate(
    discovery: Discovery,
    *,
    names: Sequence[str] = (),
    all_device: bool = True,
    max_version: str | None = None,
) -> Generated:
    """Return the specs for what was discovered; the same discovery gives the same bytes.

    `names` says what devices are called: "bdf" or another key of `Found.names`, several for several devices each;
    a device that lacks such a name, or would share it, keeps its own. `max_version` lowers specs to what an older
    runtime loads: what a device loses by that is explained, and a device that is nothing without it is left out.
    Raises `UsageError` for an unknown version.
    """
    if max_version is not None and max_version.removeprefix("v") not in VERSIONS:
        message = f"unknown CDI version {max_version!r}"
        raise UsageError(message, hint=f"known versions are {', '.join(VERSIONS)}")
    kinds: dict[str, list[Found]] = {}
    for found in discovery.found:
        kinds.setdefault(found.kind, []).append(found)
    notes: list[Explanation] = []
    specs: list[Spec] = []
    for kind in sorted(kinds):
        named = [one for one in _named(kinds[kind], names, notes) if _fits(one, kind, max_version, notes)]
        devices = [one.device for one in named]
        devices += _all(kind, named, notes) if all_device else ()
        if devices:
            specs.append(_spec(kind, devices, notes, cap=max_version))
    return Generated(specs=tuple(specs), explanations=tuple(notes))


def nothing_found(discovery: Discovery, generated: Generated | None = None) -> NothingFound:
    """Return the error for a host that has nothing to offer; its hint gives the reasons, one a line."""
    reasons = [f"{problem.message}" for problem in discovery.problems]
    reasons += [f"{note.subject}: {note.text}" for note in generated.explanations] if generated is not None else []
    reasons += [
        f"{thing.family}: {thing.what}: {thing.why}" + (f" ({thing.hint})" if thing.hint else "")
        for thing in discovery.skipped
    ]
    message = f"found nothing for {', '.join(discovery.families)}"
    return NothingFound(message, hint="\n".join(reasons) or None)


def _spec(kind: str, devices: Sequence[Device], notes: list[Explanation], *, cap: str | None) -> Spec:
    shared, rests = common([device.container_edits for device in devices])
    if shared:
        notes.append(Explanation(subject=kind, text="what all devices share is in the spec's own containerEdits"))
    rest_of = zip(devices, rests, strict=True)
    lean = tuple(replace(device, container_edits=rest) for device, rest in rest_of)
    spec = Spec(cdi_version=LATEST, kind=kind, devices=lean, container_edits=shared)
    if cap is not None:
        lowered = downgrade(spec, cap)
        notes += [
            Explanation(subject=kind, text=f"{drop.where} dropped for {cap}: {drop.cost}") for drop in lowered.dropped
        ]
        spec = lowered.spec
    version = needed_version(spec)
    notes.append(Explanation(subject=kind, text=f"cdiVersion {version} is the lowest that has all that it uses"))
    return replace(spec, cdi_version=version)


def _named(found: Sequence[Found], strategies: Sequence[str], notes: list[Explanation]) -> list[_Named]:
    """Return a device for each thing and name, sorted, each name once."""
    taken = {_ALL}
    named: list[_Named] = []
    for one in found:
        wishes = dict.fromkeys(one.names.get(strategy, one.name) for strategy in strategies or ("",))
        for wish in wishes:
            name = _free_name([wish, one.name], taken)
            taken.add(name)
            subject = f"{one.kind}={name}"
            notes.append(Explanation(subject=subject, text=one.how))
            if name != wish:
                notes.append(Explanation(subject=subject, text=f"called so because {wish!r} is no free device name"))
            notes += [Explanation(subject=subject, text=warning) for warning in one.warnings]
            edits = sort(deduplicate(one.edits))
            named.append(_Named(device=Device(name=name, container_edits=edits), found=one))
    return sorted(named, key=lambda entry: natural_key(entry.device.name))


def _free_name(wishes: Sequence[str], taken: set[str]) -> str:
    """Return the first wish, made valid, that is free; failing that the last one with a number."""
    numbered = (f"{wishes[-1]}-{number}" for number in count(2))
    valid = (wish if device_fault(wish) is None else _hashed(wish) for wish in chain(wishes, numbered))
    return next(name for name in valid if name not in taken)


def _hashed(wish: str) -> str:
    """Return a valid name that depends on the wish alone: `eth0@x` is `eth0-x-9e13`, whatever else there is."""
    stem = _NOT_IN_NAMES.sub("-", wish).strip(_NOT_AT_ENDS) or "device"
    return f"{stem}-{hashlib.sha256(wish.encode('utf-8', 'surrogatepass')).hexdigest()[:4]}"


def _fits(one: _Named, kind: str, cap: str | None, notes: list[Explanation]) -> bool:
    if cap is None:
        return True
    try:
        downgrade(Spec(cdi_version=LATEST, kind=kind, devices=(one.device,)), cap)
    except CdiError as error:
        text = f"left out: {error.message}" + (f" ({error.hint})" if error.hint else "")
        notes.append(Explanation(subject=f"{kind}={one.device.name}", text=text))
        return False
    return True


def _all(kind: str, named: Sequence[_Named], notes: list[Explanation]) -> Iterator[Device]:
    """Yield the device that brings every other: of two that want the same place in the container, the first."""
    subject = f"{kind}={_ALL}"
    parts: list[ContainerEdits] = []
    places: dict[str, object] = {}
    for one in named:
        edits = one.device.container_edits
        own = dict(_places(edits))
        clash = next((place for place, entry in own.items() if places.get(place, entry) != entry), None)
        if not one.found.in_all:
            notes.append(
                Explanation(subject=subject, text=f"without {one.device.name}, which must be asked for by name")
            )
        elif clash is not None:
            notes.append(
                Explanation(subject=subject, text=f"without {one.device.name}, another device has its {clash}")
            )
        else:
            places.update(own)
            parts.append(edits)
    if parts:
        yield Device(name=_ALL, container_edits=sort(deduplicate(append(*parts))))


def _places(edits: ContainerEdits) -> Iterator[tuple[str, object]]:
    """Yield what only one of several devices can have in a container."""
    yield from ((f"interface {net.name}", net) for net in edits.net_devices)
    yield from ((f"node {node.path}", node) for node in edits.device_nodes)
    yield from ((f"mount {mount.container_path}", mount) for mount in edits.mounts)
