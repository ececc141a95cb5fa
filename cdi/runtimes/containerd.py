"""containerd's CRI plugin: which of its tables count, by the version of each file and the release that reads them.

cmd/containerd/server/config/config.go (up to 1.7 services/server/config/config.go) reads config.toml, if there is
one, then what its `imports` name. 1.7 takes the CRI table of the last file that has one, and nothing of the others;
from 2.0 on later keys win one by one. A file is migrated from its own `version` to that of the files before it. If a
later file has a higher version, up to 2.2 the tables of the earlier ones keep names that nothing reads any more.
"""

from __future__ import annotations

__all__ = ["containerd", "read_containerd"]

from typing import TYPE_CHECKING, Any, NamedTuple

from cdi.host import HostError
from cdi.runtimes.configs import Config, Configs, Setting, strings
from cdi.runtimes.installed import DEFAULT_DIRS, Installed, Settings
from cdi.runtimes.processes import flags

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_FILE = "/etc/containerd/config.toml"
# The CRI plugin's table in files of version 1, of version 2, and of version 3 and later.
_NAMES = ("cri", "io.containerd.grpc.v1.cri", "io.containerd.cri.v1.runtime")
_LATEST = len(_NAMES)
_KEYS = ("enable_cdi", "cdi_spec_dirs")
_NEWEST = (((2, 3), 4), ((2, 0), 3), ((0,), 2))  # a release → the highest version of a file that it reads
_MAX_FILES = 100


class _Table(NamedTuple):
    """A CRI table: its file, and its name in the `plugins` there."""

    config: Config
    name: str

    def get(self, *keys: str) -> Any:
        return self.config.get("plugins", self.name, *keys)

    def setting(self, *keys: str) -> Setting | None:
        return self.config.setting("plugins", self.name, *keys)


def containerd(installed: Installed) -> Settings:
    """Return what the CRI plugin of containerd reads."""
    return read_containerd(installed, (flags(installed.arguments, "--config", "-c") or (_FILE,))[-1])


def read_containerd(installed: Installed, path: str) -> Settings:
    """Return what the CRI plugin reads with this config.toml."""
    configs = Configs(installed.host)
    files = _files(installed, configs, path)
    _refuse_versions(installed, configs, files)
    tables, lost = _tables(installed, files)
    enabled, enabled_why = _enabled(installed, configs, files, tables)
    dirs = _last(tables, "cdi_spec_dirs")
    name, binaries = _low_level(tables)
    known = dirs is not None and isinstance(dirs.value, list)
    return Settings(
        enabled=enabled,
        enabled_why=enabled_why,
        spec_dirs=strings(dirs.value) if dirs is not None and known else DEFAULT_DIRS,
        spec_dirs_why=dirs.why if dirs is not None and known else installed.default,
        low_level=name,
        low_level_paths=binaries,
        configs=configs.paths,
        problems=configs.problems,
        remarks=(*lost.values(), *_remarks(installed, files, tables, lost)),
    )


def _files(installed: Installed, configs: Configs, path: str) -> list[Config]:
    """Return the file and what it imports, in the order in which they are read."""
    pending, seen, found = [path], set[str](), list[Config]()
    while pending and len(seen) < _MAX_FILES:
        path = pending.pop(0)
        if path in seen:
            continue
        seen.add(path)
        config = configs.toml(path)
        if config is not None:
            found.append(config)
            pending += _imports(installed, configs, config)
    return found


def _imports(installed: Installed, configs: Configs, config: Config) -> Iterator[str]:
    for name in strings(config.get("imports")):
        path = name if name.startswith("/") else f"{config.path.rpartition('/')[0]}/{name}"
        try:
            if "*" in path:
                yield from installed.host.glob(path)
            elif installed.host.exists(path):
                yield path
            else:
                message = f"imports {path!r}, which is missing: containerd does not start"
                configs.refuse(config.path, message, rule="config-import", line=config.line("imports"))
        except HostError as error:
            configs.refuse(config.path, error.message, rule="config-unreadable")


def _version(config: Config) -> int:
    """Return the version of a file, 0 when it has none."""
    version = config.get("version")
    return version if isinstance(version, int) else 0


def _refuse_versions(installed: Installed, configs: Configs, files: Sequence[Config]) -> None:
    """Note versions with which containerd does not start."""
    highest = next((version for since, version in _NEWEST if installed.since(*since)), None)
    strict = bool(installed.since(2, 3)) and not installed.since(2, 4)
    for config in files:
        version, first = _version(config), _version(files[0])
        if highest is not None and version > highest:
            message = f"version {version}: {installed.label} reads at most version {highest}, and does not start"
            configs.refuse(config.path, message, rule="config-version", line=config.line("version"))
        elif strict and first and version > first:
            message = f"version {version} is higher than version {first} of {files[0].path}: "
            message += f"{installed.label} does not start"
            configs.refuse(config.path, message, rule="config-version", line=config.line("version"))


