"""One value changed in a configuration file: comments, order, quotes, indentation and line ends stay."""

from __future__ import annotations

import json
import re
import sys
from contextlib import suppress
from typing import Any

import pytest
import tomlkit
from hypothesis import given
from hypothesis import strategies as st

from cdi.errors import ConfigInvalid
from cdi.runtimes.config import json_text, toml_text

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

OLD = ("plugins", "io.containerd.grpc.v1.cri", "enable_cdi")
ON: toml_text.Value = True
HEAD = '[plugins."io.containerd.grpc.v1.cri"]\n'


def toml(text: str, path: tuple[str, ...] = OLD, value: toml_text.Value = ON) -> str:
    return toml_text.changed(text, path, value, source="c.toml")


# A text, and what comes of it. Each is a way in which people or programs write containerd's table.
TOML = {
    "empty": ("", f"{HEAD}enable_cdi = true\n"),
    "only a comment": ("# a\n", f"# a\n\n{HEAD}enable_cdi = true\n"),
    "comment without line end": ("# a", f"# a\n{HEAD}enable_cdi = true\n"),
    "no such table": ("a = 1\n\n[b]\nc = 2\n", f"a = 1\n\n[b]\nc = 2\n\n{HEAD}enable_cdi = true\n"),
    "no such table in plugins": (
        '[plugins]\n\n  [plugins."x"]\n    y = 1\n\n[debug]\n  z = 1\n',
        f'[plugins]\n\n  [plugins."x"]\n    y = 1\n\n{HEAD}enable_cdi = true\n\n[debug]\n  z = 1\n',
    ),
    "indented table": (
        (
            '[plugins]\n  [plugins."io.containerd.grpc.v1.cri"]\n    a = "b"  # why\n\n'
            '    [plugins."io.containerd.grpc.v1.cri".cni]\n      c = 1\n'
        ),
        (
            '[plugins]\n  [plugins."io.containerd.grpc.v1.cri"]\n    a = "b"  # why\n    enable_cdi = true\n\n'
            '    [plugins."io.containerd.grpc.v1.cri".cni]\n      c = 1\n'
        ),
    ),
    "only subtables": (
        '[plugins."io.containerd.grpc.v1.cri".cni]\nc = 1\n',
        f'{HEAD}enable_cdi = true\n\n[plugins."io.containerd.grpc.v1.cri".cni]\nc = 1\n',
    ),
    "subtables far apart": (
        '[plugins."io.containerd.grpc.v1.cri"]\n a = 1\n[debug]\n[plugins."io.containerd.grpc.v1.cri".cni]\nc = 1\n',
        (
            '[plugins."io.containerd.grpc.v1.cri"]\n a = 1\n enable_cdi = true\n[debug]\n'
            '[plugins."io.containerd.grpc.v1.cri".cni]\nc = 1\n'
        ),
    ),
    "set already": (f"{HEAD}  enable_cdi = false # why\n", f"{HEAD}  enable_cdi = true # why\n"),
    "single quotes": (
        "[ plugins . 'io.containerd.grpc.v1.cri' ] # t\nx = 1",
        "[ plugins . 'io.containerd.grpc.v1.cri' ] # t\nx = 1\nenable_cdi = true\n",
    ),
    "windows line ends": (
        HEAD.replace("\n", "\r\n") + "\ta = 1\r\n",
        HEAD.replace("\n", "\r\n") + "\ta = 1\r\n\tenable_cdi = true\r\n",
    ),
    "inline table": (
        'plugins = {a = {x = 1}, "io.containerd.grpc.v1.cri" = {enable_cdi=false}} # b\n',
        'plugins = {a = {x = 1}, "io.containerd.grpc.v1.cri" = {enable_cdi=true}} # b\n',
    ),
    "inline table without it": (
        "plugins = {a = {x = 1}}\n",
        'plugins = {a = {x = 1},"io.containerd.grpc.v1.cri" = {enable_cdi = true}}\n',
    ),
    "inline table in a table": (
        '[plugins]\n"io.containerd.grpc.v1.cri" = {}\n',
        '[plugins]\n"io.containerd.grpc.v1.cri" = {enable_cdi = true}\n',
    ),
    "dotted keys": (
        "plugins.'io.containerd.grpc.v1.cri'.a = 1 # b\nc = 1\n",
        "plugins.'io.containerd.grpc.v1.cri'.a = 1 # b\nplugins.'io.containerd.grpc.v1.cri'.enable_cdi = true\nc = 1\n",
    ),
    "dotted keys in a table": (
        '[plugins]\n"io.containerd.grpc.v1.cri".a = 1\n',
        '[plugins]\n"io.containerd.grpc.v1.cri".a = 1\n"io.containerd.grpc.v1.cri".enable_cdi = true\n',
    ),
    "what looks like the table in a string": (
        f"a = '''\n{HEAD}'''\n{HEAD}b = 1\n",
        f"a = '''\n{HEAD}'''\n{HEAD}b = 1\nenable_cdi = true\n",
    ),
}


