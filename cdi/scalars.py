"""What a YAML scalar means to the parser that runtimes use (goyaml v2: YAML 1.1 with its own ideas).

`0` and `0x10` and `0o10` are numbers, `y` and `on` are booleans, `1e3` is a float, dates and `12:30:45`
stay strings.
"""

from __future__ import annotations

__all__ = ["WORDS", "Resolved", "ScalarError", "float_text", "key_text", "resolve", "text_of", "too_large", "whole_of"]

import base64
import binascii
import math
import re
import struct
from decimal import Decimal
from typing import Any, Union

Resolved = Union[str, int, float, bool, None]  # noqa: UP007 - evaluated on Python 3.10

_TAG = "tag:yaml.org,2002:"
_KINDS = {"str": str, "bool": bool, "int": int, "float": float, "null": type(None)}
WORDS: dict[str, Resolved] = {
    word: value
    for value, words in (
        (True, "y Y yes Yes YES true True TRUE on On ON"),
        (False, "n N no No NO false False FALSE off Off OFF"),
        (None, "~ null Null NULL"),
        (math.nan, ".nan .NaN .NAN"),
        (math.inf, ".inf .Inf .INF +.inf +.Inf +.INF"),
        (-math.inf, "-.inf -.Inf -.INF"),
    )
    for word in words.split()
}
WORDS[""] = None
_HINTS = frozenset("+-.0123456789yYnNtTfFoO~")  # a scalar that starts otherwise is a string

_INTEGER = re.compile(r"[-+]?(?:0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO]?[0-7]+|0|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_TIME = re.compile(
    r"(\d{4})-(\d{1,2})-(\d{1,2})"
    r"(?:(?:[Tt](?=.*(?:Z|[-+]\d\d:\d\d)$)| (?!.*[-+Z]))(\d{1,2}):(\d{1,2}):(\d{1,2})(?:[.,]\d+)?(?:Z|[-+]\d\d:\d\d)?)?"
)


_NOT_UTF8 = re.compile("[\udc80-\udcff]")


class ScalarError(ValueError):
    """A scalar that its tag does not allow, such as `!!int x`."""


def resolve(text: str, tag: str | None = None) -> Resolved:  # noqa: PLR0911 - a table of cases
    """Return the value of a plain or tagged scalar; raise `ScalarError` when the tag does not fit."""
    if tag is None:
        return _untagged(text)
    if not tag.startswith(_TAG):
        return text  # a tag that nobody knows is ignored
    kind = tag[len(_TAG) :]
    if kind == "binary":
        try:
            content = base64.b64decode(text.replace("\n", "").replace("\r", ""), validate=True)
        except (binascii.Error, ValueError):
            message = "!!binary value is not base64"
            raise ScalarError(message) from None
        return _NOT_UTF8.sub("\ufffd", content.decode("utf-8", "surrogateescape"))  # one for each byte
    if kind == "str":
        return text
    value = _untagged(text)
    if kind == "timestamp":
        if _is_time(text):
            return text
    elif kind not in _KINDS or type(value) is _KINDS[kind]:
        return value if kind in _KINDS else text
    elif kind == "float" and type(value) is int and -(2**63) <= value < 2**63:
        return float(value)
    message = f"cannot read {text!r} as !!{kind}"
    raise ScalarError(message)


def _is_time(text: str) -> bool:
    """Return whether a text is a date, or a date and a time, that exists."""
    match = _TIME.fullmatch(text)
    if match is None:
        return False
    from datetime import datetime  # noqa: PLC0415 - for an explicit !!timestamp only

    try:
        datetime(*(int(part or 0) for part in match.groups()))  # type: ignore[arg-type] # noqa: DTZ001 - only its range
    except ValueError:
        return False
    return True


def _untagged(text: str) -> Resolved:
    if text and text[0] not in _HINTS:
        return text
    if text in WORDS:
        return WORDS[text]
    if text[0] in "+-0123456789":
        digits = text.replace("_", "")
        number = _integer(digits)
        if number is not None:
            return number
        text_of_float = digits
    elif text[0] == ".":
        text_of_float = text
    else:
        return text
    if _FLOAT.fullmatch(text_of_float) and not math.isinf(real := float(text_of_float)):
        return real
    return text


_MAX_DIGITS = 67  # a sign, "0b" and 64 binary digits


def _integer(digits: str) -> int | None:
    if len(digits) > _MAX_DIGITS or not _INTEGER.fullmatch(digits):
        return None
    sign = -1 if digits[0] == "-" else 1
    bare = digits.lstrip("+-")
    if len(bare) > 1 and bare[0] == "0" and bare[1] in "01234567":
        bare = "0o" + bare
    number = sign * int(bare, 0)
    top = 2**64 if digits[0] not in "+-" else 2**63  # ParseUint takes no sign
    return number if -(2**63) <= number < top else None


def float_text(number: float) -> str:
    """Return a float where a string is wanted: the shortest decimal that gives the same 32-bit float.

    As Go's `FormatFloat(f, 'g', -1, 32)`: exponents below -4 and from 6 are written as such.
    """
    if math.isnan(number):
        return "NaN"
    if math.isinf(number) or abs(number) > _FLOAT32_MAX:
        return "+Inf" if number > 0 else "-Inf"
    single = _as_float32(number)
    digits = next(d for d in (f"{single:.{p}e}" for p in range(17)) if _as_float32(float(d)) == single)
    mantissa, _, exponent_text = digits.partition("e")
    exponent = int(exponent_text)
    if not -4 <= exponent < 6:  # noqa: PLR2004 - see above
        return f"{mantissa}e{exponent:+03d}"
    return f"{single:.{max(0, len(mantissa.lstrip('-').replace('.', '')) - 1 - exponent)}f}"


_FLOAT32_MAX = 3.4028235677973366e38  # above this, rounding to 32 bits gives infinity


def _as_float32(number: float) -> float:
    rounded: float = struct.unpack("<f", struct.pack("<f", number))[0]
    return rounded


def too_large(key: Any) -> bool:
    """Return whether a key is a number that the reference has no string for: from 2^63 on."""
    return isinstance(key, int) and key >= 2**63


def text_of(value: Any) -> str:
    """Return a scalar as the reference turns it into a string."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return float_text(value) if isinstance(value, float) else str(value)


def key_text(value: Any) -> str:
    """Return a key as the reference turns it into a string."""
    text = text_of(value)
    return _KEY_TEXTS.get(text, text) if isinstance(value, float) else text


_KEY_TEXTS = {"NaN": ".nan", "+Inf": ".inf", "-Inf": "-.inf"}


def whole_of(value: Any, *, unsigned: bool) -> int | None:
    """Return the whole number that a YAML number is in JSON, None when it is not one."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    if isinstance(value, int):
        return value
    negative_zero = unsigned and not value and math.copysign(1, value) < 0
    if not value.is_integer() or abs(value) >= 1e21 or negative_zero:  # noqa: PLR2004 - from there on it is 1e+21
        return None
    return int(Decimal(repr(value)))  # what is written is the shortest decimal, not the number itself
