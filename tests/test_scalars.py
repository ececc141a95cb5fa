"""YAML scalars mean what the runtimes' parser takes them for."""

from __future__ import annotations

import math

import pytest

from cdi.scalars import ScalarError, float_text, resolve

STR, INT, FLOAT = ("tag:yaml.org,2002:" + kind for kind in ("str", "int", "float"))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("~", None),
        ("Null", None),
        ("nULL", "nULL"),
        ("y", True),
        ("On", True),
        ("oN", "oN"),
        ("off", False),
        ("0", 0),
        ("-0", 0),
        ("+12", 12),
        ("1_000", 1000),
        ("010", 8),
        ("0o10", 8),
        ("0x1F", 31),
        ("0b101", 5),
        ("08", 8.0),
        ("9223372036854775807", 2**63 - 1),
        ("18446744073709551615", 2**64 - 1),
        ("18446744073709551616", 1.8446744073709552e19),
        ("-9223372036854775809", -9.223372036854775809e18),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1.", 1.0),
        ("1e3", 1000.0),
        ("1e999", "1e999"),
        ("._5", "._5"),
        (".", "."),
        ("-", "-"),
        ("0x", "0x"),
        ("1.1.0", "1.1.0"),
        ("2001-01-01", "2001-01-01"),
        ("12:30:45", "12:30:45"),
        ("<<", "<<"),
        (".inf", math.inf),
        ("-.INF", -math.inf),
    ],
)
def test_plain_scalar(text: str, value: object) -> None:
    got = resolve(text)
    assert got == value
    assert type(got) is type(value)


def test_a_tag_decides() -> None:
    assert resolve("0", STR) == "0"
    assert resolve("3", FLOAT) == 3.0
    assert resolve("QT1i", "tag:yaml.org,2002:binary") == "A=b"
    assert resolve("x", "!mine") == "x"


@pytest.mark.parametrize(("text", "tag"), [("x", INT), ("1.5", INT), ("?", "tag:yaml.org,2002:binary")])
def test_a_tag_that_does_not_fit_is_an_error(text: str, tag: str) -> None:
    with pytest.raises(ScalarError):
        resolve(text, tag)


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (1000.0, "1000"),
        (0.1, "0.1"),
        (123456.0, "123456"),
        (1e6, "1e+06"),
        (1.5e-5, "1.5e-05"),
        (16777217.0, "1.6777216e+07"),
        (math.nan, "NaN"),
        (-math.inf, "-Inf"),
        (1e39, "+Inf"),
        (-0.0, "-0"),
    ],
)
def test_a_float_becomes_the_shortest_string_of_32_bits(number: float, text: str) -> None:
    assert float_text(number) == text
