"""containerd's CRI plugin: whether CDI is on, and where it looks.

It reads config.toml, if there is one, then what its `imports` name (`containerd.tables` says what of that counts).
"""

from __future__ import annotations

__all__ = ["config_toml", "containerd", "read_containerd"]

from typing import TYPE_CHECKING, Any

from cdi.host import HostError
from cdi.runtimes.configs import Config, Configs, Setting, strings
from cdi.runtimes.containerd_tables import NAMES, Table, refuse_versions, tables, version_of
from cdi.runtimes.installed import DEFAULT_DIRS, Installed, Settings
from cdi.runtimes.processes import flags

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_FILE = "/etc/containerd/config.toml"
_SNAP, _FILE_OF_SNAP = "/snap/microk8s/", "/var/snap/microk8s/current/args/containerd.toml"
_KEYS = ("enable_cdi", "cdi_spec_dirs")
_MAX_FILES = 100


def containerd(installed: Installed) -> Settings:
    """Return what the CRI plugin of containerd reads."""
    return read_containerd(installed, config_toml(installed.program.path, installed.arguments))


def config_toml(program: str, arguments: Sequence[str]) -> str:
    """Return the main file of a containerd that is started with these arguments."""
    usual = _FILE_OF_SNAP if program.startswith(_SNAP) else _FILE
    return (flags(arguments, "--config", "-c") or (usual,))[-1]


def read_containerd(installed: Installed, path: str) -> Settings:
    """Return what the CRI plugin reads with this config.toml."""
    configs = Configs(installed.host)
    files = _files(installed, configs, path)
    refuse_versions(installed, configs, files)
    counted, lost = tables(installed, files)
    enabled, enabled_why = _enabled(installed, configs, files, counted)
    dirs = _last(counted, "cdi_spec_dirs")
    name, binaries = _low_level(counted)
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
        remarks=(*lost.values(), *_remarks(installed, files, counted, lost)),
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


def _enabled(
    installed: Installed, configs: Configs, files: Sequence[Config], tables: Sequence[Table]
) -> tuple[bool | None, str]:
    if configs.problems:
        return None, f"containerd does not start with this {configs.problems[0].where}"
    if installed.since(1, 7) is False:
        return False, "containerd reads specs since 1.7"
    for config in files:
        if set(strings(config.get("disabled_plugins"))) & set(NAMES):
            return False, f"{config.place('disabled_plugins')}: the CRI plugin is switched off"
    setting = _last(tables, "enable_cdi")
    if setting is not None and isinstance(setting.value, bool):
        return setting.value, setting.why
    return installed.since(2, 0), installed.default


def _last(tables: Sequence[Table], *keys: str) -> Setting | None:
    found = [table for table in tables if table.get(*keys) is not None]
    return found[-1].setting(*keys) if found else None


def _low_level(tables: Sequence[Table]) -> tuple[str, tuple[str, ...]]:
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
    installed: Installed, files: Sequence[Config], tables: Sequence[Table], lost: Iterable[tuple[str, str]]
) -> Iterator[str]:
    """Yield where the keys of CDI stand without effect, and where one is on its way out."""
    spoken_of = {(table.config.path, table.name) for table in tables} | set(lost)
    for config in files:
        for keys in _places(config.get("plugins"), ("plugins",)):
            if keys[2:] != keys[-1:] or (config.path, keys[1]) not in spoken_of:
                right = NAMES[0 if version_of(config) < 2 else 1 if version_of(config) == 2 else 2]  # noqa: PLR2004
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
