"""Whatever comes in, what comes out is a report, a value or one of our own errors."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace

from cdi.encode import dump
from cdi.errors import CdiError, InvalidName
from cdi.names import parse_name
from cdi.oci import NodeInfo, inject
from cdi.problem import Problem
from cdi.report import Report, check, locate
from cdi.schema import schema, schema_problems
from tests.strategies import damaged, device_names, edits, entries, kinds, specs, vectors

if TYPE_CHECKING:
    from cdi.model import ContainerEdits

TEXTS = [vector["text"] for vector in vectors()]
LATEST = schema()

documents = st.sampled_from(TEXTS) | specs().map(dump)
inputs = st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode()) | damaged(documents)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


@given(inputs, st.sampled_from(("spec.yaml", "spec.json", "")))
@example(b"", "spec.json")
@example(b"\xef\xbb\xbf{}", "spec.json")
@example(b"\xff\xfea\x00", "spec.yaml")
def test_any_bytes_give_a_report_with_a_place_for_each_error(raw: bytes, source: str) -> None:
    report = check(raw, source=source)
    assert isinstance(report, Report)
    assert report.valid != any(problem.severity == "error" for problem in report.problems)
    assert all(problem.message and problem.line and problem.column for problem in report.problems)


@given(inputs)
def test_what_is_valid_stays_valid_when_written_again(raw: bytes) -> None:
    spec = check(raw).spec
    if spec is not None:
        assert check(dump(spec)).spec == spec


@given(inputs)
def test_any_bytes_can_be_held_against_a_schema(raw: bytes) -> None:
    problems = list(schema_problems(raw, LATEST))
    assert all(problem.message for problem in problems)


@given(inputs, st.text(max_size=20))
def test_locating_keeps_every_problem(raw: bytes, where: str) -> None:
    problem = Problem(severity="error", rule="any", message="anything", where=where)
    found = locate(raw, [problem])
    assert [replace(p, line=None, column=None) for p in found] == [problem]


@given(st.text(max_size=40) | st.builds("{}={}".format, kinds, device_names))
def test_any_text_is_a_qualified_name_or_an_invalid_one(text: str) -> None:
    with suppress(InvalidName):
        assert str(parse_name(text)) == text


@given(st.builds("{}={}".format, kinds, device_names))
def test_a_well_formed_name_parses(text: str) -> None:
    assert str(parse_name(text)) == text


OCI: dict[str, Any] = {
    "ociVersion": "1.2.0",
    "process": {"user": {"uid": 0, "gid": 0}, "env": ["PATH=/bin"], "args": ["sh"]},
    "mounts": [{"destination": "/proc", "type": "proc", "source": "proc"}],
    "linux": {"namespaces": [{"type": "user"}], "devices": [], "resources": {"devices": []}},
    "x-unknown": {"kept": True},
}


def node_at(path: str) -> NodeInfo | None:
    return NodeInfo(type="c", major=1, minor=3, mode=0o666) if len(path) % 2 else None


@st.composite
def odd_oci_specs(draw: st.DrawFn) -> dict[str, Any]:
    """An OCI spec with some part replaced by something that does not belong there."""
    oci: dict[str, Any] = json.loads(json.dumps(OCI))
    part: Any = oci
    while keys := [key for key, _ in entries(part)]:
        key = draw(st.sampled_from(keys))
        if not entries(part[key]) or draw(st.booleans()):
            part[key] = draw(json_values)
            break
        part = part[key]
    return oci


@given(odd_oci_specs() | json_values, edits)
def test_injection_gives_a_new_spec_or_says_why_not(oci: Any, added: ContainerEdits) -> None:
    before = repr(oci)
    with suppress(CdiError):
        inject(oci, added, node_at=node_at)
    assert repr(oci) == before


@given(edits)
def test_injection_keeps_what_it_does_not_know(added: ContainerEdits) -> None:
    try:
        after = inject(OCI, added, node_at=lambda _: NodeInfo(type="c", major=1, minor=3, mode=0o666))
    except CdiError:
        return
    assert (after["x-unknown"], after["ociVersion"], after["process"]["args"]) == ({"kept": True}, "1.2.0", ["sh"])
