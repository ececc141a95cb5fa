"""Docker: the feature `cdi` and the spec directories in daemon.json."""

from __future__ import annotations

__all__ = ["plan"]

from typing import TYPE_CHECKING, Any

from cdi.errors import CdiError
from cdi.runtimes.config.json_text import changed, parse
from cdi.runtimes.config.plan import Plan, read_text
from cdi.runtimes.docker import daemon_json
from cdi.runtimes.installed import DEFAULT_DIRS
from cdi.runtimes.processes import flags
from cdi.runtimes.programs import release_of

if TYPE_CHECKING:
    from cdi.host import Host
    from cdi.runtimes.config.plan import Request
    from cdi.runtimes.runtime import Runtime

_FIRST, _ON = (25,), (28, 2)
# dockerd does not start when the file has what the command line has, too; of features, even another one.
_FLAGS = {"features": "--feature", "cdi-spec-dirs": "--cdi-spec-dir"}


def plan(host: Host, runtime: Runtime, request: Request) -> Plan:
    """Return what to change for this request; raise `CdiError` when it cannot be done."""
    numbers = release_of(runtime.version)
    if numbers is not None and numbers < _FIRST:
        message = f"docker {runtime.version} has no CDI"
        raise CdiError(message, hint="docker has it since 25.0")
    arguments = runtime.daemon.arguments if runtime.daemon is not None else ()
    path = daemon_json(runtime.program, arguments)
    text = read_text(host, path)
    data = parse(text or "", source=path)
    keys, value = (("cdi-spec-dirs",), request.dirs) if request.dirs else (("features", "cdi"), request.on)
    present: Any = data
    for key in keys:
        present = present.get(key) if isinstance(present, dict) else None
    default = DEFAULT_DIRS if request.dirs else None if numbers is None else numbers >= _ON
    if present == (list(value) if isinstance(value, tuple) else value):
        return request.nothing(runtime, f"{path} says so")
    _refuse_flag(keys[0], arguments, path)
    if present is None and default == value:
        return request.nothing(runtime, f"the default of docker {runtime.version or ''}".rstrip())
    new = changed(text or "", keys, value, source=path)
    return request.change(runtime, path, old=text, new=new)


def _refuse_flag(key: str, arguments: tuple[str, ...], path: str) -> None:
    flag = _FLAGS[key]
    values = flags(arguments, flag)
    if values:
        message = f"dockerd runs with {flag} {values[-1]}, and does not start when {path!r} has {key!r} as well"
        raise CdiError(
            message, hint=f"take {flag} off its command line ('systemctl cat docker' shows it), or set it there"
        )
