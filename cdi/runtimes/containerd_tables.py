"""Which CRI tables of containerd's files count, by the version of each file and the release that reads them.

What each release does in LoadConfig, once it has the next file (cmd/containerd/server/config/config.go, up to 1.7
services/server/config/config.go), as `containerd config dump` shows it:

- Up to 1.7 the `version` that a file gives last is that of all. The last file with the table of that version
  replaces it as a whole.
- 2.0 to 2.2 merge tables key by key, and the last version is that of all again (a file of version 1, or without one,
  takes that of the files before it). Old names are migrated only if the version of all is 2: with another, what
  has one is kept under it, where nothing reads it.
- From 2.3 on each file is migrated from its own version.
"""

from __future__ import annotations

__all__ = ["NAMES", "Table", "last_version", "refuse_versions", "tables", "version_of"]

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cdi.runtimes.configs import Config, Configs, Setting
    from cdi.runtimes.installed import Installed

# The CRI plugin's table in files of version 1, of version 2, and of version 3 and later.
NAMES = ("cri", "io.containerd.grpc.v1.cri", "io.containerd.cri.v1.runtime")
_V1, _V2, _V3 = NAMES
_OLD = 2  # the highest version of a file up to 1.7
_NEWEST = (((2, 3), 4), ((2, 0), 3))  # a release → the highest version of a file that it reads


class Table(NamedTuple):
    """A CRI table: its file, and its name in the `plugins` there."""

    config: Config
    name: str

    def get(self, *keys: str) -> Any:
        """Return the value below these keys, None when there is none."""
        return self.config.get("plugins", self.name, *keys)

    def setting(self, *keys: str) -> Setting | None:
        """Return a value with its place."""
        return self.config.setting("plugins", self.name, *keys)


def version_of(config: Config) -> int:
    """Return the version of a file, 0 when it has none."""
    version = config.get("version")
    return version if isinstance(version, int) else 0


def tables(installed: Installed, files: Sequence[Config]) -> tuple[list[Table], dict[tuple[str, str], str]]:
    """Return the CRI tables that count, in order, and what is said of those that do not, by file and name."""
    if installed.since(2, 0) is False:
        return _replaced(installed, files)
    if installed.since(2, 3) is False:
        return _merged(installed, files)
    counted = [
        table for table in _all(files) if NAMES.index(table.name) + 1 >= min(version_of(table.config), len(NAMES))
    ]
    return counted, {}


def _all(files: Sequence[Config]) -> list[Table]:
    return [Table(config, name) for config in files for name in NAMES if isinstance(config.get("plugins", name), dict)]


def _replaced(installed: Installed, files: Sequence[Config]) -> tuple[list[Table], dict[tuple[str, str], str]]:
    name = NAMES[min(last_version(files), _OLD) - 1]
    named = [table for table in _all(files) if table.name == name]
    why = f"{installed.label} reads nothing of this table, that of {named[-1].config.path} replaces it" if named else ""
    return named[-1:], {(config.path, name): f"{config.place('plugins', name)}: {why}" for config, _ in named[:-1]}


def _merged(installed: Installed, files: Sequence[Config]) -> tuple[list[Table], dict[tuple[str, str], str]]:
    final = _merged_version(files)
    migrated: list[Table] = []  # tables of old names, over whose keys those of the new name win
    named: list[Table] = []
    lost: dict[tuple[str, str], str] = {}
    for table in _all(files):
        config, name = table
        own = version_of(config)
        if name == _V3:
            named.append(table)
        elif name == _V1 and own >= _OLD:
            continue
        elif final == _OLD:
            migrated.append(table)
        elif own <= _OLD:
            why = f"the version of all files is {final}" if final > _OLD else f"no file has version {_OLD}"
            lost[config.path, name] = (
                f"{config.place('plugins', name)}: {installed.label} loses this table, since {why}"
            )
    return [*migrated, *named], lost


def _merged_version(files: Sequence[Config]) -> int:
    """Return the version of all files together: the last, but a file of version 1 is migrated to what was before it."""
    final = 0
    for version in map(version_of, files):
        final = version if version and not version < _OLD <= final else final
    return final


def last_version(files: Sequence[Config]) -> int:
    """Return the version that the last file gives that gives one, which is that of all up to 1.7."""
    return next((version for version in map(version_of, reversed(files)) if version), 1)


def refuse_versions(installed: Installed, configs: Configs, files: Sequence[Config]) -> None:
    """Note versions with which containerd does not start."""
    if installed.since(2, 0) is False:
        _refuse_old(installed, configs, files)
        return
    highest = next((version for since, version in _NEWEST if installed.since(*since)), None)
    strict = bool(installed.since(2, 3)) and not installed.since(2, 4)
    all_new = all(version_of(config) >= _OLD for config in files)
    final = _merged_version(files) if all_new and installed.since(2, 3) is False else None
    for config in files:
        version, first = version_of(config), version_of(files[0])
        if highest is not None and version > highest and final in {None, version}:
            _refuse(installed, configs, config, highest)
        elif strict and first and version > first:
            message = f"version {version} is higher than version {first} of {files[0].path}: "
            message += f"{installed.label} does not start"
            configs.refuse(config.path, message, rule="config-version", line=config.line("version"))


def _refuse_old(installed: Installed, configs: Configs, files: Sequence[Config]) -> None:
    final = last_version(files)
    for config in files:
        if final > _OLD and version_of(config) == final:
            _refuse(installed, configs, config, _OLD)
        plugins = config.get("plugins")
        short = [name for name in plugins if "." not in name] if isinstance(plugins, dict) and final == _OLD else []
        for name in short:
            message = (
                f"[plugins.{name}] is a table of version 1, the version is {_OLD}: {installed.label} does not start"
            )
            configs.refuse(config.path, message, rule="config-version", line=config.line("plugins", name))


def _refuse(installed: Installed, configs: Configs, config: Config, highest: int) -> None:
    message = f"version {version_of(config)}: {installed.label} reads at most version {highest}, and does not start"
    configs.refuse(config.path, message, rule="config-version", line=config.line("version"))
