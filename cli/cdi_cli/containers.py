"""OCI runtime specs: read from JSON or YAML, and the devices that they ask for."""

from __future__ import annotations

__all__ = ["read_oci", "requested"]

from typing import Any

import msgspec

from cdi.errors import InjectionFailed, InvalidName, UsageError
from cdi.names import ANNOTATION_PREFIX, parse_name
from cdi_cli.sources import read_document
from cdi_cli.text import lowered


def read_oci(path: str) -> dict[str, Any]:
    """Return the OCI runtime spec in a file, or in stdin for `-`; raise `UsageError` for anything else."""
    content = read_document(path)
    try:
        document = _parsed(content, path)
    except RecursionError:
        message = f"{path!r} is nested too deeply"
        raise UsageError(message) from None
    if not isinstance(document, dict):
        message = f"{path!r} is not an OCI runtime spec: it is {_KINDS.get(type(document), 'a single value')}"
        raise UsageError(message)
    if "containerEdits" in document or "cdiVersion" in document:
        message = f"{path!r} is a CDI spec, not an OCI runtime spec"
        raise UsageError(message, hint="first the OCI spec, such as runc's config.json, then device names")
    return document


def requested(oci: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Return the OCI spec without the devices that stand for CDI devices, and the names of those and in annotations.

    Raises `InvalidName` for an annotation that asks for what is no device name.
    """
    linux = _part(oci, "linux", dict)
    nodes = _part(linux, "devices", list)
    names = [node["path"] for node in nodes if _is_request(node)]
    for key, value in _part(oci, "annotations", dict).items():
        if key.startswith(ANNOTATION_PREFIX) and isinstance(value, str):
            names += [str(parse_name(name.strip())) for name in value.split(",") if name.strip()]
    rest = [node for node in nodes if not _is_request(node)]
    return (oci if len(rest) == len(nodes) else oci | {"linux": linux | {"devices": rest}}), names


_KINDS = {type(None): "empty", list: "a list"}


def _part(document: dict[str, Any], key: str, kind: type) -> Any:
    """Return a part of an OCI spec, empty when it is absent; raise `InjectionFailed` when it is something else."""
    value = document.get(key)
    if value is None or isinstance(value, kind):
        return value or kind()
    message = f"{key}: expected {'a list' if kind is list else 'an object'}"
    raise InjectionFailed(message, hint="is this an OCI runtime spec (config.json)?")


def _is_request(node: Any) -> bool:
    try:
        return isinstance(node, dict) and bool(parse_name(str(node.get("path", ""))))
    except InvalidName:
        return False


def _parsed(content: bytes, path: str) -> Any:
    try:
        return msgspec.json.decode(content)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        why = lowered(str(error))
    import yaml  # noqa: PLC0415 - rarely needed

    try:
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(content, yaml.CSafeLoader)):
            message = f"{path!r} has YAML aliases, which an OCI runtime spec does not need"
            raise UsageError(message)
        # By way of JSON: what YAML has besides (dates, numbers as keys) becomes strings.
        return msgspec.json.decode(msgspec.json.encode(yaml.load(content, yaml.CSafeLoader)))
    except (yaml.YAMLError, msgspec.MsgspecError, TypeError, ValueError):
        message = f"{path!r} is neither JSON nor YAML: {why}"
        raise UsageError(message) from None
