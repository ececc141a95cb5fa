"""A node as the steps of a diagnosis look at it: read once, whoever asks."""

from __future__ import annotations

__all__ = ["Scene"]

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from cdi.diagnosis.files import list_directory
from cdi.diagnosis.parts import part_findings
from cdi.diagnosis.view import View
from cdi.host import HostError
from cdi.registry import Registry
from cdi.scan import LoadedSpec

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from cdi.diagnosis.account import Account
    from cdi.diagnosis.files import Listing, SpecFile
    from cdi.diagnosis.finding import Finding
    from cdi.discovery import Discovery
    from cdi.freshness import Finding as Stale
    from cdi.host import Host
    from cdi.model import ContainerEdits, Device, Spec
    from cdi.runtimes import Runtime

# Where some runtime, in some version or for some user, reads specs.
_PLACES = ("/etc/cdi", "/var/run/cdi", "/etc/buildkit/cdi")


class Scene:
    """A host, what each runtime sees of it, and its hardware, which is looked at when a step asks for it."""

    def __init__(
        self, host: Host, runtimes: Sequence[Runtime], spec_dirs: Iterable[str], account: Account | None
    ) -> None:
        self.host = host.remembering()
        self.account = account
        self.spec_dirs = tuple(spec_dirs)
        self._listings: dict[str, Listing] = {}
        self._found: dict[tuple[str, str, Account | None], tuple[Finding, ...]] = {}
        self._staleness: dict[str, tuple[Stale, ...]] = {}
        self._hardware: dict[str, Discovery | None] = {}
        of_all = [View(self.host, one, self._list(self._dirs(one)), account) for one in runtimes]
        self.views = tuple(of_all) or (View(self.host, None, self._list(self.spec_dirs), account),)

    @cached_property
    def everywhere(self) -> tuple[Listing, ...]:
        """All directories that some runtime reads, or may be thought to read; of one under two names, the first."""
        homes = [f"{self.account.home}/.config/cdi"] if self.account is not None and self.account.home else []
        self._list([*self.spec_dirs, *_PLACES, *homes])
        once: dict[str, Listing] = {}
        for path, listing in self._listings.items():
            once.setdefault(self.settled(path), listing)
        return tuple(once.values())

    @cached_property
    def files(self) -> dict[str, SpecFile]:
        """Every spec file of the node by its path."""
        return {file.path: file for listing in self.everywhere for file in listing.files}

    @cached_property
    def kinds(self) -> frozenset[str]:
        """The kinds of all valid specs."""
        specs = [file.report.spec for file in self.files.values() if file.report is not None]
        return frozenset(spec.kind for spec in specs if spec is not None)

    def hardware(self, kind: str) -> Discovery | None:
        """Return what the families of a kind see of their hardware, None for a kind that no family has."""
        if kind not in self._hardware:
            from cdi.discovery import discover, families  # noqa: PLC0415 - slow, and most findings need none of it

            names = [family.name for family in families().values() if family.kind == kind]
            self._hardware[kind] = discover(self.host, names) if names else None
        return self._hardware[kind]

    @cached_property
    def all_hardware(self) -> Discovery:
        """Return all hardware that devices may be made of."""
        from cdi.discovery import discover  # noqa: PLC0415 - as above

        return discover(self.host)

    def staleness(self, kind: str) -> tuple[Stale, ...]:
        """Return what is no longer so of the specs of a kind, wherever they are installed."""
        if kind not in self._staleness:
            from cdi.freshness import compare  # noqa: PLC0415 - only where there is hardware

            hardware = self.hardware(kind)
            registry = Registry.of(self._loaded())
            compared = compare(hardware, registry, self.host) if hardware is not None and hardware.found else ()
            self._staleness[kind] = tuple(one for each in compared if each.kind == kind for one in each.findings)
        return self._staleness[kind]

    def _loaded(self) -> Iterator[LoadedSpec]:
        """Yield all specs that some runtime may load."""
        read = {self.settled(listing.directory) for view in self.views for listing in view.listings}
        listings = [listing for listing in self.everywhere if self.settled(listing.directory) in read]
        for priority, listing in enumerate(listings):
            for file in listing.files:
                if file.report is not None and file.report.spec is not None:
                    yield LoadedSpec(path=Path(file.path), priority=priority, spec=file.report.spec)

    def parts(self, file: SpecFile, spec: Spec, device: Device | None, account: Account) -> tuple[Finding, ...]:
        """Return what is wrong with what a device brings, what all of its spec bring included; or with only that."""
        user = account if account.uid else None
        shared = self._parts(file, spec.container_edits, "containerEdits", user)
        if device is None:
            return shared
        where = f"devices[{spec.devices.index(device)}].containerEdits"
        return (*shared, *self._parts(file, device.container_edits, where, user))

    def _parts(self, file: SpecFile, edits: ContainerEdits, where: str, user: Account | None) -> tuple[Finding, ...]:
        key = file.path, where, user
        if key not in self._found:
            self._found[key] = part_findings(self.host, file, edits, where, user)
        return self._found[key]

    def _dirs(self, runtime: Runtime) -> tuple[str, ...]:
        """Return the directories that a runtime reads, or would read if CDI were on."""
        return runtime.spec_dirs or (self.spec_dirs if runtime.enabled is False else ())

    def _list(self, directories: Sequence[str]) -> list[Listing]:
        for directory in directories:
            if directory not in self._listings:
                self._listings[directory] = list_directory(self.host, directory)
        return [self._listings[directory] for directory in directories]

    def settled(self, directory: str) -> str:
        """Return a directory without links, as far as it is there."""
        try:
            return self.host.resolve(directory)
        except HostError:
            return directory
