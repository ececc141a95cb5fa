"""What starts containers through containerd, or builds images: nerdctl, ctr, BuildKit."""

from __future__ import annotations

__all__ = ["buildkit", "ctr", "nerdctl"]

from cdi.runtimes.configs import Config, Configs, last, strings
from cdi.runtimes.installed import DEFAULT_DIRS, Installed, Settings
from cdi.runtimes.processes import flags

_NERDCTL = "/etc/nerdctl/nerdctl.toml"
_BUILDKIT = "/etc/buildkit/buildkitd.toml"


def ctr(installed: Installed) -> Settings:
    """Return what ctr reads: it has no configuration, and asks nobody whether CDI is on."""
    enabled, enabled_why = installed.always_on(2, 0)
    return Settings(
        enabled=enabled,
        enabled_why=enabled_why,
        spec_dirs=DEFAULT_DIRS,
        spec_dirs_why=installed.default,
        low_level="runc",
    )


def nerdctl(installed: Installed) -> Settings:
    """Return what nerdctl reads, as root starts it."""
    configs = Configs(installed.host)
    config = configs.toml(_NERDCTL)
    enabled, enabled_why = installed.always_on(2, 1)
    if configs.problems:
        enabled, enabled_why = None, f"nerdctl does not start with this {configs.problems[0].where}"
    dirs = last([config], "cdi_spec_dirs")
    return Settings(
        enabled=enabled,
        enabled_why=enabled_why,
        spec_dirs=strings(dirs.value) if dirs is not None else DEFAULT_DIRS,
        spec_dirs_why=dirs.why if dirs is not None else installed.default,
        low_level="runc",
        configs=configs.paths,
        problems=configs.problems,
    )


def buildkit(installed: Installed) -> Settings:
    """Return what buildkitd reads: the table `cdi` of buildkitd.toml, and its command line."""
    configs = Configs(installed.host)
    config = configs.toml((flags(installed.arguments, "--config") or (_BUILDKIT,))[-1])
    enabled, enabled_why = _buildkit_enabled(installed, config)
    if configs.problems:
        enabled, enabled_why = None, f"buildkitd does not start with this {configs.problems[0].where}"
    dirs, dirs_why = _buildkit_dirs(installed, config)
    binary = last([config], "worker", "oci", "binary")
    low_level = binary.value if binary is not None and isinstance(binary.value, str) else "runc"
    return Settings(
        enabled=enabled,
        enabled_why=enabled_why,
        spec_dirs=dirs,
        spec_dirs_why=dirs_why,
        low_level=low_level.rpartition("/")[2],
        low_level_paths=(low_level,) if low_level.startswith("/") else (),
        configs=configs.paths,
        problems=configs.problems,
    )


def _buildkit_enabled(installed: Installed, config: Config | None) -> tuple[bool | None, str]:
    enabled, why = installed.always_on(0, 20)
    switches = [one for one in installed.arguments if one.startswith("--cdi-disabled")]
    disabled = last([config], "cdi", "disabled")
    if enabled is False:
        return enabled, why
    if switches:
        return switches[-1].endswith("=false"), f"{switches[-1]} of the running daemon"
    if disabled is not None:
        return disabled.value is not True, disabled.why
    return enabled, installed.default if enabled else why


def _buildkit_dirs(installed: Installed, config: Config | None) -> tuple[tuple[str, ...], str]:
    given = flags(installed.arguments, "--cdi-spec-dir")
    if given:
        return given, "--cdi-spec-dir of the running daemon"
    dirs = last([config], "cdi", "specDirs")
    if dirs is not None:
        return strings(dirs.value), dirs.why
    return (*DEFAULT_DIRS, "/etc/buildkit/cdi"), installed.default
