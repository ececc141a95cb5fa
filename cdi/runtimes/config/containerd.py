"""containerd: which of its files has the last word on CDI, and what to write there.

Files are changed in place. A file of our own in `conf.d` would need an `imports` in config.toml, which is a change of
that file too; the same `version`, since a newer one makes containerd 2.0 to 2.2 forget the settings of config.toml
and 2.3 refuse to start; and a copy of the whole CRI table for containerd 1, where a later file replaces it.
"""

from __future__ import annotations

__all__ = ["NEW", "PLUGINS", "File", "files_of", "plan", "setting_of"]

from typing import TYPE_CHECKING, Any, NamedTuple

from cdi.errors import CdiError, ConfigInvalid
from cdi.runtimes.config.plan import Plan, read_text
from cdi.runtimes.config.toml_text import Value, changed, parse
from cdi.runtimes.containerd import config_toml
from cdi.runtimes.installed import DEFAULT_DIRS
from cdi.runtimes.programs import release_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cdi.host import Host
    from cdi.runtimes.config.plan import Request
    from cdi.runtimes.runtime import Runtime

PLUGINS = "plugins"
_OLDEST = "cri"  # in files of version 1
_OLD = "io.containerd.grpc.v1.cri"  # of version 2
NEW = "io.containerd.cri.v1.runtime"  # of versions 3 and 4
_VERSION_3 = 3  # of a file; that of containerd 2
_FIRST, _ON, _DEPRECATED = (1, 7), (2, 0), (2, 3)
# The newest version that a release knows; it does not start with a newer one (RELEASES.md of containerd).
_VERSIONS = (((2, 3), 4), ((2, 0), 3), ((1, 3), 2))
_MIGRATE = "write the file anew with 'containerd config migrate', then try again"


class File(NamedTuple):
    """A file that containerd reads."""

    path: str
    text: str
    data: dict[str, Any]

    @property
    def version(self) -> int | None:
        """The version that it says it has; 0 says nothing."""
        found = self.data.get("version")
        return found if isinstance(found, int) and found > 0 else None

    def table(self, name: str) -> dict[str, Any] | None:
        """Return the table of a plugin."""
        plugins = self.data.get(PLUGINS)
        table = plugins.get(name) if isinstance(plugins, dict) else None
        return table if isinstance(table, dict) else None


def plan(host: Host, runtime: Runtime, request: Request) -> Plan:
    """Return what to change for this request; raise `CdiError` when it cannot be done."""
    numbers = release_of(runtime.version)
    if numbers is not None and numbers < _FIRST:
        message = f"containerd {runtime.version} has no CDI"
        raise CdiError(message, hint="containers of Kubernetes get CDI devices since containerd 1.7")
    files = files_of(host, runtime)
    key, value = setting_of(request)
    if not files or not files[0].data:
        return _fresh(files, runtime, request, (key, value))
    default = _default(key, numbers)
    remarks = tuple(_remarks(files, request, numbers))
    if numbers is not None and numbers >= _ON and all(_is_ignored(file) for file in files):
        is_surely = numbers < _DEPRECATED or not _has(files, _OLDEST)  # seen with 2.1.9 only
        if default == value and is_surely:
            return request.nothing(runtime, _by_default(runtime), remarks=remarks)
        raise _misfit(files, "containerd 2 does not read CRI settings of version 1 as containerd 1 does")
    file, name = _home(files, key, numbers)
    present = (file.table(name) or {}).get(key)
    if present == (list(value) if isinstance(value, tuple) else value):
        return request.nothing(runtime, f"{file.path} says so", remarks=remarks)
    if present is None and default == value:
        return request.nothing(runtime, _by_default(runtime), remarks=remarks)
    text = changed(file.text, (PLUGINS, name, key), value, source=file.path)
    return request.change(runtime, file.path, old=file.text, new=text, remarks=remarks)


def setting_of(request: Request) -> tuple[str, Value]:
    """Return the key of a CRI table that a request is about, and its value."""
    return ("cdi_spec_dirs", request.dirs) if request.action == "set-dirs" else ("enable_cdi", request.on)


