"""The format of pools, the configuration of the SR-IOV network device plugin (pkg/types/types.go in its sources)."""

from __future__ import annotations

__all__ = ["ACCELERATOR", "AUXILIARY", "NETWORK", "PREFIX", "Pool", "PoolFile", "Selector", "selectors_of"]

from typing import Literal

import msgspec
from msgspec import field

NETWORK, ACCELERATOR, AUXILIARY = "netDevice", "accelerator", "auxNetDevice"
PREFIX = "host.local"  # of pools that have none; the plugin's is what its --resource-prefix says


class _Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel", gc=False):
    """What all parts of the file share."""


class Selector(_Part, frozen=True, kw_only=True):
    """What a function must be: of each list it has one, and an empty list asks for nothing.

    Three say what a container gets as well: `is_rdma`, `vdpa_type` and `need_vhost_net`.
    """

    vendors: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    drivers: tuple[str, ...] = ()
    pci_addresses: tuple[str, ...] = ()
    acpi_indexes: tuple[str, ...] = ()
    aux_types: tuple[str, ...] = ()
    pf_names: tuple[str, ...] = ()
    root_devices: tuple[str, ...] = ()
    link_types: tuple[str, ...] = ()
    ddp_profiles: tuple[str, ...] = ()
    p_keys: tuple[str, ...] = ()
    is_rdma: bool = False
    vdpa_type: Literal["virtio", "vhost"] | None = None
    need_vhost_net: bool = False


class Pool(_Part, frozen=True, kw_only=True):
    """Functions that one of the selectors takes, each a device of the kind `resourcePrefix/resourceName`."""

    resource_name: str
    resource_prefix: str = PREFIX
    device_type: Literal["netDevice", "accelerator", "auxNetDevice"] = "netDevice"
    exclude_topology: bool = False  # of no meaning: it is for the kubelet
    selectors: Selector | tuple[Selector, ...]
    additional_info: dict[str, dict[str, str]] = field(default_factory=dict[str, "dict[str, str]"])

    @property
    def kind(self) -> str:
        """`vendor/class`."""
        return f"{self.resource_prefix}/{self.resource_name}"


class PoolFile(_Part, frozen=True, kw_only=True):
    """The pools of a file, in their order."""

    resource_list: tuple[Pool, ...]


def selectors_of(pool: Pool) -> tuple[Selector, ...]:
    """Return the selectors of a pool, written as one or as a list."""
    return (pool.selectors,) if isinstance(pool.selectors, Selector) else pool.selectors
