"""CDI specs, from bare hardware to devices inside containers.

A name below is loaded when it is first used, so that `import cdi` costs next to nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cdi.discovery import discover
    from cdi.encode import dump
    from cdi.errors import (
        CdiError,
        FileConflict,
        FileError,
        InjectionFailed,
        InvalidName,
        Locked,
        NothingFound,
        SpecInvalid,
        UnresolvedDevices,
        UsageError,
    )
    from cdi.generation import generate
    from cdi.host import Host
    from cdi.model import ContainerEdits, Device, DeviceNode, Hook, IntelRdt, Mount, NetDevice, Spec
    from cdi.names import QualifiedName, annotation, parse_name, spec_name
    from cdi.problem import Problem
    from cdi.registry import Registry
    from cdi.report import Report, check
    from cdi.store import load
    from cdi.versions import downgrade, minimum_version

__all__ = [
    "CdiError",
    "ContainerEdits",
    "Device",
    "DeviceNode",
    "FileConflict",
    "FileError",
    "Hook",
    "Host",
    "InjectionFailed",
    "IntelRdt",
    "InvalidName",
    "Locked",
    "Mount",
    "NetDevice",
    "NothingFound",
    "Problem",
    "QualifiedName",
    "Registry",
    "Report",
    "Spec",
    "SpecInvalid",
    "UnresolvedDevices",
    "UsageError",
    "annotation",
    "check",
    "discover",
    "downgrade",
    "dump",
    "generate",
    "load",
    "minimum_version",
    "parse_name",
    "spec_name",
]

_NAMES = {
    "discovery": "discover",
    "encode": "dump",
    "errors": "CdiError FileConflict FileError InjectionFailed InvalidName Locked NothingFound SpecInvalid"
    " UnresolvedDevices UsageError",
    "generation": "generate",
    "host": "Host",
    "model": "ContainerEdits Device DeviceNode Hook IntelRdt Mount NetDevice Spec",
    "names": "QualifiedName annotation parse_name spec_name",
    "problem": "Problem",
    "registry": "Registry",
    "report": "Report check",
    "store": "load",
    "versions": "downgrade minimum_version",
}
_HOME = {name: module for module, names in _NAMES.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        message = f"module 'cdi' has no attribute {name!r}"
        raise AttributeError(message)
    value = getattr(importlib.import_module(f"cdi.{_HOME[name]}"), name)
    globals()[name] = value
    return value
