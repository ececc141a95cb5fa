"""A report says everything that is wrong with a document, where it stands, and in bounded time."""

from __future__ import annotations

import json
import os
import tracemalloc
from time import process_time

import pytest

import cdi
from cdi.document import MAX_BYTES, MAX_DEPTH
from cdi.problem import Problem
from cdi.report import locate

GOOD = "cdiVersion: 0.3.0\nkind: vendor.com/gpu\ndevices:\n- name: gpu0\n  containerEdits:\n    env: [A=b]\n"
GOOD_JSON = (
    '{"cdiVersion": "0.3.0", "kind": "vendor.com/gpu",'
    ' "devices": [{"name": "gpu0", "containerEdits": {"env": ["A=b"]}}]}'
)


def lines(text: str | bytes, source: str = "x.yaml") -> list[str]:
    return [p.render(source) for p in cdi.check(text, source=source).problems]


def rules(text: str | bytes, source: str = "x.yaml") -> list[str]:
    return [p.rule for p in cdi.check(text, source=source).problems]


def test_a_good_spec_has_no_problems() -> None:
    report = cdi.check(GOOD, source="x.yaml")
    assert (report.valid, report.problems, report.kind, report.devices) == (True, (), "vendor.com/gpu", 1)
    assert cdi.check(GOOD_JSON, source="x.json").spec == report.spec


def test_every_problem_is_reported_not_the_first() -> None:
    text = (
        "cdiVersion: 0.3.0\n"
        "kind: vendor.com\n"
        "devices:\n"
        "- name: a b\n"
        "  containerEdits:\n"
        "    env: [NOVALUE]\n"
        "    hooks:\n"
        "    - hookName: sometimes\n"
        "      path: bin/x\n"
        "      timeout: 0\n"
    )
    assert [line.partition(": ")[0] + " " + line.rpartition(" ")[2] for line in lines(text)] == [
        "x.yaml:2:7 [kind]",
        "x.yaml:4:9 [device-name]",
        "x.yaml:6:11 [env]",
        "x.yaml:8:17 [hook-name]",
        "x.yaml:9:13 [path]",
        "x.yaml:10:16 [hook-timeout]",
    ]


def test_type_problems_do_not_hide_each_other() -> None:
    text = "cdiVersion: [1]\nkind: {}\ndevices: x\nfoo: 1\ncontainerEdits: {env: 1, foo: 2}\n"
    assert rules(text) == ["wrong-type", "wrong-type", "wrong-type", "unknown-field", "wrong-type", "unknown-field"]


def test_rules_look_at_what_is_left_of_a_broken_document() -> None:
    text = (
        GOOD.replace("0.3.0", "9.9.9")
        + "- {name: a b, containerEdits: {envs: []}}\n- {name: a b, containerEdits: {env: 1}}\n"
    )
    assert rules(text) == [
        "version-unknown",
        "device-name",
        "unknown-field",
        "duplicate-device",
        "device-name",
        "wrong-type",
    ]


def test_columns_count_characters() -> None:
    text = 'cdiVersion: 0.3.0\nkind: "é/ü"\ndevices: [{name: "äöü", nope: 1, containerEdits: {env: [A=b]}}]\n'
    found = {p.rule: (p.line, p.column) for p in cdi.check(text).problems}
    assert found["unknown-field"] == (3, 25)


def test_an_unknown_field_offers_the_nearest() -> None:
    text = GOOD.replace("env:", "envs:")
    problems = cdi.check(text).problems
    assert problems[0].message == "unknown field 'envs'"
    assert problems[0].hint == "did you mean 'env'?"


@pytest.mark.parametrize(
    ("written", "becomes"),
    [("0", "0"), ("010", "8"), ("0o10", "8"), ("1e3", "1000"), ("yes", "true"), ("1.50", "1.5")],
)
def test_a_scalar_that_changes_is_a_warning(written: str, becomes: str) -> None:
    report = cdi.check(GOOD.replace("gpu0", written).replace("0.3.0", "0.5.0"))
    assert report.spec is not None
    assert report.spec.devices[0].name == becomes
    assert "scalar-conversion" in [p.rule for p in report.problems]


def test_a_null_entry_is_an_error_that_says_why() -> None:
    for key in ("deviceNodes", "mounts", "hooks", "netDevices"):
        text = GOOD + f"    {key}:\n    -\n"
        found = [p for p in cdi.check(text).problems if p.rule != "version-too-low"]
        assert [(p.rule, p.line, p.severity) for p in found] == [("null-entry", 8, "error")]
        assert "crash" in (found[0].hint or "")


def test_what_only_a_yaml_parser_reads_is_a_warning_in_json() -> None:
    report = cdi.check(GOOD_JSON[:-1] + ",}", source="x.json")
    assert report.valid
    assert [p.rule for p in report.problems] == ["not-json"]
    assert rules(GOOD, "x.json") == ["not-json"]
    assert rules(GOOD_JSON[:-1] + ",}", "x.yaml") == []