@pytest.mark.parametrize("case", TOML)
def test_a_toml_value_is_set_where_it_belongs(case: str) -> None:
    text, expected = TOML[case]
    assert toml(text) == expected
    assert toml(expected) == expected


def test_a_list_over_several_lines_becomes_the_new_one() -> None:
    text = 'a = 1\ndirs = [ # x\n  "/x", # y\n  "/y",\n] # z\n# b\n'
    assert toml(text, ("dirs",), ("/etc/cdi", "/b")) == 'a = 1\ndirs = ["/etc/cdi", "/b"] # z\n# b\n'


def test_a_key_of_no_table_comes_before_all_tables() -> None:
    assert toml("a = 1\n\n[b]\nc = 1\n", ("dirs",), ("/x",)) == 'a = 1\ndirs = ["/x"]\n\n[b]\nc = 1\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a = 1\n[b]\nc =\n", "c.toml:3:4: invalid value"),
        ("[a]\nb = 1\n[a]\n", "c.toml:3:3: cannot declare ('a',) twice"),
        ("a = 1\na = 2\n", "c.toml:2:6: cannot overwrite a value"),
        ("a = [1,\n", "c.toml:1:8: invalid value"),
        ("\ufeffa = 1\n", "c.toml:1:1: invalid statement"),
        ('{{ template "base" . }}\n', "c.toml:1:1: invalid statement"),
        ("[[plugins]]\na = 1\n", "'plugins' is not a table in 'c.toml'"),
        ("plugins = 1\n", "'plugins' is not a table in 'c.toml'"),
        ("a = " + "[" * 100_000, "c.toml:1:1: nested too deeply"),
    ],
)
def test_a_broken_toml_file_is_refused_with_its_place(text: str, message: str) -> None:
    with pytest.raises(ConfigInvalid) as caught:
        toml(text)
    assert caught.value.message == message
    assert caught.value.hint == "correct it first; the file is untouched"


# TOML that nobody wrote.

words = st.text("abc.-_ é\"'", min_size=1, max_size=4)
scalars = st.booleans() | st.integers(-9, 9) | words | st.lists(st.integers(0, 3), max_size=2)
trees = st.recursive(scalars, lambda inner: st.dictionaries(words, inner, max_size=3), max_leaves=8)
comments = st.text("abc [].=#\"'", max_size=6).map(lambda text: f"# {text}")


def key(word: str) -> str:
    return tomlkit.key(word).as_string() if re.fullmatch(r"[a-z-_]+", word) else json.dumps(word, ensure_ascii=False)


