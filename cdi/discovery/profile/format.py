"""The format of profiles: hardware as data, one YAML file a family (docs/profiles.md describes the fields)."""

from __future__ import annotations

__all__ = ["OPTIONS", "MountPattern", "NodePattern", "Profile", "SharedParts", "Subject"]

from typing import Literal

import msgspec
from msgspec import field

OPTIONS = ("ro", "nosuid", "nodev", "rbind", "rprivate")  # of mounts, unless the profile says otherwise


class _Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """What all parts of a profile share."""


class NodePattern(_Part, frozen=True, kw_only=True):
    """Further nodes: of a device, a path below its directory in sysfs or one in /dev; of all, one in /dev."""

    path: str
    optional: bool = False


class MountPattern(_Part, frozen=True, kw_only=True):
    """Files or directories that appear in the container where they are on the host.

    They are the driver's, and looked for below the driver root, unless `driver_root` is false.
    """

    path: str
    options: tuple[str, ...] = OPTIONS
    driver_root: bool = True


class SharedParts(_Part, frozen=True, kw_only=True):
    """What every device brings."""

    nodes: tuple[str | NodePattern, ...] = ()
    env: dict[str, str] = field(default_factory=dict[str, str])
    mounts: tuple[str | MountPattern, ...] = ()
    libraries: tuple[str, ...] = ()


class Subject(_Part, frozen=True, kw_only=True):
    """A device, or all devices that a pattern matches.

    `sysfs` and `node` say where to look; with neither, PCI functions are looked through. `pci`, `pci_class`,
    `drivers`, `match` and the `except_`s then say which of the things there are meant.
    """

    what: str
    sysfs: str | None = None
    node: str | None = None
    pci: tuple[str, ...] = ()
    pci_class: tuple[str, ...] = ()
    drivers: tuple[str, ...] = ()
    match: dict[str, str | tuple[str, ...]] = field(default_factory=dict[str, "str | tuple[str, ...]"])
    except_pci: tuple[str, ...] = ()
    except_drivers: dict[str, str] = field(default_factory=dict[str, str])
    nodes: tuple[str | NodePattern, ...] = ()
    by_path: bool = False
    vfio: bool = False
    permissions: str = "rw"
    env: dict[str, str] = field(default_factory=dict[str, str])
    env_lists: dict[str, str] = field(default_factory=dict[str, str])
    name: str = "{name}"
    names: dict[str, str] = field(default_factory=dict[str, str])
    also: tuple[str, ...] = ()
    attributes: dict[str, str] = field(default_factory=dict[str, str])
    caution: str | None = None


class Profile(_Part, frozen=True, kw_only=True):
    """A family: its name, the kind of its devices, where they are, and what they share."""

    version: Literal[1]
    family: str
    kind: str
    summary: str
    experimental: bool = False
    groups: bool = False
    hardware: tuple[str, ...] = ()
    driver: str | None = None
    devices: tuple[Subject, ...]
    shared: SharedParts = SharedParts()
