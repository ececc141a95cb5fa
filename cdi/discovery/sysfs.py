"""Kernel objects: a directory of sysfs, its attributes as text and numbers."""

from __future__ import annotations

__all__ = ["Kobject", "parse_number", "parse_uevent"]

from typing import TYPE_CHECKING

from cdi.host import HostError
from cdi.host.kernel_nodes import parse_uevent

if TYPE_CHECKING:
    from cdi.host import Host


class Kobject:
    """A directory of sysfs. What it lacks is None; what cannot be read is None too, and noted in `unread`.

    /sys/class/net/eth1 is a link; its target, with the names of all parents in it, is `path`:

        /sys/class/net/eth1 -> ../../devices/pci0000:00/0000:00:03.0/virtio2/net/eth1
    """

    def __init__(self, host: Host, path: str) -> None:
        self._host = host
        self.path = host.resolve(path)
        self.names = frozenset(host.listdir(self.path, natural=False))
        self.unread: list[str] = []

    def text(self, name: str) -> str | None:
        """Return an attribute without the white space around it."""
        if name not in self.names:
            return None
        try:
            return self._host.read_text(f"{self.path}/{name}").strip()
        except HostError as error:
            self._note(error)
            return None

    def number(self, name: str) -> int | None:
        """Return an attribute that is a number, decimal or hexadecimal."""
        text = self.text(name)
        if not text:
            return None
        number = parse_number(text)
        if number is None:
            self.unread.append(f"{self.path}/{name} is {text!r}, not a number")
        return number

    def uevent(self) -> dict[str, str]:
        """Return the variables of `uevent`: DEVNAME, DEVTYPE, DRIVER, PCI_ID and more."""
        return parse_uevent(self.text("uevent") or "")

    def target(self, name: str) -> str | None:
        """Return the name of what a link leads to: `mlx5_core` for `driver`."""
        if name not in self.names:
            return None
        try:
            return self._host.readlink(f"{self.path}/{name}").rstrip("/").rpartition("/")[2]
        except HostError as error:
            self._note(error)
            return None

    def below(self, name: str) -> Kobject | None:
        """Return the kernel object that an entry is, or leads to."""
        if name not in self.names:
            return None
        try:
            return Kobject(self._host, f"{self.path}/{name}")
        except HostError as error:
            self._note(error)
            return None

    def _note(self, error: HostError) -> None:
        if not error.absent:
            self.unread.append(error.message)


def parse_number(text: str) -> int | None:
    """Return the number that an attribute writes as `1500` or `0x1af4`, or None."""
    digits = text.strip()
    if not digits.isascii():
        return None
    try:
        return int(digits, 16 if digits[:2].lower() == "0x" else 10)
    except ValueError:
        return None
