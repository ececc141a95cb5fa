"""Nodes for the doctor: text trees with programs that say their version, and specs to put into them."""

from __future__ import annotations

__all__ = ["GOOD", "NODE", "Node", "spec"]

import json
from typing import TYPE_CHECKING, Any

from cdi.diagnosis import Diagnosis, Finding, diagnose
from cdi.host import Host
from cdi.runtimes import find_runtimes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cdi.runtimes import Runtime

NODE = "/dev/gpu0 : c 240 0 0666\n"


def spec(
    *names: str, kind: str = "vendor.com/gpu", version: str = "0.5.0", each: Any = None, shared: Any = None
) -> str:
    """Return a spec as JSON text; `each` are the edits of every device."""
    edits = {"deviceNodes": [{"path": "/dev/gpu0"}]} if each is None else each
    devices = [{"name": name, "containerEdits": edits} for name in names]
    data: dict[str, Any] = {"cdiVersion": version, "kind": kind, "devices": devices}
    return json.dumps(data | ({"containerEdits": shared} if shared else {}))


GOOD = spec("0")


class Node:
    """A host with these files, these lines of a text tree, and these runtimes."""

    def __init__(self, files: Mapping[str, str] | None = None, *, lines: str = "", **versions: str) -> None:
        content = [f"{path} = {json.dumps(text)}" for path, text in (files or {}).items()]
        self._said = {_PROGRAMS.get(name, name): version for name, version in versions.items()}
        programs = [f"/usr/bin/{program} : f 0755" for program in self._said]
        self.host = Host.from_tree("\n".join([*content, *programs, lines]))

    @property
    def runtimes(self) -> tuple[Runtime, ...]:
        return find_runtimes(self.host, ask=self._ask)

    def diagnosis(self, *devices: str, user: str | None = None) -> Diagnosis:
        return diagnose(self.host, self.runtimes, devices, user=user)

    def wrong(self, *devices: str, user: str | None = None) -> list[Finding]:
        """Return what is wrong: problems, warnings, and what could not be read."""
        return [one for one in self.diagnosis(*devices, user=user).findings if one.status not in {"ok", "note"}]

    def first(self, device: str, *, user: str | None = None) -> Finding:
        """Return the first broken step of the only runtime."""
        return next(one for one in self.wrong(device, user=user) if one.status in {"problem", "unknown"})

    def notes(self, *devices: str) -> list[str]:
        """Return what is only remarked on."""
        return [one.message for one in self.diagnosis(*devices).findings if one.status == "note"]

    def _ask(self, command: Sequence[str]) -> str | None:
        name = command[0].rpartition("/")[2]
        version = self._said.get(name)
        return f"{name} version {version}" if version is not None and list(command[1:]) == ["--version"] else None


_PROGRAMS = {"docker": "dockerd", "crio": "crio", "buildkit": "buildkitd"}
