"""The reference library's recorded verdicts are ours, on every vector."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import cdi

VECTORS = Path(__file__).parent / "conformance"


def rows(name: str) -> list[dict[str, Any]]:
    with (VECTORS / name).open() as lines:
        return [json.loads(line) for line in lines]


def bare(value: Any) -> Any:
    """Drop what Go's zero values make ambiguous."""
    if isinstance(value, dict):
        return {k: b for k, v in value.items() if (b := bare(v)) not in (None, False, 0, "", [], {})}
    return [bare(item) for item in value] if isinstance(value, (list, tuple)) else value


def ids(case: dict[str, Any]) -> str:
    return str(case["id"])


@pytest.mark.parametrize("case", rows("spec-verdicts.jsonl"), ids=ids)
def test_spec_verdict(case: dict[str, Any]) -> None:
    want = case["expect"]
    report = cdi.check(case["text"], source=f"{case['id']}.{case['ext']}")
    assert report.valid == want["ok"], report.problems
    if want["ok"]:
        assert report.spec is not None
        assert report.minimum_version == want["min_version"]
        assert bare(json.loads(cdi.dump(report.spec, format="json"))) == bare(want["spec"])
    else:
        assert any(p.severity == "error" and p.message for p in report.problems)
    assert all(p.line is not None and p.column is not None for p in report.problems)


@pytest.mark.parametrize("case", rows("names.jsonl"), ids=ids)
def test_name_verdict(case: dict[str, Any]) -> None:
    args = case["args"]
    got: list[str] | None
    try:
        if case["op"] == "name":
            name = cdi.parse_name(args[0])
            got = [name.vendor, name.class_, name.device]
        elif case["op"] == "transient":
            got = [cdi.spec_name(args[0], args[1]), cdi.spec_name(args[0], args[1], transient_id=args[2])]
        else:
            got = list(cdi.annotation(args[0], args[1], case["devices"]))
    except cdi.InvalidName:
        got = None
    assert got == (case["expect"]["result"] if case["expect"]["ok"] else None)


@pytest.mark.parametrize("case", rows("injection.jsonl"), ids=ids)
def test_injection_verdict(case: dict[str, Any], tmp_path: Path) -> None:
    want = case["expect"]
    dirs = [tmp_path / str(n) for n in range(1 + max((f["dir"] for f in case["files"]), default=0))]
    for directory in dirs:
        directory.mkdir()
    for file in case["files"]:
        (dirs[file["dir"]] / file["name"]).write_text(file["text"])
    registry = cdi.Registry.load(dirs)
    for field in ("devices", "vendors", "classes"):
        assert sorted(map(str, getattr(registry, field))) == sorted(want[field])
    before = json.dumps(case["oci"], sort_keys=True)
    got: dict[str, Any] | None
    unresolved: tuple[str, ...]
    try:
        got = registry.inject(case["oci"], case["devices"])
    except cdi.UnresolvedDevices as error:
        got, unresolved = None, error.names
    except cdi.CdiError:
        got, unresolved = None, ()
    else:
        unresolved = ()
    assert (got is not None) == want["ok"]
    assert bare(got) == (bare(want["oci"]) if want["ok"] else None)
    assert sorted(unresolved) == sorted(want["unresolved"] or unresolved)
    assert json.dumps(case["oci"], sort_keys=True) == before
