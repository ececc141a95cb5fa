"""What udev says of network interfaces that sysfs does not: the names of their places; and its form in a host tree."""

from __future__ import annotations

__all__ = ["UdevNames", "read_udev_names", "udev_files"]

import errno
from typing import TYPE_CHECKING, Any

import msgspec

from cdi.host.source import HostError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cdi.host.host import Host

_CONTROL = "/run/udev/control"
_PLACE = "/.cdi/udev/net"
_PCI = "pci-"  # ID_PATH of what is below a PCI function: pci-0000:3b:00.0, pci-0000:00:14.0-usb-0:2:1.0
_BDF = len("0000:3b:00.0")


class UdevNames(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The names that an interface has by its place, whatever it is called (systemd.net-naming-scheme(7)).

    `pending` is an interface that udev has not finished with, as when a machine starts: it may get another name.
    """

    path: str | None = None  # ID_NET_NAME_PATH: enp59s0f0v3
    slot: str | None = None  # ID_NET_NAME_SLOT: ens1f0
    onboard: str | None = None  # ID_NET_NAME_ONBOARD: eno1
    pending: bool = False

    @property
    def names(self) -> dict[str, str]:
        """The names that there are, by their sorts."""
        sorts = {"path": self.path, "slot": self.slot, "onboard": self.onboard}
        return {sort: name for sort, name in sorts.items() if name is not None}


def read_udev_names(host: Host) -> Mapping[str, UdevNames]:
    """Return what udev says of the interfaces of a host, by their names; raise `HostError`.

    The machine itself is asked through libudev, if udev runs and pyudev is installed. Another host may hold the
    answers in files of their own, since udev's database has no form to rely on:

        /.cdi/udev/net/eth0 = {"path":"enp0s31f6","onboard":"eno1"}
    """
    if not host.is_here:
        return dict(_recorded(host))
    return dict(_asked()) if host.exists(_CONTROL) else {}


def udev_files(host: Host) -> dict[str, bytes]:
    """Return what udev says here as files of a host tree; a tree that has such files gives none, it has been read."""
    said = read_udev_names(host) if host.is_here else {}
    return {f"{_PLACE}/{name}": msgspec.json.encode(names) + b"\n" for name, names in said.items()}


def _asked() -> Iterator[tuple[str, UdevNames]]:
    try:
        import pyudev  # type: ignore[import-untyped]  # noqa: PLC0415 - optional, and slow to import

        devices = pyudev.Context().list_devices(subsystem="net")
    except (ImportError, OSError):  # the one for want of libudev, too
        return
    for device in devices:
        names = _names(device)
        if names is not None and names != UdevNames():
            yield device.sys_name, names


def _names(device: Any) -> UdevNames | None:
    """Return what there is about a device; None if that is about another one.

    The database knows interfaces by their index, which another network namespace has given to another interface.
    """
    said = device.properties
    place = said.get("ID_PATH", "")
    if place.startswith(_PCI) and f"/{place[len(_PCI) :][:_BDF]}/" not in device.sys_path:
        return None
    return UdevNames(
        path=said.get("ID_NET_NAME_PATH"),
        slot=said.get("ID_NET_NAME_SLOT"),
        onboard=said.get("ID_NET_NAME_ONBOARD"),
        pending=not device.is_initialized,
    )


def _recorded(host: Host) -> Iterator[tuple[str, UdevNames]]:
    for name in host.names(_PLACE):
        path = f"{_PLACE}/{name}"
        try:
            yield name, msgspec.json.decode(host.read_bytes(path), type=UdevNames)
        except msgspec.DecodeError as error:
            raise HostError(path, "read", OSError(errno.EINVAL, f"not what udev says: {error}")) from error
