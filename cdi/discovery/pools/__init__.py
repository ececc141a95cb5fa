"""Pools: network functions and accelerators by selectors, in the file of the SR-IOV network device plugin."""

from __future__ import annotations

__all__ = ["PoolList", "PoolsInvalid", "families_of_pools", "parse_pools", "read_pools"]

from cdi.discovery.pools.choosing import families_of_pools
from cdi.discovery.pools.reading import PoolList, PoolsInvalid, parse_pools, read_pools
