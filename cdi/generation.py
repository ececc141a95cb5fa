"""Found devices to specs: one spec a kind, with valid names, an `all` device, shared edits and the lowest version."""

from __future__ import annotations

__all__ = ["Explanation", "Generated", "generate", "nothing_found"]

from collections import Counter
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from cdi.edits import append, deduplicate, sort
from cdi.errors import CdiError, NothingFound, UsageError
from cdi.hooks import with_program, without, without_all
from cdi.model import NO_EDITS, ContainerEdits, Device, Spec
from cdi.names import class_fault, natural_key, split_kind, vendor_fault
from cdi.naming import name_devices
from cdi.versions import EARLIEST, LATEST, VERSIONS, downgrade, needed_version

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Sequence

    from cdi.discovery import Discovery, Found

_ALL = "all"
_NAMED_FAMILIES = 8  # more than these are counted


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """Why a device or a spec is as it is: `subject` is a qualified device name or a kind."""

    subject: str
    text: str


class Generated(msgspec.Struct, frozen=True, kw_only=True):
    """The specs, sorted by kind, and an explanation for each decision; iterating gives the specs.

    `losses` say what containers do not get because of a version cap, or for want of hooks.
    """

    specs: tuple[Spec, ...] = ()
    explanations: tuple[Explanation, ...] = ()
    losses: tuple[Explanation, ...] = ()

    def __iter__(self) -> Iterator[Spec]:
        return iter(self.specs)

    def __len__(self) -> int:
        return len(self.specs)


class _Choices(msgspec.Struct, frozen=True, kw_only=True):
    """The arguments of `generate`."""

    names: tuple[str, ...]
    devices: frozenset[str]
    all_device: bool
    max_version: str | None
    numbers: bool
    annotations: bool
    hooks: bool
    disable_hooks: frozenset[str]
    hook_program: str | None


class _Notes:
    """What there is to say, as it comes up."""

    def __init__(self) -> None:
        self.explanations: list[Explanation] = []
        self.losses: list[Explanation] = []

    def explain(self, subject: str, *texts: str) -> None:
        self.explanations += [Explanation(subject=subject, text=text) for text in texts]

    def lose(self, subject: str, text: str) -> None:
        self.losses.append(Explanation(subject=subject, text=text))


class _Named(msgspec.Struct, frozen=True, kw_only=True):
    device: Device
    found: Found


def generate(  # noqa: PLR0913 - one argument a choice, all by keyword
    discovery: Discovery,
    *,
    names: Iterable[str] = (),
    devices: Iterable[str] = (),
    all_device: bool = True,
    max_version: str | None = None,
    numbers: bool = False,
    annotations: bool = False,
    hooks: bool = True,
    disable_hooks: Iterable[str] = (),
    hook_program: str | None = None,
    vendor: str | None = None,
    class_: str | None = None,
) -> Generated:
    """Return the specs for what was discovered; the same discovery gives the same bytes.

    `names` says what devices are called: "bdf" or another key of `Found.names`, several for several devices each;
    a device that lacks such a name, or would share it, keeps its own. `devices` are the only ones wanted, by any
    of their names. `max_version` lowers specs to what an older runtime loads: what a device loses by that is
    explained, and a device that is nothing without it is left out. `numbers` writes the major and minor of device
    nodes, `annotations` what families say of a device (CDI 0.6.0). Without `hooks`, links become mounts;
    `disable_hooks` leaves out hooks by their names, `hook_program` is the path of the program that the others run.
    `vendor` and `class_` replace those of the only kind. Raises `UsageError` for what there is not.
    """
    if max_version is not None and max_version.removeprefix("v") not in VERSIONS:
        message = f"unknown CDI version {max_version!r}"
        raise UsageError(message, hint=f"known versions are {', '.join(VERSIONS)}")
    choices = _Choices(
        names=tuple(names),
        devices=frozenset(devices) - {_ALL},
        all_device=all_device,
        max_version=max_version,
        numbers=numbers,
        annotations=annotations,
        hooks=hooks,
        disable_hooks=frozenset(disable_hooks),
        hook_program=hook_program,
    )
    if vendor is not None or class_ is not None:
        discovery = _renamed(discovery, vendor, class_)
    found = _selected(discovery, choices)
    kinds: dict[str, list[Found]] = {}
    for one in found:
        kinds.setdefault(one.kind, []).append(one)
    notes = _Notes()
    specs = [_spec(kind, kinds[kind], discovery, choices, notes) for kind in sorted(kinds)]
    return Generated(
        specs=tuple(spec for spec in specs if spec is not None),
        explanations=tuple(notes.explanations),
        losses=tuple(dict.fromkeys(notes.losses)),
    )


