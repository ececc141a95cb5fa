"""The CDI 1.1.0 spec as values: frozen, in the order of the CDI spec, each field with the version that added it.

An optional string that is absent is None. The reference library does not tell an absent string or
number from an empty or zero one, except where a comment says so; code that asks "is it set" tests
truth, not `is None`.
"""

from __future__ import annotations

__all__ = [
    "NO_EDITS",
    "ContainerEdits",
    "Device",
    "DeviceNode",
    "Hook",
    "IntelRdt",
    "Mount",
    "NetDevice",
    "Spec",
]

from collections.abc import Mapping  # noqa: TC003 - msgspec reads the annotations
from typing import Annotated

import msgspec
from msgspec import field

from cdi.names import QualifiedName, split_kind

# Sizes as in the reference's Go types: int64, uint32.
Int64 = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
UInt32 = Annotated[int, msgspec.Meta(ge=0, le=2**32 - 1)]


class _Value(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, gc=False):
    """What all parts of a spec share: immutable, built by keyword, written without absent fields.

    No part refers back to another, so the garbage collector need not look: that halves the time to load many specs.
    """


class DeviceNode(_Value, frozen=True, kw_only=True):
    """A device node to make in the container (SPEC.md, `deviceNodes`)."""

    path: str
    host_path: str | None = field(default=None, name="hostPath")  # 0.5.0
    type: str | None = None  # b, c, u, p
    major: Int64 | None = None
    minor: Int64 | None = None
    file_mode: UInt32 | None = field(default=None, name="fileMode")  # None: as on the host; 0 is a mode
    permissions: str | None = None  # of r, w, m; or "none"
    uid: UInt32 | None = None  # None: the process's; 0 is root
    gid: UInt32 | None = None


class NetDevice(_Value, frozen=True, kw_only=True):
    """A network interface to move into the container (SPEC.md, `netDevices`, 1.1.0)."""

    host_interface_name: str = field(name="hostInterfaceName")
    name: str


class Mount(_Value, frozen=True, kw_only=True):
    """A mount to make in the container (SPEC.md, `mounts`)."""

    host_path: str = field(name="hostPath")
    container_path: str = field(name="containerPath")
    options: tuple[str, ...] = ()
    type: str | None = None  # 0.4.0


class Hook(_Value, frozen=True, kw_only=True):
    """An OCI hook to run (SPEC.md, `hooks`); `timeout` in seconds."""

    hook_name: str = field(name="hookName")
    path: str
    args: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    timeout: Int64 | None = None  # None: no limit


class IntelRdt(_Value, frozen=True, kw_only=True):
    """Cache and memory bandwidth settings (SPEC.md, `intelRdt`, 0.7.0)."""

    clos_id: str | None = field(default=None, name="closID")
    l3_cache_schema: str | None = field(default=None, name="l3CacheSchema")
    mem_bw_schema: str | None = field(default=None, name="memBwSchema")
    schemata: tuple[str, ...] | None = None  # 1.1.0; an empty list counts as used
    enable_monitoring: bool = field(default=False, name="enableMonitoring")  # 1.1.0


class ContainerEdits(_Value, frozen=True, kw_only=True):
    """What to change in a container's OCI spec (SPEC.md, `containerEdits`)."""

    env: tuple[str, ...] = ()
    device_nodes: tuple[DeviceNode, ...] = field(default=(), name="deviceNodes")
    net_devices: tuple[NetDevice, ...] = field(default=(), name="netDevices")  # 1.1.0
    hooks: tuple[Hook, ...] = ()
    mounts: tuple[Mount, ...] = ()
    intel_rdt: IntelRdt | None = field(default=None, name="intelRdt")  # 0.7.0
    additional_gids: tuple[UInt32, ...] = field(default=(), name="additionalGids")  # 0.7.0

    def __bool__(self) -> bool:
        """Whether there is anything to apply; a device without is invalid."""
        return bool(
            self.env
            or self.device_nodes
            or self.net_devices
            or self.hooks
            or self.mounts
            or self.intel_rdt is not None
            or self.additional_gids
        )


NO_EDITS = ContainerEdits()


class Device(_Value, frozen=True, kw_only=True):
    """A device of a spec (SPEC.md, `devices`)."""

    name: str
    annotations: Mapping[str, str] = field(default_factory=dict)  # 0.6.0
    container_edits: ContainerEdits = field(name="containerEdits")


class Spec(_Value, frozen=True, kw_only=True):
    """A CDI spec: one kind, its devices, and edits that every one of them brings (SPEC.md)."""

    cdi_version: str = field(name="cdiVersion")
    kind: str
    annotations: Mapping[str, str] = field(default_factory=dict)  # 0.6.0
    devices: tuple[Device, ...]
    container_edits: ContainerEdits = field(default=NO_EDITS, name="containerEdits")

    @property
    def vendor(self) -> str:
        """The part of `kind` before the slash."""
        return split_kind(self.kind)[0]

    @property
    def class_(self) -> str:
        """The part of `kind` after the slash."""
        return split_kind(self.kind)[1]

    def qualified_name(self, device: Device) -> QualifiedName:
        """Return `kind=name` of one of this spec's devices."""
        return QualifiedName(self.vendor, self.class_, device.name)
