"""containerd: which of its files has the last word on CDI, and what to write there.

Files are changed in place. A file of our own in `conf.d` would need an `imports` in config.toml, which is a change of
that file too; the same `version`, since a newer one makes containerd 2.0 to 2.2 forget the settings of config.toml
and 2.3 refuse to start; and a copy of the whole CRI table for containerd 1, where a later file replaces it.
"""

from __future__ import annotations

__all__ = ["NEW", "PLUGINS", "files_of", "plan", "setting_of"]

from typing import TYPE_CHECKING, Any

from cdi.errors import CdiError, ConfigInvalid
from cdi.runtimes.config.plan import Plan, broken, read_text
from cdi.runtimes.config.toml_text import Value, changed, parse
from cdi.runtimes.configs import Config, Configs
from cdi.runtimes.containerd import config_toml
from cdi.runtimes.containerd_tables import NAMES, Table, last_version, refuse_versions, tables, version_of
from cdi.runtimes.installed import DEFAULT_DIRS, Installed
from cdi.runtimes.programs import Program, release_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cdi.host import Host
    from cdi.problem import Problem
    from cdi.runtimes.config.plan import Request
    from cdi.runtimes.runtime import Runtime

PLUGINS = "plugins"
_OLDEST, _OLD, NEW = NAMES  # in files of version 1, of version 2, of versions 3 and 4
_VERSION_2, _VERSION_3 = 2, 3  # of a file; the latter is that of containerd 2
_FIRST, _ON, _DEPRECATED = (1, 7), (2, 0), (2, 3)
_WAYS = ("1.7", "2.0", "2.3")  # the releases since which files are put together in another way
# The newest version that a release knows; it does not start with a newer one (RELEASES.md of containerd).
_VERSIONS = (((2, 3), 4), ((2, 0), 3), ((1, 3), 2))
_READ_OTHERWISE = "containerd 2 does not read CRI settings of version 1 as containerd 1 does"
_MIGRATE = "write the file anew with 'containerd config migrate', then try again"


def plan(host: Host, runtime: Runtime, request: Request) -> Plan:
    """Return what to change for this request; raise `CdiError` when it cannot be done.

    What holds before and after is what `cdi.runtimes.containerd_tables` reads in the files, for a release that is not
    known in each of the ways in which they may be put together.
    """
    numbers = release_of(runtime.version)
    if numbers is not None and numbers < _FIRST:
        message = f"containerd {runtime.version} has no CDI"
        raise CdiError(message, hint="containers of Kubernetes get CDI devices since containerd 1.7")
    files = files_of(host, runtime)
    key, value = setting_of(request)
    remarks = tuple(_remarks(files, request, numbers))
    if not files or not files[0].data:
        return _fresh(files, runtime, request, remarks)
    readers = _readers(host, runtime, files)
    counted = [tables(reader, files)[0] for reader in readers]
    if (numbers is None or numbers >= _ON) and any(table.name == _OLDEST for table in counted[-1]):
        raise _misfit(files, _READ_OTHERWISE)
    holding = [_holding(found, key) for found in counted]
    if all(table is not None and _is(table, key, value) for table in holding):
        last = holding[-1]
        return request.nothing(runtime, f"{last.config.path if last else ''} says so", remarks=remarks)
    if not any(holding) and _default(key, numbers) == value:
        return request.nothing(runtime, _by_default(runtime), remarks=remarks)
    if numbers is not None and numbers >= _ON and all(_is_ignored(file) for file in files):
        raise _misfit(files, _READ_OTHERWISE)
    config, name = holding[-1] or (counted[-1] or [_base(files, numbers)])[-1]
    text = changed(config.text, (PLUGINS, name, key), value, source=config.path)
    after = [_config(config.path, text) if file.path == config.path else file for file in files]
    for reader in readers:
        table = _holding(tables(reader, after)[0], key)
        if table is None or not _is(table, key, value):
            raise _misfit(files, f"a file of another version or release of containerd keeps {key} from being read")
    return request.change(runtime, config.path, old=config.text, new=text, remarks=remarks)


def setting_of(request: Request) -> tuple[str, Value]:
    """Return the key of a CRI table that a request is about, and its value."""
    return ("cdi_spec_dirs", request.dirs) if request.action == "set-dirs" else ("enable_cdi", request.on)


