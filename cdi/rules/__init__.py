"""What a schema cannot say about a spec: one small function a rule.

A rule takes its subject (the spec, a device, edits, or one entry of the edits) and returns None, or what it
found. Rules of severity `error` are those of the reference library: it refuses the whole file. What breaks
the others loads, but is unwise. `docs/rules/` has a page for each. Most specs break no rule, so asking is cheap
here, and explaining is not.
"""

from __future__ import annotations

__all__ = ["RULES", "apply_rules", "is_valid"]

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from cdi.model import ContainerEdits, Device, DeviceNode, Hook, IntelRdt, Mount, NetDevice, Spec
from cdi.problem import Problem
from cdi.rules import edits, specs
from cdi.rules.rule import RULES, Findings

if TYPE_CHECKING:
    from collections.abc import Sequence

_MODULES = (edits, specs)  # whose import enters their rules into the table

_Functions = tuple[Callable[[Any], Findings], ...]


def _of(subject: type) -> _Functions:
    return tuple(rule.function for rule in RULES if rule.subject is subject)


_BY_FUNCTION = {rule.function: rule for rule in RULES}
_SPEC, _DEVICE, _EDITS, _RDT = _of(Spec), _of(Device), _of(ContainerEdits), _of(IntelRdt)
_NODE, _NET, _HOOK, _MOUNT = _of(DeviceNode), _of(NetDevice), _of(Hook), _of(Mount)


_ERRORS: dict[type, _Functions] = {
    subject: tuple(rule.function for rule in RULES if rule.subject is subject and rule.severity == "error")
    for subject in (Spec, Device, ContainerEdits, DeviceNode, NetDevice, Hook, Mount, IntelRdt)
}


def is_valid(spec: Spec) -> bool:
    """Return whether the spec keeps all rules of the reference library, which is quicker than to ask every rule."""
    every = (spec.container_edits, *[device.container_edits for device in spec.devices])
    subjects: dict[type, Sequence[object]] = {
        Spec: (spec,),
        Device: spec.devices,
        ContainerEdits: every,
        DeviceNode: [node for edits in every for node in edits.device_nodes],
        NetDevice: [device for edits in every for device in edits.net_devices],
        Hook: [hook for edits in every for hook in edits.hooks],
        Mount: [mount for edits in every for mount in edits.mounts],
        IntelRdt: [edits.intel_rdt for edits in every if edits.intel_rdt is not None],
    }
    return not any(any(map(function, subjects[kind])) for kind in subjects for function in _ERRORS[kind])


def apply_rules(spec: Spec) -> list[Problem]:
    """Return what the rules find in a spec; `where` is set, line and column are not."""
    problems = _ask(_SPEC, spec, "") + _ask_edits(spec.container_edits, "containerEdits")
    for i, device in enumerate(spec.devices):
        where = f"devices[{i}]"
        problems += _ask(_DEVICE, device, where)
        problems += _ask_edits(device.container_edits, where + ".containerEdits")
    return problems


def _ask_edits(edits: ContainerEdits, where: str) -> list[Problem]:
    problems = _ask(_EDITS, edits, where)
    for functions, parts, key in (
        (_NODE, edits.device_nodes, "deviceNodes"),
        (_NET, edits.net_devices, "netDevices"),
        (_HOOK, edits.hooks, "hooks"),
        (_MOUNT, edits.mounts, "mounts"),
    ):
        for function in functions if parts else ():
            found = [i for i, part in enumerate(parts) if function(part) is not None]
            for i in found:
                problems += _ask((function,), parts[i], f"{where}.{key}[{i}]")
    if edits.intel_rdt is not None:
        problems += _ask(_RDT, edits.intel_rdt, where + ".intelRdt")
    return problems


def _ask(functions: _Functions, subject: object, where: str) -> list[Problem]:
    problems = []
    for function in functions:
        for finding in function(subject) or ():
            rule = _BY_FUNCTION[function]
            place = f"{where}.{finding.where}" if where and finding.where else where or finding.where
            problem = Problem(
                severity=rule.severity, rule=rule.name, message=finding.message, where=place, hint=finding.hint
            )
            problems.append(problem)
    return problems
