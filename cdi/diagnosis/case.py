"""One question: why this runtime does not give this device."""

from __future__ import annotations

__all__ = ["Case", "Definition"]

from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from cdi.diagnosis.files import SpecFile
    from cdi.diagnosis.finding import Finding
    from cdi.diagnosis.scene import Scene
    from cdi.diagnosis.view import View
    from cdi.model import Device, Spec


class Definition(NamedTuple):
    """A device, its spec, and the file that has it."""

    file: SpecFile
    spec: Spec
    device: Device


class Case:
    """A device name as it was asked for, in a runtime of a node."""

    def __init__(self, scene: Scene, view: View, name: str) -> None:
        self.scene = scene
        self.view = view
        self.name = name
        self.kind = name.partition("=")[0]

    @cached_property
    def definers(self) -> tuple[SpecFile, ...]:
        """The files of this runtime's directories that define the device, whether it loads them or not."""
        return tuple(file for file in self.view.files if file.device(self.name) is not None)

    @cached_property
    def suspects(self) -> tuple[SpecFile, ...]:
        """The files that may have been meant to define it, where none does: broken, or closed to us."""
        if self.definers:
            return ()
        return tuple(file for file in self.view.files if file.failure is not None or file.mentions(self.kind))

    @cached_property
    def winner(self) -> Definition | None:
        """What the runtime gives a container that asks for the name."""
        entry = self.view.scan.table.get(self.name)
        if entry is None:
            return None
        loaded, device = entry
        return Definition(self.view.by_path[str(loaded.path)], loaded.spec, device)

    @cached_property
    def parts(self) -> tuple[Finding, ...]:
        """What is wrong with the nodes, mounts and hooks that the device brings."""
        if self.winner is None:
            return ()
        return self.scene.parts(self.winner.file, self.winner.spec, self.winner.device, self.view.account)