def test_escapes_are_those_of_yaml() -> None:
    assert not cdi.check(GOOD_JSON.replace("A=b", "A=\\/b"), source="x.json").valid
    assert not cdi.check(GOOD_JSON.replace("A=b", "A=\\ud83d\\ude00"), source="x.json").valid
    assert cdi.check(GOOD_JSON.replace("A=b", "A=\\u00e9\\t"), source="x.json").valid
    assert cdi.check(GOOD_JSON.replace("A=b", "A=\\'x"), source="x.yaml").valid
    problem = cdi.check('\n\n["a\\\\b/",\n "c/d\\/"]').problems[0]
    assert (problem.rule, problem.line, problem.column) == ("syntax", 4, 6)


def test_colons_in_brackets_are_read_as_runtimes_do() -> None:
    report = cdi.check(GOOD.replace("A=b", "A=b:, C=d:"))
    assert report.spec is not None
    assert report.spec.devices[0].container_edits.env == ("A=b:", "C=d:")


def test_only_the_first_document_counts() -> None:
    report = cdi.check(GOOD + "---\n" + GOOD)
    assert report.valid
    assert [(p.rule, p.line) for p in report.problems] == [("extra-document", 7)]
    assert rules(GOOD_JSON + "\n garbage", "x.yaml") == ["extra-document"]


def test_repeated_keys_are_errors_and_say_where_the_first_stands() -> None:
    problem = cdi.check(GOOD + "kind: vendor.com/nic\n").problems[0]
    assert (problem.rule, problem.line) == ("duplicate-key", 7)
    assert "line 2" in problem.message


def test_keys_that_differ_in_case_are_resolved_as_the_reference_does() -> None:
    report = cdi.check(GOOD + "KIND: other.com/nic\n")
    assert report.kind == "vendor.com/gpu"
    assert {p.rule for p in report.problems} == {"key-case", "ambiguous-key"}


def test_merge_keys_and_aliases_are_followed() -> None:
    text = (
        "cdiVersion: 0.3.0\nkind: vendor.com/gpu\ndevices:\n"
        "- name: a\n  containerEdits: &e {env: [A=b]}\n"
        "- name: b\n  containerEdits: *e\n"
        "- <<: {name: c}\n  containerEdits: {<<: *e}\n"
    )
    report = cdi.check(text)
    assert report.spec is not None
    assert {d.container_edits for d in report.spec.devices} == {report.spec.devices[0].container_edits}


def test_a_text_in_utf_16_is_read() -> None:
    assert cdi.check(GOOD.encode("utf-16")).valid


def test_locate_fills_in_lines_and_leaves_others() -> None:
    asked = [
        Problem(severity="error", rule="r", message="m", where="devices[0].containerEdits.env[0]"),
        Problem(severity="error", rule="r", message="m", where="devices[0].annotations.nothing"),
        Problem(severity="error", rule="r", message="m", where="kind", line=77, column=7),
    ]
    assert [(p.line, p.column) for p in locate(GOOD, asked)] == [(4, 3), (6, 11), (77, 7)]
    assert locate("[", asked) == tuple(asked)


def bomb() -> str:
    rows = ["a: &a [x, x, x, x, x, x, x, x, x]"]
    rows += [f"{c}: &{c} [{', '.join([f'*{chr(ord(c) - 1)}'] * 9)}]" for c in "bcdefghijklmnopqrs"]
    return "\n".join(rows)


