"""Whether what is installed is still true: held against this host, and against what would be generated on it now."""

from __future__ import annotations

__all__ = ["Comparison", "Finding", "compare"]

from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from cdi.differing import Change, changes, with_lent
from cdi.edits import append
from cdi.encode import to_data
from cdi.freshness.choices import alternatives, evident, in_words
from cdi.freshness.facts import broken_parts
from cdi.freshness.finding import REGENERATE, Comparison, Finding
from cdi.freshness.findings import Offer, findings, shown
from cdi.generation import generate
from cdi.names import spec_name
from cdi.versions import at_least, needed_version

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from cdi.discovery import Discovery, Found
    from cdi.host import Host
    from cdi.model import Device, NetDevice, Spec
    from cdi.registry import LoadedSpec, Registry

_DEFAULTS: Mapping[str, Any] = generate.__kwdefaults__ or {}
_OF_ALL = frozenset({"vendor", "class_", "names", "devices"})  # options about the kinds of a host together


def compare(discovery: Discovery, registry: Registry, host: Host, **options: Any) -> tuple[Comparison, ...]:
    """Return how each kind that this host has, or that is installed and looked for, differs from what is installed.

    `options` are the keywords of `cdi.generate`: what is not given is taken from the installed spec itself, where that
    shows it (the sort of names, numbers, annotations, hooks, the device `all`, a version cap). A kind that lies in
    files of other tools only is held against this host, and not against how we would have written it.
    """
    host = host.remembering().with_nodes()
    new = {spec.kind: spec for spec in generate(discovery, **options).specs}
    installed = {one.spec.kind for one in registry.specs if one.spec.kind in discovery.kinds}
    comparer = _Comparer(discovery, registry, host, options)
    return tuple(comparer.comparison(kind, new.get(kind)) for kind in sorted(new.keys() | installed))


