"""OCI runtime specs: read from JSON or YAML, and the devices that they ask for."""

from __future__ import annotations

__all__ = ["read_oci", "requested"]

from typing import Any

import msgspec

from cdi.errors import InvalidName, UsageError
from cdi.names import ANNOTATION_PREFIX, parse_name
from cdi_cli.sources import read_document


def read_oci(path: str) -> dict[str, Any]:
    """Return the OCI runtime spec in a file, or in stdin for `-`; raise `UsageError` for anything else."""
    content = read_document(path)
    try:
        document = msgspec.json.decode(content)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        document = _from_yaml(content, path, str(error))
    if not isinstance(document, dict):
        message = f"{path!r} is not an OCI runtime spec: it is {_kind(document)}"
        raise UsageError(message)
    if "containerEdits" in document or "cdiVersion" in document:
        message = f"{path!r} is a CDI spec, not an OCI runtime spec"
        raise UsageError(message, hint="first the OCI spec, such as runc's config.json, then device names")
    return document


def requested(oci: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Return the OCI spec without the devices that stand for CDI devices, and the names of those and in annotations."""
    linux = oci.get("linux") or {}
    nodes = (linux.get("devices") if isinstance(linux, dict) else None) or []
    names = [node["path"] for node in nodes if _is_request(node)]
    for key, value in (oci.get("annotations") or {}).items():
        if key.startswith(ANNOTATION_PREFIX) and isinstance(value, str):
            names += [str(parse_name(name.strip())) for name in value.split(",") if name.strip()]
    if not any(_is_request(node) for node in nodes):
        return oci, names
    rest = [node for node in nodes if not _is_request(node)]
    return oci | {"linux": linux | {"devices": rest}}, names


def _is_request(node: Any) -> bool:
    try:
        return isinstance(node, dict) and bool(parse_name(str(node.get("path", ""))))
    except InvalidName:
        return False


def _from_yaml(content: bytes, path: str, json_error: str) -> Any:
    import yaml  # noqa: PLC0415 - rarely needed

    try:
        return yaml.load(content, yaml.CSafeLoader)
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, RecursionError):
        message = f"{path!r} is neither JSON nor YAML: {json_error[:1].lower()}{json_error[1:]}"
        raise UsageError(message) from None


def _kind(document: Any) -> str:
    return {type(None): "empty", list: "a list"}.get(type(document), "a single value")
