"""What one runtime sees of a node: its directories, the files that it loads, and the devices that these come to."""

from __future__ import annotations

__all__ = ["View"]

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from cdi.diagnosis.access import directory_faults, read_faults
from cdi.diagnosis.account import ANYBODY, ROOT, Account
from cdi.diagnosis.loading import load_faults
from cdi.diagnosis.selinux import is_enforcing
from cdi.host import HostError
from cdi.scan import LoadedSpec, Scan

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cdi.diagnosis.files import Listing, SpecFile
    from cdi.diagnosis.finding import Finding
    from cdi.host import Host
    from cdi.runtimes import Runtime

_CLIENTS = frozenset({"buildah", "nerdctl", "podman"})  # which read specs as the user who runs them


class View:
    """A runtime and its files; without a runtime, what any would see of some directories."""

    def __init__(
        self, host: Host, runtime: Runtime | None, listings: Sequence[Listing], account: Account | None = None
    ) -> None:
        self.host = host
        self.runtime = runtime
        self.listings = tuple(listings)
        self.account = _account(host, runtime, account)

    @property
    def name(self) -> str | None:
        """`podman-4.3.1`, or `podman` when its version is not known."""
        return None if self.runtime is None else self.runtime.release or self.runtime.name

    @property
    def reads_specs(self) -> bool:
        """Whether the runtime looks at specs at all, as far as we know."""
        return self.runtime is None or self.runtime.enabled is not False

    @cached_property
    def files(self) -> tuple[SpecFile, ...]:
        """The files of all directories, from low to high priority."""
        return tuple(file for listing in self.listings for file in listing.files)

    @cached_property
    def by_path(self) -> dict[str, SpecFile]:
        """Its files by path."""
        return {file.path: file for file in self.files}

    @cached_property
    def directory_faults(self) -> tuple[Finding, ...]:
        """What keeps it from listing its directories."""
        return tuple(one for listing in self.listings for one in directory_faults(self.host, listing, self.account))

    @cached_property
    def faults(self) -> dict[str, tuple[Finding, ...]]:
        """What keeps it from using each file, by path."""
        enforcing = is_enforcing(self.host)
        return {
            file.path: (
                *read_faults(self.host, file, self.account, enforcing=enforcing),
                *load_faults(file, self.runtime),
            )
            for file in self.files
        }

    @cached_property
    def scan(self) -> Scan:
        """The devices that it offers, and those that it does not because two files define them."""
        return Scan.of(
            LoadedSpec(path=Path(file.path), priority=priority, spec=file.report.spec)
            for priority, listing in enumerate(self.listings)
            for file in listing.files
            if file.report is not None and file.report.spec is not None and self._loads(file)
        )

    def _loads(self, file: SpecFile) -> bool:
        return all(one.status in {"ok", "note", "warning"} for one in self.faults[file.path])


def _account(host: Host, runtime: Runtime | None, account: Account | None) -> Account:
    """Return who reads the specs: the owner of the daemon's process, or who runs the command."""
    if runtime is None or runtime.name in _CLIENTS:
        return account or ANYBODY
    if runtime.daemon is None:
        return ROOT
    try:
        uid = host.stat(f"/proc/{runtime.daemon.pid}").uid
    except HostError:
        return ROOT
    if account is not None and account.uid == uid:
        return account
    return ROOT if uid == 0 else Account(name=f"user {uid}", uid=uid)
