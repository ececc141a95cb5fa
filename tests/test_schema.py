"""The schemas: valid themselves, complete, and strict about what each CDI version allows."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator

from cdi.errors import UsageError
from cdi.schema import schema, schema_problems
from cdi.versions import EARLIEST, VERSIONS
from tests.strategies import entries

if TYPE_CHECKING:
    from collections.abc import Iterator

MINIMAL: dict[str, Any] = {
    "kind": "vendor.com/gpu",
    "devices": [{"name": "gpu0", "containerEdits": {"deviceNodes": [{"path": "/dev/gpu0"}]}}],
}
EDITS = ("devices", 0, "containerEdits")
# What a version added: (version, path of a field, a value that needs the version).
FEATURES: tuple[tuple[str, tuple[str | int, ...], Any], ...] = (
    ("0.4.0", (*EDITS, "mounts"), [{"hostPath": "/a", "containerPath": "/b", "type": "tmpfs"}]),
    ("0.5.0", (*EDITS, "deviceNodes", 0, "hostPath"), "/dev/host"),
    ("0.5.0", ("devices", 0, "name"), "0"),
    ("0.6.0", ("annotations",), {"note": "x"}),
    ("0.6.0", ("devices", 0, "annotations"), {"note": "x"}),
    ("0.6.0", ("kind",), "vendor.com/net.rdma"),
    ("0.7.0", (*EDITS, "intelRdt"), {"closID": "gold"}),
    ("0.7.0", (*EDITS, "additionalGids"), [44]),
    ("0.7.0", ("containerEdits",), {"additionalGids": [44]}),
    ("1.1.0", (*EDITS, "netDevices"), [{"hostInterfaceName": "eth1", "name": "net0"}]),
    ("1.1.0", (*EDITS, "intelRdt"), {"schemata": ["MB:0=50"]}),
    ("1.1.0", (*EDITS, "intelRdt"), {"enableMonitoring": True}),
)


def with_value(version: str, path: tuple[str | int, ...] = (), value: object = None) -> dict[str, Any]:
    spec: Any = {"cdiVersion": version, **copy.deepcopy(MINIMAL)}
    part = spec
    for step in path[:-1]:
        part = part[step]
    if path:
        part[path[-1]] = value
    return spec  # type: ignore[no-any-return]  # a dict, seen through Any


def messages(spec: object, version: str | None = None) -> list[str]:
    return [f"{problem.where}: {problem.message}" for problem in schema_problems(spec, schema(version))]


def fields(part: Any) -> Iterator[tuple[str, Any]]:
    for key, value in entries(part):
        if key == "properties" and "additionalProperties" in part:
            yield from value.items()
        yield from fields(value)


LOADED = VERSIONS[VERSIONS.index(EARLIEST) :]  # runtimes refuse what says it is older


@pytest.mark.parametrize("version", VERSIONS)
def test_every_version_has_a_valid_schema_that_takes_what_runtimes_load(version: str) -> None:
    Draft202012Validator.check_schema(schema(version))
    assert (messages(with_value(version), version) == []) == (version in LOADED)
    assert (messages(with_value(f"v{version}"), f"v{version}") == []) == (version in LOADED)


@pytest.mark.parametrize("version", LOADED)
def test_a_schema_is_for_its_own_versions_and_no_others(version: str) -> None:
    covered = schema(version)["properties"]["cdiVersion"]["enum"]
    refused = [v for v in VERSIONS if messages(with_value(v), version)]
    assert refused == [v for v in VERSIONS if v not in covered]
    assert version in covered


@pytest.mark.parametrize("version", VERSIONS)
def test_every_field_has_a_title_and_a_description(version: str) -> None:
    bare = [name for name, field in fields(schema(version)) if not (field.get("title") and field.get("description"))]
    assert bare == []


@pytest.mark.parametrize("version", LOADED)
@pytest.mark.parametrize(("since", "path", "value"), FEATURES)
def test_a_feature_is_refused_before_its_version_and_taken_from_then_on(
    version: str, since: str, path: tuple[str | int, ...], value: object
) -> None:
    taken = not messages(with_value(version, path, value), version)
    assert taken == (VERSIONS.index(version) >= VERSIONS.index(since))


def test_schemas_differ_only_where_a_version_changed_something() -> None:
    """Fields of older versions say the same in newer ones, apart from the names that grew and the versions."""
    grew = {"kind", "name", "cdiVersion"}
    older: dict[str, Any] = {}
    for version in VERSIONS:
        for part, definition in schema(version)["$defs"].items():
            for name, field in definition.get("properties", {}).items():
                if name not in grew:
                    assert older.setdefault(f"{part}.{name}", field) == field


def test_the_latest_schema_is_the_default() -> None:
    assert schema() == schema(VERSIONS[-1])


def test_a_schema_may_be_changed_by_who_asked_for_it() -> None:
    schema()["title"] = "mine"
    assert schema()["title"] == "CDI spec 1.1.0"


@pytest.mark.parametrize("version", ["", "1", "1.2.0", "vv1.0.0", "../../etc/passwd"])
def test_an_unknown_version_is_a_usage_error_that_names_the_known(version: str) -> None:
    with pytest.raises(UsageError) as error:
        schema(version)
    assert error.value.message == f"unknown CDI version {version!r}"
    assert error.value.hint == f"known versions are {', '.join(VERSIONS)}"


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        (("extra",), 1, ["extra: unknown field 'extra'"]),
        (("kind",), "gpu", ["kind: 'gpu' does not match"]),
        (("kind",), "v.com/gpu\n", ["kind: 'v.com/gpu\\n' is what the schema excludes"]),
        (("kind",), None, ["kind: expected a string, got null"]),
        (("devices",), [], ["devices: 0 entries, fewer than 1"]),
        (("devices", 0, "name"), "a b", ["devices[0].name: 'a b' does not match"]),
        (EDITS, {}, ["devices[0].containerEdits: {} fits nothing that the schema allows"]),
        ((*EDITS, "env"), ["=x", "A"], ["[0]: '=x' does not match", "[1]: 'A' does not match"]),
        ((*EDITS, "deviceNodes", 0, "path"), "", ["deviceNodes[0].path: '' is shorter than 1"]),
        ((*EDITS, "deviceNodes", 0, "type"), "x", ["deviceNodes[0].type: 'x' is none of 'b', 'c', 'u', 'p', '', null"]),
        ((*EDITS, "deviceNodes", 0, "major"), 2**63, ["major: 9223372036854775808 is more than 9223372036854775807"]),
        ((*EDITS, "deviceNodes", 0, "uid"), -1, ["deviceNodes[0].uid: -1 is less than 0"]),
        ((*EDITS, "deviceNodes", 0, "permissions"), "rx", ["deviceNodes[0].permissions: 'rx' does not match"]),
        ((*EDITS, "mounts"), [{"hostPath": "/a"}], ["mounts[0]: missing field 'containerPath'"]),
        ((*EDITS, "mounts"), [None], ["mounts[0]: expected a mapping, got null"]),
        (
            (*EDITS, "hooks"),
            [{"hookName": "start", "path": "/a"}],
            ["hooks[0].hookName: 'start' is none of 'prestart'"],
        ),
        (
            (*EDITS, "hooks"),
            [{"hookName": "poststop", "path": "/a", "timeout": "5"}],
            ["timeout: expected a whole number or null, got a string, '5'"],
        ),
        ((*EDITS, "intelRdt"), {"closID": ".."}, ["closID: '..' fits nothing that the schema allows"]),
        ((*EDITS, "intelRdt"), {"enableCMT": True}, ["intelRdt.enableCMT: unknown field 'enableCMT'"]),
        ((*EDITS, "netDevices"), [{"hostInterfaceName": "a", "name": "b"}] * 2, ["netDevices[1]: the same as entry 0"]),
    ],
)
def test_the_problem_names_the_field_and_the_fault(
    path: tuple[str | int, ...], value: object, expected: list[str]
) -> None:
    found = messages(with_value("1.1.0", path, value))
    assert len(found) == len(expected)
    assert [want in got for want, got in zip(expected, found, strict=True)] == [True] * len(expected)


def test_text_gets_lines_and_columns_in_their_order() -> None:
    text = """\
