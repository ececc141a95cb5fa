"""Docker: the feature `cdi` of daemon.json, off by default before 28.2."""

from __future__ import annotations

__all__ = ["daemon_json", "docker"]

from cdi.runtimes.configs import Config, Configs, strings
from cdi.runtimes.installed import DEFAULT_DIRS, Installed, Settings
from cdi.runtimes.processes import flags

_FILE = "/etc/docker/daemon.json"
_SNAP, _FILE_OF_SNAP = "/snap/docker/", "/var/snap/docker/current/config/daemon.json"
_FIRST, _ON = (25,), (28, 2)  # moby 4cecce03f6


def daemon_json(program: str, arguments: tuple[str, ...]) -> str:
    """Return the file that a dockerd reads which is started with these arguments."""
    usual = _FILE_OF_SNAP if program.startswith(_SNAP) else _FILE
    return (flags(arguments, "--config-file") or (usual,))[-1]


def docker(installed: Installed) -> Settings:
    """Return what dockerd reads: daemon.json, and the command line of the one that runs."""
    configs = Configs(installed.host)
    config = configs.json(daemon_json(installed.program.path, installed.arguments))
    enabled, enabled_why = _enabled(installed, config)
    dirs, dirs_why = _dirs(installed, config)
    if configs.problems:
        enabled, enabled_why = None, f"dockerd does not start with this {configs.problems[0].where}"
    elif dirs == ("",):
        enabled, enabled_why, dirs = False, dirs_why, ()
    _find_twice(installed, config, configs)
    named = flags(installed.arguments, "--default-runtime")
    low_level = named[-1] if named else config.get("default-runtime") if config is not None else None
    name = low_level if isinstance(low_level, str) else "runc"
    path = config.get("runtimes", name, "path") if config is not None else None
    return Settings(
        enabled=enabled,
        enabled_why=enabled_why,
        spec_dirs=dirs,
        spec_dirs_why=dirs_why,
        low_level=name,
        low_level_paths=(path,) if isinstance(path, str) and path.startswith("/") else (),
        configs=configs.paths,
        problems=configs.problems,
    )


def _enabled(installed: Installed, config: Config | None) -> tuple[bool | None, str]:
    if installed.since(*_FIRST) is False:
        return False, "docker reads specs since 25.0"
    for feature in reversed(flags(installed.arguments, "--feature")):
        name, _, value = feature.partition("=")
        if name == "cdi":
            return value.lower() not in {"0", "f", "false"}, f"--feature {feature} of the running daemon"
    setting = config.setting("features", "cdi") if config is not None else None
    if setting is not None and isinstance(setting.value, bool):
        return setting.value, setting.why
    return installed.since(*_ON), installed.default


def _dirs(installed: Installed, config: Config | None) -> tuple[tuple[str, ...], str]:
    given = flags(installed.arguments, "--cdi-spec-dir")
    if given:
        return given, "--cdi-spec-dir of the running daemon"
    setting = config.setting("cdi-spec-dirs") if config is not None else None
    dirs = strings(setting.value) if setting is not None else ()
    return (dirs, setting.why) if setting is not None and dirs else (DEFAULT_DIRS, installed.default)


def _find_twice(installed: Installed, config: Config | None, configs: Configs) -> None:
    """Note what the command line and the file both set: dockerd refuses to start then."""
    for key, flag in (("cdi-spec-dirs", "--cdi-spec-dir"), ("features", "--feature")):
        if config is not None and config.get(key) is not None and flags(installed.arguments, flag):
            message = f"{key} is set here and by {flag} of the running daemon, which would not start again"
            configs.refuse(config.path, message, rule="config-twice", line=config.line(key))
