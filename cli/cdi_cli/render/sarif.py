"""The answer of `cdi validate` as SARIF 2.1.0, which code-scanning services read."""

from __future__ import annotations

__all__ = ["sarif"]

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import msgspec

from cdi_cli.rulebook import meaning

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cdi.problem import Problem
    from cdi_cli.commands.validate import Validation
    from cdi_cli.render import Look

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/os/schemas/sarif-schema-2.1.0.json"


def sarif(answer: Validation, _look: Look) -> Iterator[str]:
    """Yield a SARIF log with one run: a rule for each kind of problem, a result for each problem."""
    rules = sorted({problem.rule for _, problem in answer.problems})
    run = {
        "tool": {"driver": {"name": "cdi", "rules": [_rule(name) for name in rules]}},
        "columnKind": "unicodeCodePoints",
        "artifacts": [{"location": _location(verdict.path)} for verdict in answer.files],
        "results": [_result(path, problem, rules) for path, problem in answer.problems],
    }
    log = {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}
    yield msgspec.json.format(msgspec.json.encode(log), indent=2).decode() + "\n"


def _rule(name: str) -> dict[str, Any]:
    text = meaning(name)
    return {"id": name, "shortDescription": {"text": text}} if text else {"id": name}


def _result(path: str, problem: Problem, rules: list[str]) -> dict[str, Any]:
    place: dict[str, Any] = {"physicalLocation": {"artifactLocation": _location(path)}}
    if problem.line is not None:
        place["physicalLocation"]["region"] = {"startLine": problem.line, "startColumn": problem.column or 1}
    if problem.where:
        place["logicalLocations"] = [{"fullyQualifiedName": _text(problem.where)}]
    about = f"{problem.where}: {problem.message}" if problem.where else problem.message
    return {
        "ruleId": problem.rule,
        "ruleIndex": rules.index(problem.rule),
        "level": problem.severity,
        "message": {"text": _text(f"{about} ({problem.hint})" if problem.hint else about)},
        "locations": [place],
    }


def _location(path: str) -> dict[str, str]:
    """Return where a file is: a URI, absolute for an absolute path."""
    uri = quote(path.encode("utf-8", "surrogateescape"))
    return {"uri": f"file://{uri}" if path.startswith("/") else uri}


def _text(text: str) -> str:
    return text.encode("utf-8", "replace").decode()