def nothing_found(discovery: Discovery, generated: Generated | None = None) -> NothingFound:
    """Return the error for a host that has nothing to offer; its hint gives the reasons, one a line."""
    if discovery.found and generated is not None:
        lost = [f"{loss.subject}: {loss.text}" for loss in generated.losses]
        message = f"found {', '.join(one.name for one in discovery.found)}, and can write none of it"
        return NothingFound(message, hint="\n".join(lost) or None)
    is_long = len(discovery.families) > _NAMED_FAMILIES
    told = [thing for thing in discovery.skipped if not (is_long and thing.absent)]
    reasons = [problem.advice for problem in discovery.problems]
    reasons += [": ".join(dict.fromkeys((thing.family, thing.what, thing.advice))) for thing in told]
    reasons += ["`cdi discover --verbose` says what was looked for"] if is_long else []
    families = f"any of {len(discovery.families)} families" if is_long else ", ".join(discovery.families)
    message = f"found nothing for {families}"
    return NothingFound(message, hint="\n".join(reasons) or None)


def _selected(discovery: Discovery, choices: _Choices) -> Sequence[Found]:
    """Return the devices that are wanted; raise `UsageError` for a name that none has."""
    found = discovery.found
    for strategy in choices.names:
        if found and not any(strategy in one.names for one in found):
            message = f"no device has a name of the sort {strategy!r}"
            known = sorted({key for one in found for key in one.names})
            raise UsageError(message, hint=f"there are {', '.join(known)}" if known else None)
    if not choices.devices or not found:
        return found
    known_as = [{one.name, *one.names.values()} for one in found]
    missing = choices.devices.difference(*known_as)
    if missing:
        broken = [thing for thing in discovery.skipped if thing.broken]
        message = f"found no device {', '.join(map(repr, sorted(missing)))}"
        seen = f"found {', '.join(one.name for one in found)}"
        raise UsageError(message, hint="\n".join([seen, *(f"not {thing.what}: {thing.advice}" for thing in broken)]))
    return [one for one, known in zip(found, known_as, strict=True) if known & choices.devices]


def _renamed(discovery: Discovery, vendor: str | None, class_: str | None) -> Discovery:
    kinds = sorted({one.kind for one in discovery.found})
    if len(kinds) > 1:
        message = f"a vendor or class is for one kind, and there are {len(kinds)}: {', '.join(kinds)}"
        raise UsageError(message, hint="name one family")
    if not kinds:
        return discovery
    own_vendor, own_class = split_kind(kinds[0])
    kind = f"{vendor or own_vendor}/{class_ or own_class}"
    fault = vendor_fault(kind.partition("/")[0]) or class_fault(kind.partition("/")[2])
    if fault is not None:
        raise UsageError(fault)
    return replace(
        discovery,
        found=tuple(replace(one, kind=kind) for one in discovery.found),
        shared=tuple(replace(part, kind=kind) for part in discovery.shared if part.kind == kinds[0]),
    )


def _spec(kind: str, found: Sequence[Found], discovery: Discovery, choices: _Choices, notes: _Notes) -> Spec | None:
    parts = [part for part in discovery.shared if part.kind == kind]
    for part in parts:
        notes.explain(kind, part.how, *part.warnings)
    whole = append(NO_EDITS, *(part.edits for part in parts))
    shared = _chosen_edits(whole, choices, kind, notes)
    named = _named(found, whole, choices, notes)
    named = [one for one in named if _fits(one, kind, shared, choices.max_version, notes)]
    if not named:
        return None
    devices = [one.device for one in named]
    devices += _all(kind, named, notes) if choices.all_device else ()
    spec = Spec(cdi_version=LATEST, kind=kind, devices=tuple(devices), container_edits=shared)
    if choices.max_version is not None:
        lowered = downgrade(spec, choices.max_version)
        for (what, cost), times in Counter((drop.what, drop.cost) for drop in lowered.dropped).items():
            often = f", {times} times" if times > 1 else ""
            notes.lose(kind, f"{what} left out for CDI {choices.max_version}{often}: {cost}")
        spec = lowered.spec
    version = needed_version(spec)
    notes.explain(kind, f"cdiVersion {version} is the lowest that has {_reason(spec, version)}")
    return replace(spec, cdi_version=version)


def _reason(spec: Spec, version: str) -> str:
    """Return what of a spec needs its version, in words."""
    if version == EARLIEST:
        return "all that it uses"
    try:
        lowered = downgrade(spec, VERSIONS[VERSIONS.index(version) - 1])
    except CdiError as error:
        return error.message.partition(" needs ")[0]
    return ", ".join(sorted({drop.what for drop in lowered.dropped}))


