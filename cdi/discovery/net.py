"""Network interfaces: what /sys/class/net says of each."""

from __future__ import annotations

__all__ = ["Interface", "read_interface"]

import errno
from typing import TYPE_CHECKING

import msgspec

from cdi.discovery.pci import Function, parse_subfunction, read_function
from cdi.discovery.sysfs import Kobject
from cdi.host import HostError
from cdi.host.udev import UdevNames, read_udev_names

if TYPE_CHECKING:
    from cdi.host import Host

_INFINIBAND = 32
_LINK_TYPES = {1: "ether", _INFINIBAND: "infiniband"}  # linux/if_arp.h


class Interface(msgspec.Struct, frozen=True, kw_only=True):
    """A network interface; sizes and speeds as the kernel gives them (bytes, Mbit/s)."""

    name: str
    path: str  # in /sys/devices
    hardware: int | None = None  # ARPHRD_*: 1 Ethernet, 32 InfiniBand, 772 loopback
    flags: int = 0
    index: int | None = None
    link: int | None = None  # ifindex of the peer or of what it is built on; its own when there is none
    devtype: str | None = None
    driver: str | None = None
    function: Function | None = None
    mac: str | None = None
    mtu: int | None = None
    state: str | None = None
    speed: int | None = None
    port_name: str | None = None
    switch: str | None = None  # phys_switch_id, the same for all ports of a switch
    master: str | None = None
    uppers: tuple[str, ...] = ()
    lowers: tuple[str, ...] = ()
    partition_of: str | None = None  # of a partition of InfiniBand, ib0.8001: ib0, which does not know of it
    marks: frozenset[str] = frozenset()  # of `MARKS`, those that it has
    by_udev: UdevNames = UdevNames()
    unread: tuple[str, ...] = ()

    @property
    def virtual(self) -> bool:
        """Whether no hardware is behind it."""
        return "/devices/virtual/" in self.path

    @property
    def subfunction(self) -> str | None:
        """The part of a PCI function that it belongs to, by its name on the auxiliary bus: `mlx5_core.sf.4`."""
        return parse_subfunction(self.path)

    @property
    def link_type(self) -> str | None:
        """`ether` or `infiniband`."""
        return _LINK_TYPES.get(self.hardware or 0)

    @property
    def attributes(self) -> dict[str, str | int | bool | None]:
        """What is known of it; what is not is None."""
        return {
            "driver": self.driver or (self.function.driver if self.function is not None else None),
            "state": self.state,
            "speedMbps": self.speed,
            "mtu": self.mtu,
            "mac": self.mac,
            "linkType": self.link_type,
        }


# Entries that only one type of interface has.
MARKS = frozenset({"bonding", "bridge", "ipvtap", "macvtap", "phy80211", "tun_flags"})


def read_interface(host: Host, name: str) -> Interface | None:
    """Return an interface, or None for what is none: /sys/class/net/bonding_masters is a file."""
    try:
        here = Kobject(host, f"/sys/class/net/{name}")
    except HostError as error:
        if error.code == errno.ENOTDIR:
            return None
        raise
    device = here.below("device")
    function = read_function(host, device.path) if device is not None else None
    by_udev = host.once(read_udev_names).get(name, UdevNames())
    unsettled = ("udev has not finished with it: it may get another name",) if by_udev.pending else ()
    speed = here.number("speed")
    hardware = here.number("type")
    partition_of = here.text("parent") if hardware == _INFINIBAND else None
    return Interface(
        name=name,
        path=here.path,
        hardware=hardware,
        flags=here.number("flags") or 0,
        index=here.number("ifindex"),
        link=here.number("iflink"),
        devtype=here.uevent().get("DEVTYPE"),
        driver=device.target("driver") if device is not None else None,
        function=function,
        mac=here.text("address") or None,
        mtu=here.number("mtu"),
        state=here.text("operstate"),
        speed=speed if speed is not None and speed > 0 else None,  # -1: unknown
        port_name=here.text("phys_port_name") or None,
        switch=here.text("phys_switch_id") or None,
        master=here.target("master"),
        uppers=_stacked(here, "upper_"),
        lowers=(*_stacked(here, "lower_"), *((partition_of,) if partition_of else ())),
        partition_of=partition_of or None,
        marks=here.names & MARKS,
        by_udev=by_udev,
        unread=(*here.unread, *(function.unread if function is not None else ()), *unsettled),
    )


def _stacked(here: Kobject, prefix: str) -> tuple[str, ...]:
    return tuple(sorted(name[len(prefix) :] for name in here.names if name.startswith(prefix)))
