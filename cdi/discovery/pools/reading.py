"""The text of a file with pools to its value, or to all that is wrong with it, each with its line."""

from __future__ import annotations

__all__ = ["PlacedPool", "PoolList", "PoolsInvalid", "parse_pools", "read_pools"]

from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from cdi.discovery.form import Form, FormInvalid, read_form
from cdi.discovery.pools.format import Pool, PoolFile, Selector
from cdi.discovery.pools.rules import faults_of

if TYPE_CHECKING:
    from collections.abc import Container, Sequence

    from cdi.problem import Problem

_CONFIG_MAP = "this is a ConfigMap: write what is in its `data` into a file, `config.json` for example"
_FORM = Form(
    struct=PoolFile,
    what="a list of pools",
    rule="pools-invalid",
    max_bytes=1 << 20,  # one has some 2 KB
    faults=faults_of,
    needs='write {"resourceList": […]}',
    stand_ins={
        PoolFile: ({"resourceList": [{"resourceName": "any", "selectors": {}}]}, {}),
        Pool: ({"resourceName": ""}, {"deviceType": "netDevice", "selectors": {}}),
        Selector: ({}, {}),
    },
    hints={
        "data": _CONFIG_MAP,
        "selectors": "write an object of selectors, or a list of such objects",
    },
    lenient=True,
    ignored=frozenset({"selectorobj", "selectorobjs"}),  # the SR-IOV network operator writes it, as null
)


class PlacedPool(msgspec.Struct, frozen=True, kw_only=True):
    """A pool and where it stands: `pools.yaml:3:5`."""

    pool: Pool
    source: str
    line: int
    column: int

    @property
    def place(self) -> str:
        """File, line and column."""
        return f"{self.source}:{self.line}:{self.column}"


class PoolList(msgspec.Struct, frozen=True, kw_only=True):
    """The pools of a file, in their order."""

    source: str
    pools: tuple[PlacedPool, ...]

    def without(self, kinds: Container[str]) -> PoolList:
        """Return it without the pools of these kinds."""
        return replace(self, pools=tuple(one for one in self.pools if one.pool.kind not in kinds))


class PoolsInvalid(FormInvalid):
    """A file of pools that says what makes no sense; `problems` says all of it, and where."""

    def __init__(self, problems: Sequence[Problem], *, source: str) -> None:
        super().__init__("list of pools", problems, source=source, check="cdi pools")


def parse_pools(text: bytes, *, source: str) -> PoolList:
    """Return the pools of a file; raise `PoolsInvalid` when there is anything wrong with it."""
    pools, problems = read_pools(text, source=source)
    if pools is None:
        raise PoolsInvalid(problems, source=source)
    return pools


def read_pools(text: bytes, *, source: str) -> tuple[PoolList | None, tuple[Problem, ...]]:
    """Return the pools of a file, or None and what is wrong: all of one kind at once, in the order of the text."""
    reading = read_form(text, _FORM)
    if reading.value is None:
        return None, reading.problems
    nodes = [reading.places[f"resourceList[{index}]"] for index in range(len(reading.value.resource_list))]
    placed = [
        PlacedPool(pool=pool, source=source, line=node.line, column=node.column)
        for pool, node in zip(reading.value.resource_list, nodes, strict=True)
    ]
    return PoolList(source=source, pools=tuple(placed)), ()
