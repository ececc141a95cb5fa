"""Whatever becomes of a host: the comparison says something exactly when something differs, and never fails."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import cdi
from cdi.errors import CdiError
from cdi.freshness import compare
from cdi.host import Host
from cdi.registry import Registry

HOSTS = Path(__file__).parents[2] / "spec-examples/hosts"
SMALL = {"a100-mig": "nvidia-gpu", "amd-igpu-dgpu": "amd-gpu", "cloud-vm": "netdev", "flex-sriov": "intel-gpu"}
TREES = {name: (HOSTS / name / "host.tree").read_text().splitlines() for name in SMALL}


@pytest.mark.parametrize("name", SMALL)
@given(data=st.data())
def test_a_host_without_some_of_its_files(name: str, data: st.DataObject) -> None:
    lines = TREES[name]
    gone = data.draw(st.sets(st.integers(0, len(lines) - 1), max_size=8))
    before = Host.from_tree("\n".join(lines))
    after = Host.from_tree("\n".join(line for i, line in enumerate(lines) if i not in gone))
    with tempfile.TemporaryDirectory() as directory:
        for spec in cdi.generate(cdi.discover(before, [SMALL[name]])):
            cdi.write(spec, directory)
        try:
            discovery = cdi.discover(after, [SMALL[name]])
        except CdiError:
            return
        installed = Registry.load([directory])
        for one in compare(discovery, installed, after):
            assert one.fresh == (not one.findings)
            if not one.written:
                differing = [change for change in one.changes if not change.reordered]
                of_the_host = [finding for finding in one.findings if finding.cause == "hook-missing"]
                assert one.findings if differing else of_the_host == list(one.findings), one
            assert all(finding.message and finding.hint for finding in one.findings)
        for spec in cdi.generate(discovery):
            cdi.write(spec, directory)
        present = {spec.kind for spec in cdi.generate(discovery)}
        again = compare(discovery, Registry.load([directory]), after)
        assert {one.kind for one in again if one.changes and one.kind in present and not one.written} == set()
