"""Runtimes that read one TOML file after another, key by key: CRI-O, Podman, nerdctl, BuildKit."""

from __future__ import annotations

__all__ = ["LAYERS", "plan"]

from typing import TYPE_CHECKING, Any

import msgspec

from cdi.errors import CdiError
from cdi.runtimes.config.plan import Plan, read_text
from cdi.runtimes.config.toml_text import Value, changed, parse
from cdi.runtimes.installed import DEFAULT_DIRS
from cdi.runtimes.processes import flags
from cdi.runtimes.programs import release_of

if TYPE_CHECKING:
    from cdi.host import Host
    from cdi.runtimes.config.plan import Request
    from cdi.runtimes.runtime import Runtime


class Layers(msgspec.Struct, frozen=True, kw_only=True):
    """The keys of a runtime, and where they go.

    `own` is the file to write when none has the key; `off` is the key that switches CDI off, if there is one.
    `moved` are the options of the daemon that name another place than that of `own`.
    """

    own: str
    moved: tuple[str, ...] = ()
    dirs: tuple[str, ...]
    off: tuple[str, ...] | None = None
    flag: str | None = None  # which has the last word
    since: tuple[int, ...] = (0,)  # the first release that obeys `dirs`
    defaults: tuple[str, ...] = DEFAULT_DIRS
    instead: str  # of switching it off


_KEEP_OUT = "to keep devices out of its containers, uninstall their specs"
LAYERS = {
    "buildkit": Layers(
        own="/etc/buildkit/buildkitd.toml",
        moved=("--config",),
        dirs=("cdi", "specDirs"),
        off=("cdi", "disabled"),
        flag="--cdi-spec-dir",
        defaults=(*DEFAULT_DIRS, "/etc/buildkit/cdi"),
        instead="",
    ),
    "cri-o": Layers(
        own="/etc/crio/crio.conf.d/99-cdi-tools.conf",
        moved=("--config-dir", "-d"),
        dirs=("crio", "runtime", "cdi_spec_dirs"),
        flag="--cdi-spec-dirs",
        since=(1, 24),
        instead=f"CRI-O has no switch for it; {_KEEP_OUT}, or set-dirs to an empty directory",
    ),
    "nerdctl": Layers(
        own="/etc/nerdctl/nerdctl.toml",
        dirs=("cdi_spec_dirs",),
        since=(2, 1),
        instead=f"nerdctl has no switch for it; {_KEEP_OUT}",
    ),
    "podman": Layers(
        own="/etc/containers/containers.conf.d/99-cdi-tools.conf",
        dirs=("engine", "cdi_spec_dirs"),
        since=(5, 5),
        instead=f"Podman has no switch for it; {_KEEP_OUT}",
    ),
}
_PACKAGED = "/usr/"  # not for administrators to change
_HEAD = "# Written by cdi; 'cdi runtime undo {}' takes it back.\n"


def plan(host: Host, runtime: Runtime, request: Request) -> Plan:
    """Return what to change for this request; raise `CdiError` when it cannot be done."""
    layers = LAYERS[runtime.name]
    if request.action == "set-dirs":
        _refuse_disobedient(layers, runtime)
        return _set(host, runtime, request, layers.dirs, request.dirs, layers.defaults)
    if layers.off is not None:
        return _set(host, runtime, request, layers.off, not request.on, False)  # noqa: FBT003 - a value
    if request.on:
        return request.nothing(runtime, f"{runtime.name} always has it on")
    message = f"CDI cannot be switched off in {runtime.name}"
    raise CdiError(message, hint=layers.instead)


def _set(  # noqa: PLR0913, PLR0917 - a key with its value
    host: Host, runtime: Runtime, request: Request, keys: tuple[str, ...], value: Value, default: Value
) -> Plan:
    layers = LAYERS[runtime.name]
    texts = {path: read_text(host, path) or "" for path in runtime.configs}
    found = {path: _value(parse(text, source=path), keys) for path, text in texts.items()}
    having = [path for path, present in found.items() if present is not None]
    if having and found[having[-1]] == (list(value) if isinstance(value, tuple) else value):
        return request.nothing(runtime, f"{having[-1]} says so")
    if not having and value == default:
        return request.nothing(runtime, f"the default of {runtime.name}")
    path = _place(layers, runtime, having[-1] if having else None)
    old = texts.get(path)
    new = changed(_HEAD.format(runtime.name) if old is None else old, keys, value, source=path)
    return request.change(runtime, path, old=old, new=new)


def _place(layers: Layers, runtime: Runtime, last: str | None) -> str:
    """Return the file to write: the last that has the key, or our own when none has it or a package brings it."""
    if last is not None and not last.startswith(_PACKAGED):
        return last
    own = _own(layers, runtime)
    directory, _, name = own.rpartition("/")
    if last is not None and last.rpartition("/")[0].endswith(".d") and last.rpartition("/")[2] > name:
        message = f"{last!r} has the last word, and a package brings it"
        raise CdiError(message, hint=f"copy it to {directory}, where it replaces that one, then try again")
    return own


def _value(data: Any, keys: tuple[str, ...]) -> Any:
    for key in keys:
        data = data.get(key) if isinstance(data, dict) else None
    return data


def _refuse_disobedient(layers: Layers, runtime: Runtime) -> None:
    """Raise `CdiError` when the runtime would read other directories all the same."""
    numbers = release_of(runtime.version)
    if numbers is not None and numbers < layers.since:
        since = ".".join(map(str, layers.since))
        message = f"{runtime.name} {runtime.version} does not obey {layers.dirs[-1]}, only {since} and later do"
        raise CdiError(message, hint=f"put specs where it looks: {', '.join(runtime.spec_dirs or layers.defaults)}")
    _refuse_option(runtime, layers.flag)


def _own(layers: Layers, runtime: Runtime) -> str:
    """Return the file to write where none has the key."""
    for option in layers.moved:
        _refuse_option(runtime, option)
    return layers.own


def _refuse_option(runtime: Runtime, option: str | None) -> None:
    arguments = runtime.daemon.arguments if runtime.daemon is not None else ()
    values = flags(arguments, option) if option is not None else ()
    if values:
        message = f"{runtime.name} runs with {option} {values[-1]}, which has the last word"
        raise CdiError(message, hint="change what it is started with, or that place by hand")
