"""Tables of the network in a snapshot: whatever the addresses are, the same interfaces carry the same."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cdi.discovery.carriers import read_carriers
from cdi.host import Host
from cdi.host.tree import Tree, parse_tree
from cdi.redaction import redacted
from tests.test_carriers import address, file, routes, swapped, tcp

# Few values for each byte, so that addresses share networks of all lengths.
BYTES = st.sampled_from((0, 1, 9, 0x0A, 0x7F, 0x80, 0xC0, 0xC1, 0xFE, 0xFF))
V4 = st.lists(BYTES, min_size=4, max_size=4).filter(any).map(bytes)
V6 = st.one_of(
    st.lists(BYTES, min_size=16, max_size=16).filter(any).map(bytes),
    st.lists(BYTES, min_size=8, max_size=8).map(lambda end: bytes([0xFE, 0x80, 0, 0, 0, 0, 0, 0, *end])),
)
NAMES = st.sampled_from(("eth0", "eth1", "eth2", "eth3"))
SSH = st.just("0016")


def word(plain: bytes) -> str:
    """Return an address of IPv4 as a little-endian machine writes it."""
    return plain[::-1].hex().upper()


def masked(plain: bytes, length: int) -> bytes:
    bits = 8 * len(plain)
    mask = (1 << bits) - (1 << bits - length)
    return (int.from_bytes(plain, "big") & mask).to_bytes(len(plain), "big")


@st.composite
def v4_routes(draw: st.DrawFn) -> str:
    rows = []
    for name, plain, gateway in draw(st.lists(st.tuples(NAMES, V4, st.one_of(st.just(bytes(4)), V4)), max_size=6)):
        length = draw(st.integers(0, 32))
        mask = masked(b"\xff" * 4, length)
        rows.append(f"{name} {word(masked(plain, length))} {word(gateway)} {word(mask)} {draw(st.integers(0, 2))}")
    return routes(*rows)


@st.composite
def v6_routes(draw: st.DrawFn) -> str:
    rows = []
    for name, plain, gateway in draw(st.lists(st.tuples(NAMES, V6, st.one_of(st.just(bytes(16)), V6)), max_size=6)):
        length = draw(st.integers(0, 128))
        metric = draw(st.integers(0, 2))
        network = masked(plain, length).hex()
        rows.append(f"{network} {length:02x} {'0' * 32} 00 {gateway.hex()} {metric:08x} 0 0 00000001 {name}")
    return file("/proc/net/ipv6_route", "", *rows)


@st.composite
def hosts(draw: st.DrawFn) -> str:
    port = st.sampled_from((("0016", "D431"), ("03E2", "0801"), ("01BB", "D431")))
    v4 = draw(st.lists(st.tuples(V4, V4, port), max_size=4))
    v6 = draw(st.lists(st.tuples(V6, V6, port), max_size=4))
    own = draw(st.lists(st.tuples(V6, NAMES), max_size=3)) + [(local, "eth1") for local, _, _ in v6[:2]]
    write = draw(st.sampled_from((swapped, str.upper)))
    table = tcp(*(f"{word(a)}:{p} {word(b)}:{q} 01 0" for a, b, (p, q) in v4))
    table6 = tcp(*(f"{write(a.hex())}:{p} {write(b.hex())}:{q} 01 0" for a, b, (p, q) in v6), path="/proc/net/tcp6")
    addresses = address(*(f"{plain.hex()} {name}" for plain, name in own))
    return "".join((draw(v4_routes()), draw(v6_routes()), table, table6, addresses))


@given(tree=hosts())
def test_a_snapshot_has_the_carriers_of_its_host(tree: str) -> None:
    once = redacted(parse_tree(tree, source="host"))
    assert read_carriers(Host(source=Tree(once))) == read_carriers(Host.from_tree(tree))
    assert redacted(once) == once
