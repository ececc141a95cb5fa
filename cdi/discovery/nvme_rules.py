"""Which NVMe controllers may be given away: what speaks against it, and what to know of one that is."""

from __future__ import annotations

__all__ = ["Surroundings", "cautions_of", "fact_against", "warnings_of"]

from typing import TYPE_CHECKING

import msgspec

from cdi.discovery.block import Block, read_content

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cdi.discovery.disk_use import DiskUse
    from cdi.discovery.nvme import Controller, Namespace
    from cdi.host import Host

    Rule = Callable[[Controller, "Surroundings"], Iterator[str]]

_LOCAL = frozenset({"pcie", "apple-nvme", None})  # transports; the others are connections of the host


class Surroundings(msgspec.Struct, frozen=True, kw_only=True):
    """What a controller is judged by besides itself."""

    host: Host
    use: DiskUse
    controllers: tuple[Controller, ...]

    def others(self, controller: Controller, namespace: Namespace) -> list[tuple[Controller, Namespace]]:
        """Return the other controllers that reach a namespace, with what each calls it."""
        return [
            (other, one)
            for other in self.controllers
            for one in other.namespaces
            if other.name != controller.name and one.identity == namespace.identity
        ]

    def related(self, controller: Controller) -> list[Controller]:
        """Return a controller, and those of the same subsystem: they may reach the same namespaces."""
        subsystem = controller.subsystem
        same = [
            one for one in self.controllers if one.subsystem == subsystem is not None and one.name != controller.name
        ]
        return [controller, *same]


def fact_against(controller: Controller, around: Surroundings) -> str | None:
    """Return why a controller is never offered, None if it may be."""
    return next((fact for rule in _FACTS for fact in rule(controller, around)), None)


def cautions_of(controller: Controller, around: Surroundings) -> tuple[str, ...]:
    """Return why a controller is offered only to who asks for it."""
    return tuple(caution for rule in _CAUTIONS for caution in rule(controller, around))


def warnings_of(controller: Controller, around: Surroundings) -> tuple[str, ...]:
    """Return what to know of a controller that is offered."""
    return tuple(warning for rule in _WARNINGS for warning in rule(controller, around))


# Facts: such a controller is never offered.


def _untold(controller: Controller, around: Surroundings) -> Iterator[str]:
    if around.use.failure is not None:
        yield around.use.failure
    for one in around.related(controller):
        if one.failure is not None:
            yield f"what is on it cannot be told: {one.failure}"


def _used(controller: Controller, around: Surroundings) -> Iterator[str]:
    """Of a namespace that several controllers reach, each may have a disk (without native multipath): all count."""
    for namespace in controller.namespaces:
        ways = [namespace.block, *(one.block for _, one in around.others(controller, namespace))]
        uses = [use for block in ways if block is not None and (use := around.use.of(block)) is not None]
        yield from uses[:1]


def _pooled(controller: Controller, around: Surroundings) -> Iterator[str]:
    for disk in _disks(controller):
        use = around.use.in_zfs(around.host, disk)
        if use is not None:
            yield use


def _gone(controller: Controller, _: Surroundings) -> Iterator[str]:
    if controller.is_gone:
        yield f"its state is {controller.state}"


def _discovering(controller: Controller, _: Surroundings) -> Iterator[str]:
    if controller.type == "discovery":
        yield "a connection to a discovery service, which has no namespaces"


# Cautions: giving such a controller away may lose data, or take from others, unless the user knows better.


def _connected(controller: Controller, _: Surroundings) -> Iterator[str]:
    if controller.transport not in _LOCAL:
        yield f"a connection of the host over {controller.transport}, for whoever made it"


def _manages(controller: Controller, _: Surroundings) -> Iterator[str]:
    function = controller.function
    if function is not None and function.functions:
        yield f"manages its {function.virtual_functions}"


def _holds_something(controller: Controller, around: Surroundings) -> Iterator[str]:
    for disk in _disks(controller):
        content = read_content(around.host, disk.numbers) if disk.numbers is not None else None
        if disk.partitions:
            yield f"{disk.name} has a partition table"
        elif content is None:
            yield f"{disk.name} may hold something: udev does not know it"
        elif content:
            yield f"{disk.name} holds something: {content}"


def _disks(controller: Controller) -> Iterator[Block]:
    yield from (one.block for one in controller.namespaces if one.block is not None)


# Warnings: what to know of a controller that is offered.


def _unsteady(controller: Controller, _: Surroundings) -> Iterator[str]:
    if controller.state not in {"live", None}:
        yield f"its state is {controller.state}"


def _empty(controller: Controller, _: Surroundings) -> Iterator[str]:
    if not controller.namespaces:
        yield "no namespace is attached to it"


def _shared(controller: Controller, around: Surroundings) -> Iterator[str]:
    for namespace in controller.namespaces:
        others = [other.name for other, _ in around.others(controller, namespace)]
        if others:
            yield f"{namespace.name} is shared with {', '.join(others)}: who has either reads and writes it"


def _close_to_used(controller: Controller, around: Surroundings) -> Iterator[str]:
    """A sanitize operation, say, is one of the whole subsystem, whichever controller it is sent to."""
    for other in around.related(controller)[1:]:
        for use in _used(other, around):
            yield f"is of one subsystem with {other.name}, of which {use}: some commands reach all of it"


_FACTS: tuple[Rule, ...] = (_untold, _used, _pooled, _gone, _discovering)
_CAUTIONS: tuple[Rule, ...] = (_connected, _manages, _holds_something)
_WARNINGS: tuple[Rule, ...] = (_unsteady, _empty, _shared, _close_to_used)
