"""CDI specs, from bare hardware to devices inside containers.

The names below are loaded when first used, so that `import cdi` costs next to nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cdi.encode import dump
    from cdi.errors import CdiError
    from cdi.names import annotation, parse_name, spec_name
    from cdi.report import Report, check

_HOME = {
    "CdiError": "errors",
    "FileConflict": "errors",
    "FileError": "errors",
    "InjectionFailed": "errors",
    "InvalidName": "errors",
    "Locked": "errors",
    "NothingFound": "errors",
    "SpecInvalid": "errors",
    "UnresolvedDevices": "errors",
    "UsageError": "errors",
    "Problem": "problem",
    "QualifiedName": "names",
    "annotation": "names",
    "parse_name": "names",
    "spec_name": "names",
    "ContainerEdits": "model",
    "Device": "model",
    "DeviceNode": "model",
    "Hook": "model",
    "IntelRdt": "model",
    "Mount": "model",
    "NetDevice": "model",
    "Spec": "model",
    "downgrade": "versions",
    "minimum_version": "versions",
    "dump": "encode",
    "Report": "report",
    "check": "report",
    "Registry": "registry",
    "load": "store",
    "Host": "host",
    "discover": "discovery",
    "generate": "generation",
}


def __getattr__(name: str) -> Any:
    home = _HOME.get(name)
    if home is None:
        message = f"module 'cdi' has no attribute {name!r}"
        raise AttributeError(message)
    value = getattr(importlib.import_module(f"cdi.{home}"), name)
    globals()[name] = value
    return value
