"""Which container a hook is for: the state that the runtime writes to its stdin (OCI runtime spec, "State")."""

from __future__ import annotations

__all__ = ["root_of"]

import json
import os
import posixpath
from typing import Any

from cdi.errors import FileError, UsageError

_MAX_STATE = 16 << 20  # a state holds the container's annotations, which orchestrators fill
_CONFIG = "config.json"


def root_of(state: bytes) -> str:
    """Return the path, on the host, of the container's root file system.

    It is `root` of the state where the runtime says it (crun does), else `root.path` of the bundle's `config.json`
    (OCI runtime spec, "Root"), below the bundle unless it is absolute. Raises `UsageError` for what is no state.
    """
    if len(state) > _MAX_STATE:
        message = f"the container's state has more than {_MAX_STATE} bytes"
        raise UsageError(message)
    known = _object(state, "the container's state")
    bundle = _text(known, "bundle", "the container's state")
    root = known.get("root")
    if not isinstance(root, str) or not root:
        root = _root_of_bundle(bundle)
    path = posixpath.join(bundle, root)
    if not path.startswith("/") or "\0" in path:
        message = f"the path of the container's root, {path!r}, is not absolute"
        raise UsageError(message)
    return path


def _root_of_bundle(bundle: str) -> str:
    config = posixpath.join(bundle, _CONFIG)
    try:
        descriptor = os.open(config, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb") as file:  # noqa: PTH123 - of a descriptor
            content = file.read(_MAX_STATE)
    except OSError as error:
        raise FileError.from_os(error, "read", config) from error
    except ValueError as error:
        message = f"cannot read {config!r}: {error}"
        raise FileError(message) from error
    root = _object(content, config).get("root")
    return _text(root if isinstance(root, dict) else {}, "path", f"root of {config}")


def _object(content: bytes, what: str) -> dict[str, Any]:
    try:
        found: Any = json.loads(content)
    except (ValueError, RecursionError) as error:
        message = f"{what} is not JSON: {str(error) or 'it is nested too deeply'}"
        raise UsageError(message, hint="a runtime runs hooks; by hand: cdi-hook NAME … < state.json") from error
    if not isinstance(found, dict):
        message = f"{what} is not a JSON object"
        raise UsageError(message)
    return found


def _text(fields: dict[str, Any], key: str, what: str) -> str:
    text = fields.get(key)
    if not isinstance(text, str) or not text:
        message = f"{what} has no {key!r}"
        raise UsageError(message)
    return text
