"""Patterns that find, and templates that name: `/dev/davinci{n}`, `npu{n}`."""

from __future__ import annotations

__all__ = ["fill", "fill_text", "is_pattern", "pattern_fault", "placeholders", "search", "text_fault"]

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Mapping

    from cdi.host import Host

_NUMBER = "{n}"
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_IN_TEXT = re.compile(r"\{\{|\}\}|\{([^{}]*)\}")  # a brace that is doubled stands for itself
_WILD = re.compile(r"\{n\}|\*|\?|\[[^\]/]+\]")
_LONGEST, _STARS = 1024, 3  # of a pattern, and in one name: to match many takes long
_GLOB = re.compile(r"[*?[]")


def is_pattern(text: str) -> bool:
    """Return whether a text may match several paths."""
    return _WILD.search(text) is not None


def placeholders(text: str) -> tuple[str, ...]:
    """Return the names in braces, in their order."""
    return tuple(_PLACEHOLDER.findall(text))


def pattern_fault(text: str, known: Container[str]) -> str | None:
    """Return what is wrong with the braces and brackets of a pattern or template, or None."""
    if len(text) > _LONGEST or any(part.count("*") > _STARS for part in text.split("/")):
        return "more than " + (f"{_LONGEST} characters" if len(text) > _LONGEST else f"{_STARS} `*` in one name")
    unknown = next((name for name in placeholders(text) if name not in known), None)
    if unknown is not None:
        return f"unknown placeholder {'{' + unknown + '}'!r}"
    rest = _PLACEHOLDER.sub("", text)
    if "{" in rest or "}" in rest:
        return f"a brace without its partner in {text!r}"
    if "[" in _WILD.sub("", rest):
        return f"a bracket without its partner in {text!r}"
    return None


def text_fault(text: str, known: Container[str]) -> str | None:
    """Return what is wrong with the braces of a text that is no pattern, or None."""
    unknown = next((m[1] for m in _IN_TEXT.finditer(text) if m[1] is not None and m[1] not in known), None)
    if unknown is not None:
        return f"unknown placeholder {'{' + unknown + '}'!r}"
    rest = _IN_TEXT.sub("", text)
    return f"a brace without its partner in {text!r}" if "{" in rest or "}" in rest else None


def fill_text(text: str, values: Mapping[str, str]) -> str | None:
    """Return a text that is no pattern with values for its placeholders; None when one is not known."""
    names = [match[1] for match in _IN_TEXT.finditer(text) if match[1] is not None]
    if any(name not in values for name in names):
        return None
    return _IN_TEXT.sub(lambda match: match[0][0] if match[1] is None else values[match[1]], text)


def fill(text: str, values: Mapping[str, str], *, in_pattern: bool = False) -> str | None:
    """Return a text with values in the place of its placeholders; None when one is not known.

    `in_pattern`, the values are taken literally, and an unknown number stays `{n}`, to be found.
    """
    if any(name not in values and not (in_pattern and name == "n") for name in placeholders(text)):
        return None

    def value(match: re.Match[str]) -> str:
        found = values.get(match[1], match[0])
        return _GLOB.sub(r"[\g<0>]", found) if in_pattern else found

    return _PLACEHOLDER.sub(value, text)


def search(host: Host, pattern: str, *, below: str = "") -> Iterator[tuple[str, str | None]]:
    """Yield the paths that match, sorted, each with the number that `{n}` stands for.

    `*`, `?` and `[…]` match within a name, `{n}` matches digits. `below` is a directory that the pattern starts
    from. Raises `HostError` for a directory that cannot be listed.
    """
    expression = _expression(pattern) if _NUMBER in pattern else None
    start = _GLOB.sub(r"[\g<0>]", below)
    for path in host.glob(start + pattern.replace(_NUMBER, "[0-9]*")):
        match = expression.fullmatch(path[len(below) :]) if expression is not None else None
        if match is not None or expression is None:
            yield path, match["n"] if match is not None else None


def _expression(pattern: str) -> re.Pattern[str]:
    parts: list[str] = []
    end = 0
    seen = False
    for match in _WILD.finditer(pattern):
        parts.append(re.escape(pattern[end : match.start()]))
        wild = match[0]
        if wild == _NUMBER:
            parts.append("(?P=n)" if seen else "(?P<n>[0-9]+)")
            seen = True
        else:
            parts.append("[^/]*" if wild == "*" else "[^/]")  # which characters, the search has seen to
        end = match.end()
    return re.compile("".join(parts) + re.escape(pattern[end:]))