def files_of(host: Host, runtime: Runtime) -> list[Config]:
    """Return the files in the order in which containerd reads them; a later one has the last word."""
    texts = [(path, read_text(host, path)) for path in runtime.configs]
    return [_config(path, text) for path, text in texts if text is not None]


def _config(path: str, text: str) -> Config:
    return Config(path=path, text=text, data=parse(text, source=path))


def _readers(host: Host, runtime: Runtime, files: list[Config]) -> list[Installed]:
    """Return the containerd that reads the files: of its release, or else one of each kind that starts with them."""
    versions = _WAYS if release_of(runtime.version) is None else (runtime.version,)
    found: list[Installed] = []
    problems: list[Problem] = []
    for version in versions:
        program = Program(path=runtime.program, version=version)
        reader, configs = Installed(name="containerd", host=host, program=program), Configs(host)
        refuse_versions(reader, configs, files)
        problems += configs.problems
        if not configs.problems:
            found.append(reader)
    if not found:
        raise broken(problems[0])
    return found


def _holding(counted: Sequence[Table], key: str) -> Table | None:
    """Return the table that has the last word on a key."""
    return next((table for table in reversed(counted) if table.get(key) is not None), None)


def _is(table: Table, key: str, value: Value) -> bool:
    present: Any = table.get(key)
    return bool(present == (list(value) if isinstance(value, tuple) else value))


def _base(files: list[Config], numbers: tuple[int, ...] | None) -> Table:
    """Return the table to write to in the main file, where no file has one that counts."""
    final = last_version(files)
    if numbers is not None and numbers < _ON:
        return Table(files[0], NAMES[min(final, _VERSION_2) - 1])
    return Table(files[0], _OLD if final == version_of(files[0]) == _VERSION_2 else NEW)


def _fresh(files: list[Config], runtime: Runtime, request: Request, remarks: tuple[str, ...]) -> Plan:
    """Plan a file that says nothing else, where there is none or an empty one."""
    key, value = setting_of(request)
    arguments = runtime.daemon.arguments if runtime.daemon is not None else ()
    main = config_toml(runtime.program, arguments)
    numbers = release_of(runtime.version)
    if _default(key, numbers) == value:
        return request.nothing(runtime, _by_default(runtime), remarks=remarks)
    if numbers is None:
        message = f"cannot write {main!r}: the version of containerd is not known, and so not that of the file"
        raise CdiError(message, hint=f"write it with 'containerd config default > {main}', then try again")
    version = next(version for since, version in _VERSIONS if since <= numbers)
    old = files[0].text if files else ""
    start = f"{old}\n" if old and not old.endswith("\n") else old
    name = NEW if version >= _VERSION_3 else _OLD
    text = changed(f"{start}version = {version}\n", (PLUGINS, name, key), value, source=main)
    return request.change(runtime, main, old=old if files else None, new=text, remarks=remarks)


def _is_ignored(file: Config) -> bool:
    """Return whether containerd 2 reads no CRI settings in a file, were it alone: it is of version 1."""
    return version_of(file) < _VERSION_2 and file.get(PLUGINS, NEW) is None


def _misfit(files: list[Config], why: str) -> ConfigInvalid:
    return ConfigInvalid(f"{files[0].path}: {why}", hint=_MIGRATE)


def _default(key: str, numbers: tuple[int, ...] | None) -> Value | None:
    """Return what holds when no file says anything, None when that is not known."""
    if key == "cdi_spec_dirs":
        return DEFAULT_DIRS
    return None if numbers is None else numbers >= _ON


def _by_default(runtime: Runtime) -> str:
    return f"the default of containerd {runtime.version}" if runtime.version else "the default of containerd"


def _remarks(files: list[Config], request: Request, numbers: tuple[int, ...] | None) -> Iterator[str]:
    for file in files:
        disabled = file.get("disabled_plugins")
        names = {name for name in disabled if isinstance(name, str)} if isinstance(disabled, list) else set[str]()
        if names & {_OLDEST, _OLD, NEW}:
            yield f"{file.path} switches the CRI plugin off, which alone reads this: Kubernetes cannot use it"
    if numbers is not None and numbers >= _DEPRECATED and request.action == "disable":
        yield "enable_cdi is deprecated: a later containerd may have CDI on whatever it says"