class _Comparer:
    """One host and its registry, to be compared kind by kind."""

    def __init__(self, discovery: Discovery, registry: Registry, host: Host, options: Mapping[str, Any]) -> None:
        self.discovery = discovery
        self.registry = registry
        self.host = host
        self.options = options
        self.given = {name: value for name, value in options.items() if value != _DEFAULTS[name]}

    def comparison(self, kind: str, new: Spec | None) -> Comparison:
        files = [(one, _used(one, self.registry)) for one in self.registry.specs if one.spec.kind == kind]
        owners = [(one, used) for one, used in files if used]
        conflicts = list(_conflicts(kind, self.registry))
        others = list(_other_files(kind, owners))
        problems = [finding.message for finding in (*others, *conflicts)]
        if not owners:
            last = files[-1][0] if files else None
            found = [] if conflicts or new is None else [_not_installed(kind, new)]
            return Comparison(
                kind=kind,
                path=str(last.path) if last else None,
                changes=tuple(_whole(None, new)),
                problems=tuple(problems),
                findings=(*conflicts, *found),
            )
        main = _main([one for one, _ in owners])
        old = replace(main.spec, devices=tuple(device for _, used in owners for device in used))
        written: tuple[str, ...] = ()
        too_new = self.too_new(old, new, main)
        if too_new:
            new = self.generated(kind, {"max_version": None})
        lent = self.discovery.lent.get(kind, ())
        choices: Mapping[str, Any] = {}
        if new is not None:
            new, choices = self.as_written(old, new, {"max_version": None} if too_new else {})
            new = new if self.host.has_nodes else _with_groups_of(old, new)
        new = with_lent(old, new, lent)
        if new is None:
            found = [_hardware_gone(kind, old, main)]
        else:
            offers = _offers(owners, main)
            also = self.by_other_names(old, offers, new)
            families = {one.family for one in self.found(kind)}
            things = [one for one in self.discovery.skipped if one.family in families or not families]
            skipped = {one.what: one for one in things if not one.absent and one.what in offers}
            held = [one for one in skipped.values() if not one.broken]
            away = {_interface(net) for name in lent if name in offers for net in offers[name].edits.net_devices}
            broken = broken_parts([one.spec for one, _ in owners], self.host)
            broken = {part: problem for part, problem in broken.items() if part not in away}
            written = (*in_words(choices), *(f"with {one.what}, which {one.advice}" for one in held))
            found = findings(kind, offers, (new, *also), broken, skipped)
            found += [] if found or too_new or _is_foreign(main) else _spec_findings(old, new, main)
        return Comparison(
            kind=kind,
            path=str(main.path),
            changes=tuple(changes(old, new) if new is not None else _whole(old, None)),
            problems=tuple(problems),
            findings=(*conflicts, *others, *too_new, *found),
            written=written,
        )

    def by_other_names(self, old: Spec, offers: Mapping[str, Offer], new: Spec) -> Iterator[Spec]:
        """Yield what there would be under every name, if a file of another tool uses one that we would not."""
        names = {device.name for device in new.devices}
        if any(offer.foreign and name not in names for name, offer in offers.items()):
            sorts = {sort for one in self.found(old.kind) for sort in one.names}
            specs = (self.generated(old.kind, {"names": strategy}) for strategy in ((), tuple(sorted(sorts))))
            yield from (spec for spec in specs if spec is not None)

    def found(self, kind: str) -> list[Found]:
        """Return the devices of a kind, by whatever vendor or class it is to be called."""
        renamed = bool({"vendor", "class_"} & self.given.keys())  # which are for the only kind
        return [one for one in self.discovery.found if renamed or one.kind == kind]

    def too_new(self, old: Spec, new: Spec | None, main: LoadedSpec) -> list[Finding]:
        """Return whether an installed spec has a newer version than it is to have; `new` is what that leaves of it."""
        cap, own = self.given.get("max_version"), old.cdi_version.removeprefix("v")
        if cap is None or at_least(cap, own):
            return []
        way_out = REGENERATE if new is not None else f"nothing of it is left then: cdi uninstall {old.kind}"
        return [
            Finding(
                cause="version",
                severity="error",
                kind=old.kind,
                message=f"it is CDI {own}, and runtimes that load no newer than {cap} skip the whole file",
                hint=f"{way_out}; `--compat none` if no container of theirs is to have it",
                path=str(main.path),
                old=(own,),
                new=(cap,),
            )
        ]

    def as_written(self, old: Spec, new: Spec, base: Mapping[str, Any]) -> tuple[Spec, dict[str, Any]]:
        """Return what would be generated now with the choices that an installed spec was written with, and those."""
        choices = evident(old, new, self.found(old.kind), self.host)
        choices = {name: choice for name, choice in choices.items() if name not in self.given} | dict(base)
        best, least = self.generated(old.kind, choices) or new, choices
        count = len(list(changes(old, best)))
        for other in alternatives(old, best, choices) if count else ():
            tried = self.generated(old.kind, other)
            number = len(list(changes(old, tried))) if tried is not None else count
            if tried is not None and number < count:
                best, least, count = tried, other, number
        return best, least

    def generated(self, kind: str, choices: Mapping[str, Any]) -> Spec | None:
        discovery = self.discovery
        if _OF_ALL.isdisjoint(self.given):
            found, shared = ([one for one in of if one.kind == kind] for of in (discovery.found, discovery.shared))
            discovery = replace(discovery, found=tuple(found), shared=tuple(shared))
        specs = generate(discovery, **{**self.given, **choices}).specs
        return next((spec for spec in specs if spec.kind == kind), None)


def _with_groups_of(old: Spec, new: Spec) -> Spec:
    """Return a spec with the groups of another one: which groups nodes have, only the host's own `/dev` tells."""
    groups = {device.name: device.container_edits.additional_gids for device in old.devices}
    kept = replace(
        new,
        container_edits=replace(new.container_edits, additional_gids=old.container_edits.additional_gids),
        devices=tuple(
            replace(
                device,
                container_edits=replace(device.container_edits, additional_gids=groups.get(device.name, ())),
            )
            for device in new.devices
        ),
    )
    return replace(kept, cdi_version=needed_version(kept))


def _interface(net: NetDevice) -> tuple[str, str]:
    """Return the key in `Broken` of an interface."""
    return "netDevices", net.host_interface_name


def _used(loaded: LoadedSpec, registry: Registry) -> list[Device]:
    """Return the devices of a file that runtimes find, in its order."""
    found = [(device, registry.get(f"{loaded.spec.kind}={device.name}")) for device in loaded.spec.devices]
    return [device for device, one in found if one is not None and one.spec is loaded.spec]


