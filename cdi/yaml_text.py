"""Plain data to YAML that every YAML reader, 1.1 or 1.2, reads back as the same data."""

from __future__ import annotations

__all__ = ["to_yaml"]

from typing import Any

import yaml

from cdi.scalars import resolve


class _Dumper(yaml.CSafeDumper):
    """Writes block style, and quotes every string that some reader would take for something else."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - PyYAML's signature
        return True


def _string(dumper: yaml.CSafeDumper, text: str) -> yaml.ScalarNode:
    # PyYAML quotes what it would misread itself; "y", "0o10" and "1e3" it would not.
    ambiguous = not isinstance(resolve(text), str)
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="'" if ambiguous else None)


_Dumper.add_representer(str, _string)


def to_yaml(data: Any) -> str:
    """Return dicts, lists, strings, numbers and booleans as one YAML document."""
    text: str = yaml.dump(
        data,
        Dumper=_Dumper,
        sort_keys=False,
        default_flow_style=False,
        allow_unicode=True,
        width=2**31 - 1,
    )
    return text
