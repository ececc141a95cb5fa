"""CRI-O: CDI is always on; the directories are in crio.conf, its drop-ins, the command line or the environment."""

from __future__ import annotations

__all__ = ["crio"]

from typing import TYPE_CHECKING

from cdi.runtimes.configs import Config, Configs, last, strings
from cdi.runtimes.installed import DEFAULT_DIRS, Installed, Settings
from cdi.runtimes.processes import flags

if TYPE_CHECKING:
    from collections.abc import Sequence

_FILE, _DIRECTORY = "/etc/crio/crio.conf", "/etc/crio/crio.conf.d"


def crio(installed: Installed) -> Settings:
    """Return what CRI-O reads."""
    environment = installed.process.environment if installed.process is not None else {}
    file = (flags(installed.arguments, "--config", "-c") or (environment.get("CONTAINER_CONFIG", _FILE),))[-1]
    named = flags(installed.arguments, "--config-dir", "-d")
    directory = (named or (environment.get("CONTAINER_CONFIG_DIR", _DIRECTORY),))[-1]
    configs = Configs(installed.host)
    files = [configs.toml(file), *configs.drop_ins(directory)]
    enabled, enabled_why = installed.always_on(1, 24)
    dirs, dirs_why = _dirs(installed, files, environment.get("CONTAINER_CDI_SPEC_DIRS", ""))
    runtime = last(files, "crio", "runtime", "default_runtime")
    default = "runc" if installed.since(1, 31) is False else "crun"
    name = runtime.value if runtime is not None and isinstance(runtime.value, str) and runtime.value else default
    path = last(files, "crio", "runtime", "runtimes", name, "runtime_path")
    if configs.problems:
        enabled, enabled_why = None, f"CRI-O does not start with this {configs.problems[0].where}"
    return Settings(
        enabled=enabled,
        enabled_why=enabled_why,
        spec_dirs=dirs,
        spec_dirs_why=dirs_why,
        low_level=name,
        low_level_paths=(path.value,) if path is not None and isinstance(path.value, str) and path.value else (),
        configs=configs.paths,
        problems=configs.problems,
    )


def _dirs(installed: Installed, files: Sequence[Config | None], variable: str) -> tuple[tuple[str, ...], str]:
    given = flags(installed.arguments, "--cdi-spec-dirs")
    if given:
        return tuple(",".join(given).split(",")), "--cdi-spec-dirs of the running daemon"
    if variable:
        return tuple(variable.split(",")), "CONTAINER_CDI_SPEC_DIRS of the running daemon"
    setting = last(files, "crio", "runtime", "cdi_spec_dirs")
    return (strings(setting.value), setting.why) if setting is not None else (DEFAULT_DIRS, installed.default)
