"""Whatever stands in a file of pools: an answer, never an exception, and what is valid can be discovered."""

from __future__ import annotations

import json
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from cdi.discovery import discover, host_families
from cdi.discovery.pools import read_pools
from cdi.discovery.pools.format import Pool, Selector
from cdi.encode import dump
from cdi.generation import generate
from cdi.host import Host
from cdi.report import check

EXAMPLES = Path(__file__).parents[2] / "spec-examples"
HOST = Host.load(EXAMPLES / "hosts/switchdev")
FILES = [path.read_bytes() for path in sorted((EXAMPLES / "pools").rglob("*.*")) if path.is_file()]
WORDS = st.sampled_from(
    [
        "",
        "sf",
        "vhost",
        "15b3",
        "101e",
        "mlx5_core",
        "enp8s0f0np0#0-2",
        "0000:08:00.0#0",
        "0000:08:00.2",
        "ether",
        "a/b",
    ]
)
VALUES = st.recursive(
    WORDS | st.booleans() | st.integers() | st.none() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS | st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def names(struct: type[Pool | Selector]) -> st.SearchStrategy[str]:
    return st.sampled_from(struct.__struct_encode_fields__)


LISTS = st.lists(WORDS, min_size=1, max_size=2)
SELECTORS = st.dictionaries(names(Selector), LISTS | st.booleans() | VALUES, max_size=2)
SOUND = st.fixed_dictionaries({"resourceName": st.sampled_from(["net", "dpdk", "nic"]), "selectors": SELECTORS})
POOLS = st.builds(lambda sound, more: sound | more, SOUND, st.dictionaries(names(Pool), VALUES, max_size=1))


@given(st.binary(max_size=200) | st.sampled_from(FILES))
def test_any_bytes_give_a_report(text: bytes) -> None:
    pools, problems = read_pools(text, source="x")
    assert (pools is None) == bool(problems)
    assert all(problem.line and problem.column for problem in problems)


@given(st.lists(POOLS, max_size=3))
def test_pools_are_refused_or_make_valid_specs(pools: list[dict[str, object]]) -> None:
    text = json.dumps({"resourceList": pools}).encode()
    found, problems = read_pools(text, source="x")
    assert read_pools(text, source="x") == (found, problems)
    if found is None:
        assert problems
        return
    families = [family.name for _, family in host_families(HOST, [found])[0]]
    discovery = discover(HOST, families, pools=[found])
    owners = [one.name for one in discovery.found]
    assert len(owners) == len(set(owners))  # each function is in one pool
    for spec in generate(discovery):
        assert check(dump(spec)).problems == ()