def _chosen_edits(
    edits: ContainerEdits, choices: _Choices, subject: str, notes: _Notes, around: ContainerEdits = NO_EDITS
) -> ContainerEdits:
    """Return edits with the numbers and hooks that are wanted."""
    if not choices.numbers:
        nodes = tuple(replace(node, major=None, minor=None) for node in edits.device_nodes) or ()
        edits = replace(edits, device_nodes=nodes)
    if not choices.hooks:
        edits, lost = without_all(edits, (around,))
        for what in lost:
            notes.lose(subject, f"without hooks there is no {what}")
    elif _ALL in choices.disable_hooks:
        edits = replace(edits, hooks=())
    elif edits.hooks:
        edits = without(edits, choices.disable_hooks)
        edits = with_program(edits, choices.hook_program) if choices.hook_program else edits
    return sort(deduplicate(edits))


def _named(found: Sequence[Found], shared: ContainerEdits, choices: _Choices, notes: _Notes) -> list[_Named]:
    """Return the devices that there are to be, with their edits, sorted by name."""
    edits: dict[int, ContainerEdits] = {}
    for one in found:
        edits[id(one)] = _chosen_edits(one.edits, choices, f"{one.kind}={one.name}", notes, shared)
    named: list[_Named] = []
    for naming in name_devices(found, choices.names, reserved=_ALL):
        one = naming.found
        notes.explain(f"{one.kind}={naming.name}", *naming.notes)
        if naming.clash is not None:
            notes.lose(f"{one.kind}={naming.name}", naming.clash)
        annotations = one.annotations if choices.annotations else {}
        device = Device(name=naming.name, annotations=annotations, container_edits=edits[id(one)])
        named.append(_Named(device=device, found=one))
    return named


def _fits(one: _Named, kind: str, shared: ContainerEdits, cap: str | None, notes: _Notes) -> bool:
    if cap is None:
        return True
    try:
        downgrade(Spec(cdi_version=LATEST, kind=kind, devices=(one.device,), container_edits=shared), cap)
    except CdiError as error:
        notes.lose(
            f"{kind}={one.device.name}", f"left out: {error.message}" + (f" ({error.hint})" if error.hint else "")
        )
        return False
    return True


def _all(kind: str, named: Sequence[_Named], notes: _Notes) -> Iterator[Device]:
    """Yield the device that brings every other: of two that want the same place in the container, the first."""
    subject = f"{kind}={_ALL}"
    parts: list[ContainerEdits] = []
    places: dict[str, object] = {}
    lists: dict[str, list[str]] = {}
    first: dict[int, _Named] = {}
    for one in named:
        first.setdefault(id(one.found), one)
    for one in first.values():
        edits = one.device.container_edits
        own = dict(_places(edits))
        clash = next((place for place, entry in own.items() if places.get(place, entry) != entry), None)
        if not one.found.in_all:
            notes.explain(subject, f"without {one.device.name}, which must be asked for by name")
        elif clash is not None:
            notes.explain(subject, f"without {one.device.name}, another device has its {clash}")
        else:
            places.update(own)
            parts.append(edits)
            for variable, entry in one.found.env_lists.items():
                lists.setdefault(variable, []).append(entry)
    if lists:
        notes.explain(subject, f"{', '.join(sorted(lists))} for all devices, which no single one can list")
        parts = [_without_variables(part, lists) for part in parts]
        joined = (f"{name}={_joined(sorted(entries, key=natural_key))}" for name, entries in lists.items())
        parts.append(ContainerEdits(env=tuple(joined)))
    if parts:
        yield Device(name=_ALL, container_edits=_agreed(sort(deduplicate(append(*parts))), subject, notes))


def _without_variables(edits: ContainerEdits, names: Container[str]) -> ContainerEdits:
    if not edits.env:
        return edits
    return replace(edits, env=tuple(entry for entry in edits.env if entry.partition("=")[0] not in names) or ())


def _joined(entries: Sequence[str]) -> str:
    """Return entries as one list, JSON objects as one object."""
    if all(entry.startswith("{") and entry.endswith("}") for entry in entries):
        return "{" + ", ".join(entry[1:-1] for entry in entries) + "}"
    return ",".join(entries)


def _agreed(edits: ContainerEdits, subject: str, notes: _Notes) -> ContainerEdits:
    """Return edits without the variables to which devices give different values: runtimes would keep one of them."""
    times = Counter(entry.partition("=")[0] for entry in edits.env)
    differing = [name for name, number in times.items() if number > 1]
    if not differing:
        return edits
    notes.lose(subject, f"without {', '.join(differing)}, which differs from device to device")
    return replace(edits, env=tuple(entry for entry in edits.env if entry.partition("=")[0] not in differing) or ())


def _places(edits: ContainerEdits) -> Iterator[tuple[str, object]]:
    """Yield what only one of several devices can have in a container."""
    yield from ((f"interface {net.name}", net) for net in edits.net_devices)
    yield from ((f"node {node.path}", node) for node in edits.device_nodes)
    yield from ((f"mount {mount.container_path}", mount) for mount in edits.mounts)
