"""Schema and decoder agree: a document passes the schema of its version exactly when runtimes load it.

A schema sees plain data, one value at a time. What it cannot see by nature is listed here, each with its reason;
everything else must agree, on all recorded documents and on generated ones.
"""

from __future__ import annotations

import copy
import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from cdi.encode import dump, to_data
from cdi.report import check
from cdi.schema import schema, schema_problems
from cdi.versions import VERSIONS, at_least, needed_version
from tests.strategies import entries, specs, vectors

if TYPE_CHECKING:
    from cdi.model import Spec
    from cdi.problem import Problem
    from cdi.report import Report

# Errors that no schema can see.
UNSEEN_ERRORS = {
    "duplicate-key": "data has each key once",
    "key-type": "keys of JSON data are strings",
    "merge": "merge keys are gone from data",
    "duplicate-device": "a schema compares whole entries, not one field of them",
    "net-device-twice": "a schema compares whole entries, not one field of them",
    "rdt-closid": "a schema counts characters, runtimes count bytes",
}
# Oddities that runtimes read over and a schema does not.
UNFORGIVEN = {
    "key-case": "runtimes match keys without regard to case",
    "ambiguous-key": "runtimes match keys without regard to case",
    "scalar-conversion": "runtimes make strings of numbers and booleans",
}


@cache
def schema_of(version: str) -> dict[str, Any]:
    return schema(version)


def bare_version(report: Report) -> str:
    """The version whose schema applies: that of the document, or the latest when it has none."""
    version = (report.cdi_version or "").removeprefix("v")
    return version if version in VERSIONS else VERSIONS[-1]


def at(data: Any, where: str) -> Any:
    for step in where.replace("[", ".").replace("]", "").split("."):
        data = data[int(step) if isinstance(data, (list, tuple)) else step]
    return data


def is_zero_value(problem: Problem, data: Any) -> bool:
    """Whether a schema refuses a field that its version lacks, though it says nothing: runtimes take such."""
    return problem.message.startswith("unknown field") and at(data, problem.where) in ("", None, [], {}, False)


def disagreement(text: str) -> str | None:
    report = check(text)
    applied = schema_of(bare_version(report))
    found = list(schema_problems(text, applied))
    if report.spec is None:
        errors = {problem.rule for problem in report.problems if problem.severity == "error"}
        return None if found or errors <= UNSEEN_ERRORS.keys() else f"the schema passes what is invalid: {errors}"
    if not at_least(bare_version(report), needed_version(report.spec)):
        return None  # runtimes look for some newer fields in the last device only (rule version-misfit)
    if any(problem.rule in UNFORGIVEN for problem in report.problems):
        text = dump(report.spec, format="json")
        found = list(schema_problems(text, applied))
    data = yaml.safe_load(text)
    found = [problem for problem in found if not is_zero_value(problem, data)]
    return f"the schema refuses what is valid: {[p.render('spec') for p in found]}" if found else None


@pytest.mark.parametrize("vector", vectors(), ids=lambda vector: str(vector["id"]))
def test_schema_and_decoder_agree_on_recorded_documents(vector: dict[str, Any]) -> None:
    assert disagreement(vector["text"]) is None


def test_each_exemption_is_a_rule() -> None:
    pages = Path(__file__).parent.parent / "docs/rules"
    assert [rule for rule in (UNSEEN_ERRORS | UNFORGIVEN) if not (pages / f"{rule}.md").exists()] == []


@given(specs())
def test_schema_and_decoder_agree_on_valid_specs(spec: Spec) -> None:
    assert list(schema_problems(to_data(spec), schema_of(spec.cdi_version.removeprefix("v")))) == []


ODD_VALUES: st.SearchStrategy[Any] = st.sampled_from(
    (
        None,
        "",
        "x",
        "=",
        "a/b",
        "..",
        "none",
        "b",
        "\n",
        "0.1.0",
        "0.3.0",
        0,
        1,
        -1,
        2**32,
        2**63,
        1.5,
        2.0,
        True,
        False,
        [],
        {},
        [None],
    )
)
ODD_KEYS = st.sampled_from(
    ("extra", "Name", "type", "hostPath", "annotations", "intelRdt", "netDevices", "additionalGids", "schemata", "path")
)


def places(data: Any) -> list[tuple[Any, Any]]:
    """Every (container, key or index) in plain data."""
    return [place for key, value in entries(data) for place in ((data, key), *places(value))]


@st.composite
def odd_documents(draw: st.DrawFn) -> str:
    """A valid spec in which one to three values were replaced, removed, added or repeated."""
    data: Any = json.loads(dump(draw(specs()), format="json"))
    for _ in range(draw(st.integers(1, 3))):
        here: Any
        here, key = draw(st.sampled_from(places(data) or [({"": 0}, "")]))
        change = draw(st.sampled_from(("replace", "remove", "add", "repeat")))
        is_list = isinstance(key, int)
        if change == "replace":
            here[key] = draw(ODD_VALUES)
        elif change == "remove":
            here.pop(key)
        elif is_list:
            here.insert(key, copy.deepcopy(here[key]) if change == "repeat" else draw(ODD_VALUES))
        else:
            here[draw(ODD_KEYS)] = draw(ODD_VALUES)
    return json.dumps(data, ensure_ascii=False)


@given(odd_documents())
def test_schema_and_decoder_agree_on_odd_documents(text: str) -> None:
    assert disagreement(text) is None