@st.composite
def toml_files(draw: st.DrawFn) -> str:
    """Return a text with tables of any kind, with comments and empty lines in between."""
    cri = draw(st.dictionaries(words, scalars, max_size=3) | st.none())
    data: dict[str, Any] = draw(st.dictionaries(words, trees, max_size=3))
    plugins: dict[str, Any] = draw(st.dictionaries(words, st.dictionaries(words, trees, max_size=2), max_size=2))
    if cri is not None:
        more: list[dict[str, Any]] = [{}, {"enable_cdi": False}, {"cni": {"a": 1}}]
        plugins["io.containerd.grpc.v1.cri"] = cri | draw(st.sampled_from(more))
    if plugins:
        data["plugins"] = plugins
    return "".join(_lines(draw, data, ()))


def _lines(draw: st.DrawFn, table: dict[str, Any], path: tuple[str, ...]) -> list[str]:
    indent = draw(st.sampled_from(["", "  ", "\t"]))
    lines = []
    inner = {name: value for name, value in table.items() if isinstance(value, dict)}
    for name, value in table.items():
        if name in inner and draw(st.integers(0, 4)) > 0:
            continue
        inner.pop(name, None)
        end = draw(st.sampled_from(["", " # why"]))
        lines += [f"{indent}{draw(comments)}\n"] * draw(st.integers(0, 1))
        lines.append(f"{indent}{key(name)} = {_inline(value)}{end}\n")
    for name, value in inner.items():
        here = (*path, name)
        lines += draw(st.sampled_from([[], ["\n"], [f"{draw(comments)}\n", "\n"]]))
        lines.append(f"{indent}[{'.'.join(map(key, here))}]\n")
        lines += _lines(draw, value, here)
    return lines


def _inline(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key(name)} = {_inline(one)}" for name, one in value.items()) + "}"
    return json.dumps(value, ensure_ascii=False)


@given(toml_files())
def test_only_the_value_and_its_lines_are_other_toml(text: str) -> None:
    before = tomllib.loads(text)
    after = toml(text)
    before.setdefault("plugins", {}).setdefault("io.containerd.grpc.v1.cri", {})["enable_cdi"] = True
    assert tomllib.loads(after) == before
    assert toml(after) == after
    left = list(after.splitlines())
    for line in text.splitlines():
        if "enable_cdi" not in line and not line.lstrip().startswith("plugins"):  # inline tables are one line
            if "io.containerd" in line and "=" in line:
                continue
            assert line in left
    assert after.count("#") >= text.count("#")


# JSON.


def js(text: str, path: tuple[str, ...] = ("features", "cdi"), value: toml_text.Value = ON) -> str:
    return json_text.changed(text, path, value, source="d.json")


JSON = {
    "empty": ("", '{\n  "features": {\n    "cdi": true\n  }\n}\n'),
    "only a line end": ("\n", '{\n  "features": {\n    "cdi": true\n  }\n}\n'),
    "empty object": ("{}\n", '{\n  "features": {\n    "cdi": true\n  }\n}\n'),
    "on one line": ('{"b":1,"a":2}', '{"b":1,"a":2, "features": {"cdi": true}}'),
    "other features": (
        '{\n  "features": {\n    "x": false\n  },\n  "a": 1\n}',
        '{\n  "features": {\n    "x": false,\n    "cdi": true\n  },\n  "a": 1\n}',
    ),
    "four spaces": (
        '{\n    "z": [1,\n 2],\n    "a": 1\n}\n',
        '{\n    "z": [1,\n 2],\n    "a": 1,\n    "features": {\n        "cdi": true\n    }\n}\n',
    ),
    "tabs": ('{\n\t"features": {}\n}', '{\n\t"features": {\n\t\t"cdi": true\n\t}\n}'),
    "features on one line": ('{\n  "features": {"x": true}\n}\n', '{\n  "features": {"x": true, "cdi": true}\n}\n'),
    "off": ('{"features": { "cdi" : false , "x":1}}', '{"features": { "cdi" : true , "x":1}}'),
    "null": ('{\n  "features": null\n}\n', '{\n  "features": {\n    "cdi": true\n  }\n}\n'),
    "windows line ends": (
        '{\r\n  "a": 1\r\n}\r\n',
        '{\r\n  "a": 1,\r\n  "features": {\r\n    "cdi": true\r\n  }\r\n}\r\n',
    ),
    "byte order mark": ('\ufeff{"a":1}', '\ufeff{"a":1, "features": {"cdi": true}}'),
    "the same words in strings": (
        '{"a": "\\"features\\": {", "features": {"x": "}"}}',
        '{"a": "\\"features\\": {", "features": {"x": "}", "cdi": true}}',
    ),
}