HOSTILE: dict[str, tuple[str | bytes, str]] = {
    "empty": (b"", "empty"),
    "spaces": (b" \n" * 1000, "empty"),
    "binary": (bytes(range(128, 256)) * 100, "encoding"),
    "nul": (b"\0" * 1000, "encoding"),
    "control": (b"a: \x07", "encoding"),
    "lone surrogate": ('"\ud800"', "encoding"),
    "truncated JSON": (GOOD_JSON[:60].encode(), "syntax"),
    "truncated YAML": (GOOD[:-3].encode(), "syntax"),
    "100 MB": (b" " * 100_000_000, "too-large"),
    "deep brackets": (b"[" * 1_000_000, "too-deep"),
    "deep braces": (b'{"a":' * 500_000, "too-deep"),
    "deep dashes": (b"- " * 1_000_000, "too-deep"),
    "alias bomb": (bomb(), "aliasing"),
    "alias in itself": (b"a: &a [*a]", "aliasing"),
    "merge of itself": (b"a: &a {<<: *a}", "aliasing"),
    "unknown alias": (b"a: *b", "syntax"),
    "YAML 1.2": (b"%YAML 1.2\n---\na: 1\n", "syntax"),
    "wrong tag": (b"a: !!int x\n", "wrong-tag"),
    "scalar": (b"x", "wrong-type"),
    "list": (b"[]", "wrong-type"),
    "merge of a scalar": (b"<<: 1", "merge"),
    "null key": (b"{~: 1}", "key-type"),
    "question mark": (b"{a?b: 1}", "syntax"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_input_gets_one_clear_error(name: str) -> None:
    text, rule = HOSTILE[name]
    tracemalloc.start()
    begin = process_time()
    report = cdi.check(text)
    seconds, (_, peak) = process_time() - begin, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert not report.valid
    assert report.problems[0].rule == rule
    assert report.problems[0].message
    assert seconds < 20, "time does not grow with what the text stands for"
    assert peak < 20 * MAX_BYTES


def test_many_problems_are_cut_off_and_say_so() -> None:
    report = cdi.check("{" + ", ".join(f"k{i}: 1" for i in range(20_000)) + "}")
    assert len(report.problems) == 10_000
    assert report.problems[0].rule == "too-many-problems"


def test_depth_is_bounded_not_cut_short() -> None:
    assert rules("[" * (MAX_DEPTH - 1) + "]" * (MAX_DEPTH - 1)) == ["wrong-type"]


def test_random_bytes_get_a_report() -> None:
    for length in (1, 10, 1000):
        assert cdi.check(os.urandom(length)).problems


def test_a_dump_is_read_back_without_a_warning() -> None:
    spec = cdi.check(GOOD.replace("A=b", '"A=\\u2028 y"').replace("gpu0", "'on'")).spec
    assert spec is not None
    for text, source in ((cdi.dump(spec), "x.yaml"), (cdi.dump(spec, format="json"), "x.json")):
        report = cdi.check(text, source=source)
        assert (report.spec, report.problems) == (spec, ())
    assert json.loads(cdi.dump(spec, format="json"))["devices"][0]["name"] == "on"


@pytest.mark.parametrize(
    "text",
    [
        GOOD_JSON.replace('"kind":', '"kind" : "other.com/gpu", "kind":'),
        GOOD_JSON.replace('"kind":', '"kind"\n:').replace('{"env"', '{"intelRdt": null, "env"'),
        GOOD_JSON.replace('"kind":', '"kind" :').replace("A=b", ":=b").replace('{"env"', '{"env": [":=c"], "env"'),
    ],
)
def test_json_that_yaml_refuses_does_not_slip_through(text: str) -> None:
    assert json.loads(text)
    assert not cdi.check(text, source="x.json").valid


ODD = [  # each verdict is that of the reference library
    ("annotations: {'1': a, 1: a}", True),
    ("annotations: {.nan: a, .nan: a}", True),
    ("annotations: {1: a, 1: b}", False),
    ("annotations: {9223372036854775808: b}", False),
    ("annotations: {!!merge <<: {a: b}}", True),
    ("annotations: {!!merge <<: null}", False),
    ("annotations: {a: !!timestamp 2001-2-3 1:2:3}", True),
    ("annotations: {a: !!timestamp 2001-2-3T1:2:3Z}", True),
    ("annotations: {a: !!timestamp 2001-2-3T1:2:3}", False),
    ("annotations: {a: !!timestamp 2001-02-30}", False),
    ("annotations: {a: !!str, b: c}", False),
    ("annotations: {a: !!str b?}", False),
    ("\ufeff", False),
    ("containerEdits:\n  intelRdt:\n\ufeff     memBwSchema: x", False),
    ("containerEdits: {deviceNodes: [{path: /x, major: -9223372036854775809}]}", False),
    ("containerEdits: {deviceNodes: [{path: /x, major: 1e3}]}", True),
    ("containerEdits: {deviceNodes: [{path: /x, major: ! 1}]}", False),
]


@pytest.mark.parametrize(("more", "valid"), ODD)
def test_odd_yaml_gets_the_verdict_of_the_reference(more: str, valid: bool) -> None:  # noqa: FBT001 - a table
    assert cdi.check(GOOD.replace("0.3.0", "1.1.0") + more + "\n").valid is valid


def test_a_comma_behind_a_tag_belongs_to_the_tag() -> None:
    report = cdi.check(GOOD.replace("[A=b]", "[!!str, A=b]"))
    assert report.spec is not None
    assert report.spec.devices[0].container_edits.env == ("A=b",)


def test_a_float_is_the_number_that_is_written() -> None:
    text = GOOD + "containerEdits: {deviceNodes: [{path: /x, major: 1234567890123456789.0}]}\n"
    report = cdi.check(text)
    assert report.spec is not None
    assert report.spec.container_edits.device_nodes[0].major == 1234567890123456800


def test_an_escaped_slash_right_behind_the_document_is_refused() -> None:
    assert not cdi.check(GOOD_JSON + '\n{"a": "\\/"}\n').valid
    assert cdi.check(GOOD_JSON + '\n---\n{"a": "\\/"}\n').valid


def test_too_many_values_are_refused() -> None:
    problem = cdi.check("a: [" + "x, " * 500_000 + "]").problems[0]
    assert (problem.rule, problem.line) == ("too-large", 1)
