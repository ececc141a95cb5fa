"""Addresses of a host, in the forms in which the kernel's tables write them."""

from __future__ import annotations

__all__ = ["is_link_local", "is_swapped", "parse_addresses", "v4_of", "v6_of"]

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Container, Iterator

_FIELDS = 6
_V4_DIGITS = 8
_MAPPED = ("0000000000000000FFFF0000", "00000000000000000000FFFF")  # ::ffff:0:0/96, by order of bytes
_LINK_LOCAL = 0xFE80 >> 6  # the first ten bits of fe80::/10


def parse_addresses(text: str) -> Iterator[tuple[str, str]]:
    """Yield each address of /proc/net/if_inet6 with its interface.

    fd000000000000000000000000000002 04 40 00 82     eth0
    """
    for fields in map(str.split, text.splitlines()):
        if len(fields) >= _FIELDS:
            yield fields[0], fields[5]


def v4_of(address: str) -> str | None:
    """Return the address of IPv4 that /proc/net/tcp has, or, mapped to one of IPv6, /proc/net/tcp6."""
    if len(address) == _V4_DIGITS:
        return address
    return address[-_V4_DIGITS:] if address[:-_V4_DIGITS] in _MAPPED else None


def v6_of(address: str, *, swapped: bool) -> str:
    """Return an address of /proc/net/tcp6, four numbers in the machine's order of bytes, as other tables write it.

    And the other way round.
    """
    words = (address[start : start + 8] for start in range(0, len(address), 8))
    return "".join(bytes.fromhex(word)[:: -1 if swapped else 1].hex() for word in words)


def is_swapped(address: str, addresses: Container[str]) -> bool:
    """Return whether the bytes of a local address of /proc/net/tcp6 are in little-endian order, as on most machines.

    The machine may not be the one that we run on: what /proc/net/if_inet6 has decides.
    """
    return v6_of(address, swapped=True) in addresses or v6_of(address, swapped=False) not in addresses


def is_link_local(address: str) -> bool:
    """Return whether an address of IPv6 means another thing on each interface."""
    return int(address[:4], 16) >> 6 == _LINK_LOCAL
