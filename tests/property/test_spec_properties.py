"""What holds for every spec: it survives its text, and versions order what it may use."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import yaml
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from cdi.edits import append
from cdi.encode import dump
from cdi.errors import CdiError
from cdi.report import check
from cdi.versions import EARLIEST, VERSIONS, at_least, downgrade, minimum_version, needed_version
from tests.strategies import edits, specs

if TYPE_CHECKING:
    from cdi.model import ContainerEdits, Spec

# Warnings about how a text is written, not about what the spec says: `dump` never earns one.
ABOUT_THE_TEXT = {"ambiguous-key", "extra-document", "key-case", "not-json", "scalar-conversion"}

formats = st.sampled_from(("yaml", "json"))


@given(specs(), formats)
def test_a_dumped_spec_reads_back_equal_and_without_a_word_about_its_text(spec: Spec, form: str) -> None:
    report = check(dump(spec, format=form), source=f"spec.{form}")  # type: ignore[arg-type]  # drawn from the two
    assert report.spec == spec
    assert {problem.rule for problem in report.problems} & ABOUT_THE_TEXT == set()


@given(specs())
def test_other_parsers_read_the_same_from_both_formats(spec: Spec) -> None:
    assert yaml.safe_load(dump(spec)) == json.loads(dump(spec, format="json"))


@given(specs(), formats)
def test_dumping_what_was_read_gives_the_same_text(spec: Spec, form: str) -> None:
    text = dump(spec, format=form)  # type: ignore[arg-type]  # drawn from the two
    again = check(text).spec
    assert again is not None
    assert dump(again, format=form) == text  # type: ignore[arg-type]


def order(version: str) -> int:
    return VERSIONS.index(version)


@given(specs(), edits)
def test_more_edits_never_lower_the_minimum_version(spec: Spec, more: ContainerEdits) -> None:
    if spec.container_edits.intel_rdt is not None:
        more = replace(more, intel_rdt=None)  # a later one replaces an earlier one, even a richer one
    richer = replace(spec, container_edits=append(spec.container_edits, more))
    assert order(minimum_version(richer)) >= order(minimum_version(spec))


@given(specs(), specs())
def test_more_devices_never_lower_the_needed_version(spec: Spec, other: Spec) -> None:
    richer = replace(spec, devices=spec.devices + other.devices)
    assert order(needed_version(richer)) >= order(needed_version(spec))


@given(specs())
def test_the_minimum_version_is_never_above_the_needed_one(spec: Spec) -> None:
    assert order(minimum_version(spec)) <= order(needed_version(spec))


@given(specs())
def test_a_spec_is_valid_from_its_minimum_version_on(spec: Spec) -> None:
    for version in VERSIONS:
        report = check(dump(replace(spec, cdi_version=version)))
        assert report.valid == at_least(version, minimum_version(spec))


@given(specs(), st.sampled_from(VERSIONS[VERSIONS.index(EARLIEST) :]))
def test_a_downgraded_spec_is_valid_and_needs_no_more_than_asked(spec: Spec, cap: str) -> None:
    try:
        lowered = downgrade(spec, cap)
    except CdiError:
        return  # it says which device cannot be lowered
    assert order(minimum_version(lowered.spec)) <= order(cap)
    assert at_least(cap, lowered.spec.cdi_version)
    assert check(dump(lowered.spec)).spec == lowered.spec


@given(specs())
def test_a_downgrade_costs_nothing_when_nothing_newer_is_used(spec: Spec) -> None:
    for cap in VERSIONS[order(needed_version(spec)) :]:
        lowered = downgrade(spec, cap)
        assert lowered.dropped == ()
        assert replace(lowered.spec, cdi_version="") == replace(spec, cdi_version="")