def files_of(host: Host, runtime: Runtime) -> list[File]:
    """Return the files in the order in which containerd reads them; a later one has the last word."""
    texts = [(path, read_text(host, path)) for path in runtime.configs]
    return [File(path, text, parse(text, source=path)) for path, text in texts if text is not None]


def _fresh(files: list[File], runtime: Runtime, request: Request, setting: tuple[str, Value]) -> Plan:
    """Plan a file that says nothing else, where there is none or an empty one."""
    key, value = setting
    arguments = runtime.daemon.arguments if runtime.daemon is not None else ()
    main = config_toml(runtime.program, arguments)
    numbers = release_of(runtime.version)
    if _default(key, numbers) == value:
        return request.nothing(runtime, _by_default(runtime))
    if numbers is None:
        message = f"cannot write {main!r}: the version of containerd is not known, and so not that of the file"
        raise CdiError(message, hint=f"write it with 'containerd config default > {main}', then try again")
    version = next(version for since, version in _VERSIONS if since <= numbers)
    old = files[0].text if files else ""
    start = f"{old}\n" if old and not old.endswith("\n") else old
    name = NEW if version >= _VERSION_3 else _OLD
    text = changed(f"{start}version = {version}\n", (PLUGINS, name, key), value, source=main)
    return request.change(runtime, main, old=old if files else None, new=text)


def _home(files: list[File], key: str, numbers: tuple[int, ...] | None) -> tuple[File, str]:
    """Return the file that has the last word on a key, and the name of its table."""
    version = _final(files)
    is_two = numbers >= _ON if numbers is not None else version >= _VERSION_3 or _has(files, NEW)
    if not is_two:
        if version >= _VERSION_3:
            raise _misfit(files, f"containerd 1 does not start with version {version}")
        return _last(files, _OLDEST if version == 1 else _OLD, None)
    # containerd 2 puts the tables of all files together, and then what the old table says where the new one is silent.
    if any(key in (file.table(NEW) or ()) for file in files):
        return _last(files, NEW, key)
    if version < _VERSION_3 and (_has(files, _OLDEST) or (version == 1 and _has(files, _OLD))):
        raise _misfit(files, "containerd 2 mixes up CRI settings of version 1 with those of version 2")
    if version == 1 or version >= _VERSION_3:
        return _last(files, NEW, None)
    has_key = any(key in (file.table(_OLD) or ()) for file in files)
    return _last(files, _OLD, key if has_key else None)


def _final(files: list[File]) -> int:
    """Return the version that all files are taken to have: what the last one says that says something."""
    stated = [file.version for file in files if file.version is not None]
    return stated[-1] if stated else 1


def _is_ignored(file: File) -> bool:
    """Return whether containerd 2 reads no CRI settings in a file, were it alone: it is of version 1."""
    return file.version in {None, 1} and file.table(NEW) is None


def _has(files: list[File], name: str) -> bool:
    return any(file.table(name) is not None for file in files)


def _last(files: list[File], name: str, key: str | None) -> tuple[File, str]:
    """Return the last file with this table, or this key in it; else the main file."""
    for file in reversed(files):
        table = file.table(name)
        if table is not None and (key is None or key in table):
            return file, name
    return files[0], name


def _misfit(files: list[File], why: str) -> ConfigInvalid:
    return ConfigInvalid(f"{files[0].path}: {why}", hint=_MIGRATE)


def _default(key: str, numbers: tuple[int, ...] | None) -> Value | None:
    """Return what holds when no file says anything, None when that is not known."""
    if key == "cdi_spec_dirs":
        return DEFAULT_DIRS
    return None if numbers is None else numbers >= _ON


def _by_default(runtime: Runtime) -> str:
    return f"the default of containerd {runtime.version}" if runtime.version else "the default of containerd"


def _remarks(files: list[File], request: Request, numbers: tuple[int, ...] | None) -> Iterator[str]:
    for file in files:
        disabled = file.data.get("disabled_plugins")
        names = {name for name in disabled if isinstance(name, str)} if isinstance(disabled, list) else set[str]()
        if names & {_OLDEST, _OLD, NEW}:
            yield f"{file.path} switches the CRI plugin off, which alone reads this: Kubernetes cannot use it"
    if numbers is not None and numbers >= _DEPRECATED and request.action == "disable":
        yield "enable_cdi is deprecated: a later containerd may have CDI on whatever it says"
