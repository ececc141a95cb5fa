"""k3s and RKE2, which write the configuration of their containerd anew at each start: only beside it is there room."""

from __future__ import annotations

__all__ = ["plan"]

from typing import TYPE_CHECKING

from cdi.errors import CdiError
from cdi.runtimes.config.containerd import NEW, PLUGINS, files_of, setting_of
from cdi.runtimes.config.toml_text import changed
from cdi.runtimes.configs import strings
from cdi.runtimes.containerd_tables import version_of

if TYPE_CHECKING:
    from cdi.host import Host
    from cdi.runtimes.config.plan import Plan, Request
    from cdi.runtimes.runtime import Runtime

_NAME = "99-cdi-tools.toml"
_FIRST = 3  # the version of containerd 2, which puts the tables of several files together


def plan(host: Host, runtime: Runtime, request: Request) -> Plan:
    """Return what to change for this request; raise `CdiError` when it cannot be done."""
    home = f"/var/lib/rancher/{runtime.name}/agent/etc/containerd"
    files = files_of(host, runtime)
    if not files:
        message = f"{runtime.name} has not written '{home}/config.toml' yet"
        raise CdiError(message, hint=f"start {runtime.name} once")
    generated, *others = files
    key, value = setting_of(request)
    having = [file for file in files if file.get(PLUGINS, NEW, key) is not None]
    present = having[-1].get(PLUGINS, NEW, key) if having else None
    if version_of(generated) < _FIRST:
        raise _no_room(runtime, home, "config.toml.tmpl", "its containerd 1 would forget all other CRI settings")
    if present == (list(value) if isinstance(value, tuple) else value):
        return request.nothing(runtime, f"{having[-1].path} says so")
    if not having and request.action == "enable":
        return request.nothing(runtime, "the default of its containerd 2")
    if f"{home}/config-v3.toml.d/*.toml" not in strings(generated.get("imports")):
        raise _no_room(runtime, home, "config-v3.toml.tmpl", "this release imports no directory for more settings")
    own = f"{home}/config-v3.toml.d/{_NAME}"
    file = having[-1] if having and having[-1] in others else next((one for one in others if one.path == own), None)
    text = f"version = {version_of(generated)}\n" if file is None else file.text
    path = own if file is None else file.path
    new = changed(text, (PLUGINS, NEW, key), value, source=path)
    return request.change(runtime, path, old=None if file is None else text, new=new)


def _no_room(runtime: Runtime, home: str, template: str, why: str) -> CdiError:
    message = f"{runtime.name} writes '{home}/config.toml' anew at each start, and {why}"
    hint = f"""write '{home}/{template}': first {{{{ template "base" . }}}}, then the setting; see docs/runtimes.md"""
    return CdiError(message, hint=hint)