@pytest.mark.parametrize("case", JSON)
def test_a_json_value_is_set_where_it_belongs(case: str) -> None:
    text, expected = JSON[case]
    assert js(text) == expected
    assert js(expected) == expected


def test_a_json_list_becomes_the_new_one() -> None:
    text = '{\n  "cdi-spec-dirs": ["/x"],\n  "a": 1\n}\n'
    expected = '{\n  "cdi-spec-dirs": [\n    "/etc/cdi",\n    "/b"\n  ],\n  "a": 1\n}\n'
    assert js(text, ("cdi-spec-dirs",), ("/etc/cdi", "/b")) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('// a\n{"a": 1}', "d.json:1:1: not JSON: expecting value"),
        ('{\n  "a": 1, # b\n}', "d.json:2:11: not JSON: expecting property name enclosed in double quotes"),
        ('{"a": 1} b', "d.json:1:10: not JSON: extra data"),
        ('{"a": 1,\n "a": 2}', "d.json:2:2: not JSON: key 'a' for the second time"),
        ('{"features": {"b": 1, "b": 2}}', "d.json:1:23: not JSON: key 'b' for the second time"),
        ('{"a": "NaN",\n"b": NaN}', "d.json:2:6: not JSON: invalid number"),
        ("[1]", "d.json:1:1: not JSON: not an object"),
        ("null", "d.json:1:1: not JSON: not an object"),
        ("[" * 100_000, "d.json:1:1: not JSON: nested too deeply"),
    ],
)
def test_a_broken_json_file_is_refused_with_its_place(text: str, message: str) -> None:
    with pytest.raises(ConfigInvalid) as caught:
        js(text)
    assert caught.value.message == message
    assert caught.value.hint == "correct it first; the file is untouched"


def test_what_is_no_object_is_not_overwritten() -> None:
    with pytest.raises(ConfigInvalid, match=r"'features' is not an object in 'd\.json'"):
        js('{"features": ["a"]}')


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text('ab"\\{}[],:é\n', max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text('ab"{}', max_size=3), inner, max_size=3),
    max_leaves=10,
)
features = st.none() | st.dictionaries(st.sampled_from(["cdi", "x", "y"]), st.booleans(), max_size=3)


@given(
    st.dictionaries(st.text('ab"{}', max_size=3), json_values, max_size=3),
    features,
    st.sampled_from(["first", "last"]),
    st.sampled_from([None, 0, 1, 4, "\t", "\r\n"]),
    st.sampled_from([(",", ":"), (", ", ": "), (" ,", " : ")]),
)
def test_only_the_value_is_other_json(
    data: dict[str, Any], own: Any, place: str, indent: int | str | None, separators: tuple[str, str]
) -> None:
    data = {"features": own, **data} if place == "first" else {**data, "features": own}
    text = json.dumps(data, indent="  " if indent == "\r\n" else indent, separators=separators)
    text = text.replace("\n", "\r\n") if indent == "\r\n" else text
    after = js(text)
    assert json.loads(after) == {**data, "features": {**(own or {}), "cdi": True}}
    assert list(json.loads(after)) == list(data)
    assert js(after) == after
    rest = iter(after)
    if own is not None and "cdi" not in own:
        assert all(char in rest for char in text)  # all that was there is there, in this order


@given(st.text(max_size=20) | st.text('{}[]",:ab \n', max_size=20), st.sampled_from(["toml", "json"]))
def test_any_text_gives_a_new_text_or_an_error_of_ours(text: str, kind: str) -> None:
    with suppress(ConfigInvalid):
        (toml if kind == "toml" else js)(text)