cdiVersion: 1.1.0
kind: gpu
devices:
- name: gpu0
  containerEdits:
    mounts:
    - hostPath: /a
      Path: /b
"""
    lines = [problem.render("gpu.yaml") for problem in schema_problems(text, schema())]
    assert lines == [
        f"gpu.yaml:2:7: error: kind: 'gpu' does not match {schema()['properties']['kind']['pattern']!r} [schema]",
        "gpu.yaml:7:7: error: devices[0].containerEdits.mounts[0]: missing field 'containerPath' [schema]",
        "gpu.yaml:8:7: error: devices[0].containerEdits.mounts[0].Path: unknown field 'Path' [schema]",
    ]


def test_aliases_and_merges_are_written_out() -> None:
    text = """\
cdiVersion: 1.1.0
kind: vendor.com/gpu
devices:
- name: a
  containerEdits: &edits {env: [A=1]}
- name: b
  containerEdits: {<<: *edits, env: *none}
- name: c
  containerEdits: {<<: [*edits, {additionalGids: [-1]}]}
""".replace("*none", "[B]")
    lines = [problem.render("a.yaml") for problem in schema_problems(text, schema())]
    assert lines == [
        "a.yaml:7:38: error: devices[1].containerEdits.env[0]: 'B' does not match '^[^=]+=' [schema]",
        "a.yaml:9:51: error: devices[2].containerEdits.additionalGids[0]: -1 is less than 0 [schema]",
    ]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (b"", "x: error: expected a mapping, got null [schema]"),
        (b"\0", "x:1:1: error: control characters are not allowed (0x00) [encoding]"),
        ("\ud800", "x:1:1: error: invalid Unicode character (0xd800) [encoding]"),
        ("a: [", "x:2:1: error: did not find expected node content"),
        ("a: &a [*a]", "x:1:8: error: more than 100 levels with aliases written out [aliasing]"),
        ("a: &a {<<: *a}", "x:1:12: error: more than 100 levels with aliases written out [aliasing]"),
    ],
)
def test_any_text_gives_problems_and_no_exception(text: str | bytes, line: str) -> None:
    assert line in "\n".join(problem.render("x") for problem in schema_problems(text, schema()))


def test_aliases_that_multiply_end_early() -> None:
    bomb = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 20))
    rules = [problem.rule for problem in schema_problems(bomb, schema())]
    assert rules == ["aliasing"]


def test_another_schema_of_another_draft_can_be_used() -> None:
    old = {"$schema": "http://json-schema.org/draft-04/schema#", "maximum": 3, "exclusiveMaximum": True}
    assert [problem.message for problem in schema_problems(3, old)] == ["3 is more than 3"]


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        ({"type": "text"}, "not a JSON Schema: type: 'text' is not valid under any of the given schemas"),
        ({"$ref": "#/$defs/gone"}, "the schema refers to '/$defs/gone', which is not in it"),
        ({"$ref": "http://schemas.invalid/a"}, "the schema refers to 'http://schemas.invalid/a', which is not in it"),
    ],
)
def test_a_schema_that_is_none_is_a_usage_error(broken: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as error:
        list(schema_problems({}, broken))
    assert error.value.message == message


def test_the_example_in_the_documentation_gives_its_output() -> None:
    page = (Path(__file__).parent.parent / "docs/rules/schema.md").read_text()
    example, output = re.findall(r"^```\w+\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert [f"{problem.render('gpu.yaml')}\n" for problem in schema_problems(example, schema("0.3.0"))] == [output]
