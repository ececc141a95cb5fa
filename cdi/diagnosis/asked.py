"""Step `name`: whether what was asked for is the name of a device, and what was meant if not."""

from __future__ import annotations

__all__ = ["name_findings"]

import re
from typing import TYPE_CHECKING

from cdi.diagnosis.finding import Finding, some
from cdi.errors import InvalidName
from cdi.names import ANNOTATION_PREFIX, parse_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cdi.diagnosis.case import Case

_TAKEN_FOR_A_PATH = (
    "runtimes take what is no qualified name for a path: "
    "'stat vendor.com/class: no such file or directory', 'error gathering device information'"
)


def name_findings(case: Case) -> Iterator[Finding]:
    """Yield why the name is none, with the likely one; runtimes know only `vendor/class=device`."""
    name = case.name
    advice = _advice(name, case)
    fault = "it is no qualified device name"
    try:
        parse_name(name)
        if advice is None:
            return
    except InvalidName as error:
        fault = error.message
        advice = advice or error.hint
    yield Finding(step="name", status="problem", message=fault, why=_TAKEN_FOR_A_PATH, hint=advice)


def _advice(name: str, case: Case) -> str | None:
    """Return what was meant by something that is often taken for a name."""
    for pattern, explain in _FORMS:
        match = pattern.fullmatch(name)
        if match is not None and (text := explain(match, case)) is not None:
            return text
    return None


def _annotation(match: re.Match[str], _case: Case) -> str:
    value = match[1]
    ask = f"ask for {value!r}" if value else "its value has the device names"
    return f"that is a container annotation: {ask}; annotations of a pod are not read, only those of a container"


def _list(match: re.Match[str], _case: Case) -> str:
    return f"ask for each by itself: {' '.join(part.strip() for part in match[0].split(','))}"


def _blanks(match: re.Match[str], _case: Case) -> str:
    return f"without the blanks around it: {match[1]!r}"


def _resource(match: re.Match[str], _case: Case) -> str:
    return (
        f"in `resources.limits` of Kubernetes that is a count for a device plugin, not a device; "
        f"the device is {match[1]}={match[2]}"
    )


def _slash(match: re.Match[str], _case: Case) -> str:
    return f"the device comes after an equals sign: {match[1]}={match[2]}"


def _kind(match: re.Match[str], case: Case) -> str | None:
    offered = [name for name in case.view.scan.devices if name.startswith(f"{match[0]}=")]
    return f"a kind is not enough, name one of its devices: {some(offered)}" if offered else None


def _node(match: re.Match[str], case: Case) -> str:
    names = [
        f"{loaded.spec.kind}={device.name}"
        for loaded, device in case.view.scan.table.values()
        for node in device.container_edits.device_nodes
        if match[0] in {node.path, node.host_path}
    ]
    has_it = f"; it comes with {some(names)}" if names else ""
    return f"that is the path of a device node, which --device takes, too, without CDI and all that a spec adds{has_it}"


def _device(match: re.Match[str], case: Case) -> str | None:
    named = [name for name in case.view.scan.devices if name.endswith((f"={match[1]}", f"/{match[0]}"))]
    return f"with its kind: {some(named)}" if named else None


_FORMS: tuple[tuple[re.Pattern[str], Callable[[re.Match[str], Case], str | None]], ...] = (
    (re.compile(rf"{re.escape(ANNOTATION_PREFIX)}[^=:]*(?:[=:]\s*['\"]?(.*?)['\"]?)?"), _annotation),
    (re.compile(r"/.+"), _node),
    (re.compile(r".+,.+"), _list),
    (re.compile(r"([\w.-]+/[\w.-]+)\s*:\s*['\"]?([\w.:-]+?)['\"]?"), _resource),
    (re.compile(r"([\w.-]+/[\w.-]+)/([\w.:-]+)"), _slash),
    (re.compile(r"[\w.-]+/[\w.-]+"), _kind),
    (re.compile(r"(?:\w+=)?([\w.:-]+)"), _device),
    (re.compile(r"\s*(\S+)\s*"), lambda match, case: _blanks(match, case) if match[0] != match[1] else None),
)