def _main(files: Sequence[LoadedSpec]) -> LoadedSpec:
    """Return the file that is called as we call it, of the highest priority; failing that, just the last."""
    return next((one for one in reversed(files) if not _is_foreign(one)), files[-1])


def _is_foreign(loaded: LoadedSpec) -> bool:
    return loaded.path.stem != spec_name(loaded.spec.vendor, loaded.spec.class_)


def _offers(owners: Sequence[tuple[LoadedSpec, Sequence[Device]]], main: LoadedSpec) -> dict[str, Offer]:
    offers: dict[str, Offer] = {}
    for one, used in owners:
        foreign = one is not main or _is_foreign(one)
        for device in used:
            edits = append(one.spec.container_edits, device.container_edits)
            offers[device.name] = Offer(edits=edits, path=str(one.path), foreign=foreign)
    return offers


def _other_files(kind: str, owners: Sequence[tuple[LoadedSpec, Sequence[Device]]]) -> Iterator[Finding]:
    """Yield the files beside the main one whose devices are still there."""
    main = _main([one for one, _ in owners]) if owners else None
    for one, used in owners:
        if main is not None and one is not main:
            names = tuple(device.name for device in used)
            what = f"offers {shown(names)} of {kind} beside {str(main.path)!r}"
            if len(names) < len(one.spec.devices):
                what = f"still {what}, which has the others"
            yield Finding(
                cause="other-file",
                severity="warning",
                kind=kind,
                message=f"{str(one.path)!r} {what}",
                hint=f"if these names are not wanted: cdi uninstall {one.path}",
                devices=names,
                path=str(one.path),
            )


def _conflicts(kind: str, registry: Registry) -> Iterator[Finding]:
    names: dict[tuple[Path, Path], list[str]] = {}
    for name, paths in registry.conflicts.items():
        if name.startswith(f"{kind}="):
            names.setdefault(paths, []).append(name.removeprefix(f"{kind}="))
    for (first, second), own in names.items():
        what = f"{kind}={own[0]} and {len(own) - 1} more" if len(own) > 1 else f"{kind}={own[0]}"
        yield Finding(
            cause="conflict",
            severity="error",
            kind=kind,
            message=f"{str(first)!r} and {str(second)!r} both define {what}, so runtimes use neither",
            hint="remove one of the files",
            devices=tuple(own),
            path=str(second),
        )


def _not_installed(kind: str, new: Spec) -> Finding:
    names = tuple(device.name for device in new.devices)
    message = f"{shown(names)} {'is' if len(names) == 1 else 'are'} on this host, and no spec of this kind is installed"
    return Finding(cause="not-installed", severity="warning", kind=kind, message=message, devices=names, new=names)


def _hardware_gone(kind: str, old: Spec, main: LoadedSpec) -> Finding:
    names = tuple(device.name for device in old.devices)
    return Finding(
        cause="hardware-gone",
        severity="error",
        kind=kind,
        message=f"this host has nothing of this kind any more, installed: {shown(names)}",
        hint=f"its driver may not be loaded; if it is gone for good: cdi uninstall {kind}",
        devices=names,
        path=str(main.path),
        old=names,
    )


def _spec_findings(old: Spec, new: Spec, main: LoadedSpec) -> Iterator[Finding]:
    """Yield what differs in specs whose devices bring the same to containers."""
    before, now = old.cdi_version.removeprefix("v"), new.cdi_version
    if before != now:
        message = f"it is CDI {before}, and would be {now} now"
        yield Finding(
            cause="version",
            severity="warning",
            kind=old.kind,
            message=message,
            path=str(main.path),
            old=(before,),
            new=(now,),
        )
    ours, theirs = ({device.name: device.annotations for device in spec.devices} for spec in (old, new))
    differing = [name for name in ours if name in theirs and ours[name] != theirs[name]]
    if differing:
        message = f"annotations differ of {shown(differing)}"
        yield Finding(
            cause="annotations",
            severity="warning",
            kind=old.kind,
            message=message,
            devices=tuple(differing),
            path=str(main.path),
        )


def _whole(old: Spec | None, new: Spec | None) -> Iterator[Change]:
    for device in old.devices if old else ():
        yield Change(device=device.name, what="device", old=to_data(device))
    for device in new.devices if new else ():
        yield Change(device=device.name, what="device", new=to_data(device))
