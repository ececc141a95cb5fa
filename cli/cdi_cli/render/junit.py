"""The answer of `cdi validate` as JUnit XML, which CI servers read."""

from __future__ import annotations

__all__ = ["junit"]

import re
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape, quoteattr

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cdi_cli.commands.validate import FileVerdict, Validation
    from cdi_cli.render import Look

# What XML 1.0 cannot hold, even escaped.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(answer: Validation, _look: Look) -> Iterator[str]:
    """Yield a test suite with one case a file; warnings of a valid file are its output."""
    summary = answer.summary
    unread = sum(not verdict.readable for verdict in answer.files)
    failed = summary["invalid"] - unread
    counts = f'tests="{summary["files"]}" failures="{failed}" errors="{unread}"'
    yield f'<?xml version="1.0" encoding="UTF-8"?>\n<testsuites {counts}>\n'
    yield f'  <testsuite name="cdi validate" {counts}>\n'
    for verdict in answer.files:
        yield from _case(verdict)
    yield "  </testsuite>\n</testsuites>\n"


def _case(verdict: FileVerdict) -> Iterator[str]:
    start = f'    <testcase classname="cdi.validate" name={_attribute(verdict.path)}'
    if not verdict.problems:
        yield f"{start}/>\n"
        return
    lines = "\n".join(problem.render(verdict.path) for problem in verdict.problems)
    text = escape(_NOT_XML.sub("\ufffd", lines))
    yield f"{start}>\n"
    if verdict.valid:
        yield f"      <system-out>{text}</system-out>\n"
    else:
        first = next(problem for problem in verdict.problems if problem.severity == "error")
        tag = "failure" if verdict.readable else "error"
        yield f"      <{tag} type={_attribute(first.rule)} message={_attribute(first.message)}>{text}</{tag}>\n"
    yield "    </testcase>\n"


def _attribute(text: str) -> str:
    return quoteattr(_NOT_XML.sub("\ufffd", text))
