"""CDI specs, from bare hardware to devices inside containers.

A name below is loaded when it is first used, so that `import cdi` costs next to nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cdi.discovery import Discovery, Found, Shared, Skipped, discover
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
    from cdi.generation import Generated, generate, nothing_found
    from cdi.host import Host, HostError
    from cdi.hostcheck import check_host
    from cdi.model import ContainerEdits, Device, DeviceNode, Hook, IntelRdt, Mount, NetDevice, Spec
    from cdi.names import QualifiedName, annotation, parse_name, spec_name
    from cdi.problem import Problem
    from cdi.recording import snapshot
    from cdi.registry import DEFAULT_DIRS, Registry
    from cdi.report import Report, check
    from cdi.store import load, remove, write
    from cdi.versions import downgrade, minimum_version, needed_version

__all__ = [
    "DEFAULT_DIRS",
    "CdiError",
    "ContainerEdits",
    "Device",
    "DeviceNode",
    "Discovery",
    "FileConflict",
    "FileError",
    "Found",
    "Generated",
    "Hook",
    "Host",
    "HostError",
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
    "Shared",
    "Skipped",
    "Spec",
    "SpecInvalid",
    "UnresolvedDevices",
    "UsageError",
    "annotation",
    "check",
    "check_host",
    "discover",
    "downgrade",
    "dump",
    "generate",
    "load",
    "minimum_version",
    "needed_version",
    "nothing_found",
    "parse_name",
    "remove",
    "snapshot",
    "spec_name",
    "write",
]

_NAMES = {
    "discovery": "Discovery Found Shared Skipped discover",
    "encode": "dump",
    "errors": "CdiError FileConflict FileError InjectionFailed InvalidName Locked NothingFound SpecInvalid"
    " UnresolvedDevices UsageError",
    "generation": "Generated generate nothing_found",
    "host": "Host HostError",
    "hostcheck": "check_host",
    "model": "ContainerEdits Device DeviceNode Hook IntelRdt Mount NetDevice Spec",
    "names": "QualifiedName annotation parse_name spec_name",
    "problem": "Problem",
    "recording": "snapshot",
    "registry": "DEFAULT_DIRS Registry",
    "report": "Report check",
    "store": "load remove write",
    "versions": "downgrade minimum_version needed_version",
}
_HOME = {name: module for module, names in _NAMES.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        message = f"module 'cdi' has no attribute {name!r}"
        raise AttributeError(message)
    value = getattr(importlib.import_module(f"cdi.{_HOME[name]}"), name)
    globals()[name] = value
    return value
