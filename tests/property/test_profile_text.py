"""Whatever stands in a profile: an answer, never an exception, and always the same one."""

from __future__ import annotations

from pathlib import Path

import yaml
from hypothesis import given
from hypothesis import strategies as st

from cdi.discovery import discover
from cdi.discovery.profile import check_profile, family_of
from cdi.discovery.profile.format import Profile, SharedParts, Subject
from cdi.generation import generate
from cdi.host import Host
from cdi.schema import profile_schema, schema_problems

SHIPPED = [path.read_bytes() for path in sorted((Path(__file__).parents[2] / "cdi/discovery/profiles").glob("*.yaml"))]
TREE = (Path(__file__).parents[2] / "spec-examples/profiles/acme-npu.tree").read_text()
WORDS = st.sampled_from(
    [
        "",
        "a",
        "{n}",
        "{",
        "[",
        "*",
        "/dev/npu/*",
        "/dev/npu/npu{n}",
        "/sys/class/npu/npu{n}",
        "1dab:*",
        "..",
        "{bdf}",
        "accel",
    ]
)
VALUES = st.recursive(
    WORDS | st.booleans() | st.integers() | st.sampled_from([1, 1.0, 0.5]) | st.none() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS | st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def fields(*structs: type) -> st.SearchStrategy[str]:
    return st.sampled_from([name for struct in structs for name in struct.__struct_fields__])  # type: ignore[attr-defined]


@st.composite
def profiles(draw: st.DrawFn) -> bytes:
    """Return the text of a shipped profile with some of its values replaced."""
    data = yaml.safe_load(draw(st.sampled_from(SHIPPED)))
    for place, names in (
        (data, fields(Profile)),
        (data["devices"][0], fields(Subject)),
        (data.setdefault("shared", {}), fields(SharedParts)),
    ):
        place.update(draw(st.dictionaries(names, VALUES, max_size=2)))
    return yaml.safe_dump(data, allow_unicode=True).encode()


@given(st.binary(max_size=200) | profiles())
def test_any_text_is_a_profile_or_has_problems(text: bytes) -> None:
    profile, problems = check_profile(text)
    assert (profile is None) == bool(problems)
    assert all(problem.line and problem.column and problem.message for problem in problems)
    assert check_profile(text) == (profile, problems)


@given(profiles())
def test_any_profile_finds_something_or_nothing(text: bytes) -> None:
    profile, _ = check_profile(text)
    if profile is not None:
        generate(discover(Host.from_tree(TREE), [profile.family], more=[family_of(profile)]))


@given(profiles())
def test_what_the_parser_takes_the_schema_takes(text: bytes) -> None:
    profile, _ = check_profile(text)
    if profile is not None:
        assert list(schema_problems(text, profile_schema())) == []
