"""NVMe controllers: what each says of itself, and the namespaces that it reaches."""

from __future__ import annotations

__all__ = ["Controller", "Namespace", "read_controllers"]

import re
from typing import TYPE_CHECKING

import msgspec

from cdi.discovery.block import Block, read_block
from cdi.discovery.pci import Function, read_function
from cdi.discovery.sysfs import Kobject
from cdi.host import HostError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cdi.host import Host

_CLASS = "/sys/class/nvme"
_SUBSYSTEMS = "/sys/class/nvme-subsystem"
_CONTROLLER = re.compile(r"nvme\d+")
# nvme0n1 is a namespace, nvme2c0n1 a way to one of several controllers, ng0n1 the character device of one.
_NAMESPACE = re.compile(r"nvme\d+(?:c\d+)?n(\d+)")
_GENERIC = re.compile(r"ng\d+n(\d+)")


class Namespace(msgspec.Struct, frozen=True, kw_only=True):
    """A namespace as a controller reaches it: a disk, and the character device for commands to it (`generic`).

    `block` is None for one that the kernel makes no disk of, since it does not know its command set. Two with the same
    `identity` are one and the same.
    """

    name: str
    identity: str
    block: Block | None = None
    generic: str | None = None  # its place in sysfs


class Controller(msgspec.Struct, frozen=True, kw_only=True):
    """A controller; `type` is `io`, `discovery` or `admin`, `state` what the driver says of it: `live`, `dead`."""

    name: str
    path: str
    function: Function | None
    subsystem: str | None
    transport: str | None
    type: str | None
    state: str | None
    model: str | None
    serial: str | None
    firmware: str | None
    namespaces: tuple[Namespace, ...]
    unread: tuple[str, ...] = ()
    failure: str | None = None  # why its namespaces are not known

    @property
    def is_gone(self) -> bool:
        """Whether it does not work any more: `dead`, `deleting`, `deleting (no IO)`."""
        return (self.state or "").startswith(("dead", "deleting"))


def read_controllers(host: Host) -> Iterator[Controller]:
    """Yield the NVMe controllers that a driver has made nodes for; raise `HostError` when there is no such class.

    A namespace is below its controller, or, where several controllers may reach it (native multipath), below the
    subsystem that has them; the controller has a hidden disk then, without a node, called after both:

        /sys/class/nvme/nvme0 -> ../../devices/pci0000:00/0000:00:03.0/0000:01:00.0/nvme/nvme0
        /sys/devices/pci0000:00/0000:00:03.0/0000:01:00.0/nvme/nvme0/nvme2c0n1/hidden      1
        /sys/class/nvme-subsystem/nvme-subsys2 -> ../../devices/virtual/nvme-subsystem/nvme-subsys2
        /sys/devices/virtual/nvme-subsystem/nvme-subsys2/nvme0 -> ../../../pci0000:00/…/nvme/nvme0
        /sys/devices/virtual/nvme-subsystem/nvme-subsys2/nvme2n1, and ng2n1
    """
    names = host.listdir(_CLASS)
    subsystems = _read_subsystems(host)
    for name in names:
        try:
            yield _read(host, Kobject(host, f"{_CLASS}/{name}"), name, subsystems.get(name))
        except HostError:  # disconnected meanwhile
            continue


def _read_subsystems(host: Host) -> Mapping[str, Kobject]:
    """Return the subsystem that each controller is of; Linux before 4.15 knows none."""
    found = [Kobject(host, f"{_SUBSYSTEMS}/{name}") for name in host.names(_SUBSYSTEMS)]
    return {name: one for one in found for name in one.names if _CONTROLLER.fullmatch(name)}


def _read(host: Host, here: Kobject, name: str, subsystem: Kobject | None) -> Controller:
    function = read_function(host, here.path)
    try:
        namespaces, failure = tuple(_namespaces(host, here, subsystem)), None
    except HostError as error:
        namespaces, failure = (), error.message
    return Controller(
        name=name,
        path=here.path,
        function=function,
        subsystem=subsystem.path.rpartition("/")[2] if subsystem is not None else None,
        transport=here.text("transport"),
        type=here.text("cntrltype"),
        state=here.text("state"),
        model=here.text("model") or None,
        serial=here.text("serial") or None,
        firmware=here.text("firmware_rev") or None,
        namespaces=namespaces,
        unread=(*here.unread, *(function.unread if function is not None else ())),
        failure=failure,
    )


def _namespaces(host: Host, here: Kobject, subsystem: Kobject | None) -> Iterator[Namespace]:
    """Yield the namespaces of a controller; raise `HostError` where one cannot be read, since it may be in use."""
    blocks, generics = _numbered(here, _NAMESPACE), _numbered(here, _GENERIC)
    for number in sorted({*blocks, *generics}):
        way, generic = blocks.get(number), generics.get(number)
        place = f"{here.path}/{way}" if way is not None else None
        if way is not None and "c" in way and subsystem is not None:
            head = _numbered(subsystem, _NAMESPACE).get(number)
            generic_head = _numbered(subsystem, _GENERIC).get(number)
            place = f"{subsystem.path}/{head}" if head is not None else None
            generic = f"{subsystem.path}/{generic_head}" if generic_head is not None else None
        elif generic is not None:
            generic = f"{here.path}/{generic}"
        block = read_block(host, place) if place is not None else None
        kobject = Kobject(host, place or generic or f"{here.path}/{way}")
        owner = subsystem.path if subsystem is not None else here.path
        yield Namespace(
            name=kobject.path.rpartition("/")[2],
            identity=kobject.text("wwid") or f"{owner}/{kobject.text('nsid') or kobject.path}",
            block=block,
            generic=generic,
        )


def _numbered(kobject: Kobject, pattern: re.Pattern[str]) -> dict[int, str]:
    matches = (pattern.fullmatch(name) for name in kobject.names)
    return {int(match[1]): match[0] for match in matches if match is not None}