def _tables(installed: Installed, files: Sequence[Config]) -> tuple[list[_Table], dict[tuple[str, str], str]]:
    """Return the CRI tables that count, and what is said of those that do not, by file and name."""
    if installed.since(2, 0) is False:
        name = _NAMES[min(_final(files), 2) - 1]
        tables = [_Table(config, name) for config in files if isinstance(config.get("plugins", name), dict)]
        return tables[-1:], {
            (table.config.path, name): _replaced(installed, table, tables[-1]) for table in tables[:-1]
        }
    counted: list[_Table] = []
    lost: dict[tuple[str, str], str] = {}
    before, final = 0, min(_final(files), _LATEST)
    for config in files:
        own = _version(config)
        for stage, name in enumerate(_NAMES, 1):
            if not isinstance(config.get("plugins", name), dict) or stage < min(own, _LATEST):
                continue
            migrated = max(stage, min(before, _LATEST)) if own < before else stage
            if migrated >= final:
                counted.append(_Table(config, name))
            else:
                raising = next(one for one in files if min(_version(one), _LATEST) > migrated)
                lost[config.path, name] = _lost(installed, _Table(config, name), raising)
        before = max(before, own)
    return counted, lost


def _final(files: Sequence[Config]) -> int:
    return max(map(_version, files), default=0) or 1


def _replaced(installed: Installed, table: _Table, by: _Table) -> str:
    place = table.config.place("plugins", table.name)
    return f"{place}: {installed.label} reads nothing of this table, that of {by.config.path} replaces it"


def _lost(installed: Installed, table: _Table, raising: Config) -> str:
    place = table.config.place("plugins", table.name)
    own = _version(table.config) or "none"
    return (
        f"{place}: {installed.label} loses this table, since this file has version {own} "
        f"and {raising.path} has version {_version(raising)}"
    )


def _enabled(
    installed: Installed, configs: Configs, files: Sequence[Config], tables: Sequence[_Table]
) -> tuple[bool | None, str]:
    if configs.problems:
        return None, f"containerd does not start with this {configs.problems[0].where}"
    if installed.since(1, 7) is False:
        return False, "containerd reads specs since 1.7"
    for config in files:
        if set(strings(config.get("disabled_plugins"))) & set(_NAMES):
            return False, f"{config.place('disabled_plugins')}: the CRI plugin is switched off"
    setting = _last(tables, "enable_cdi")
    if setting is not None and isinstance(setting.value, bool):
        return setting.value, setting.why
    return installed.since(2, 0), installed.default


def _last(tables: Sequence[_Table], *keys: str) -> Setting | None:
    found = [table for table in tables if table.get(*keys) is not None]
    return found[-1].setting(*keys) if found else None


def _low_level(tables: Sequence[_Table]) -> tuple[str, tuple[str, ...]]:
    """Return the program of the default runtime, and where it is if the file says that."""
    named = _last(tables, "containerd", "default_runtime_name")
    handler = named.value if named is not None and isinstance(named.value, str) else "runc"
    kind = _last(tables, "containerd", "runtimes", handler, "runtime_type")
    if kind is not None and isinstance(kind.value, str) and ".runc." not in kind.value:
        return handler, ()
    binary = _last(tables, "containerd", "runtimes", handler, "options", "BinaryName")
    path = binary.value if binary is not None and isinstance(binary.value, str) and binary.value else "runc"
    return path.rpartition("/")[2], (path,) if path.startswith("/") else ()


def _remarks(
    installed: Installed, files: Sequence[Config], tables: Sequence[_Table], lost: Iterable[tuple[str, str]]
) -> Iterator[str]:
    """Yield where the keys of CDI stand without effect, and where one is on its way out."""
    spoken_of = {(table.config.path, table.name) for table in tables} | set(lost)
    for config in files:
        for keys in _places(config.get("plugins"), ("plugins",)):
            if keys[2:] != keys[-1:] or (config.path, keys[1]) not in spoken_of:
                right = _NAMES[0 if _version(config) < 2 else 1 if _version(config) == 2 else 2]  # noqa: PLR2004
                yield f'{config.place(*keys)}: {keys[-1]} has no effect here, its table is [plugins."{right}"]'
    setting = _last(tables, "enable_cdi")
    if setting is not None and installed.since(2, 3):
        yield f"{setting.why}: enable_cdi is deprecated since containerd 2.3, CDI is on without it"


def _places(value: Any, above: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    if isinstance(value, dict):
        for key, below in value.items():
            if key in _KEYS:
                yield (*above, key)
            yield from _places(below, (*above, key))
