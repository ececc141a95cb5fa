"""What starts containers through containerd, or builds images: nerdctl, ctr, BuildKit."""

from __future__ import annotations

__all__ = ["buildkit", "ctr", "nerdctl"]

from cdi.runtimes.configs import Configs, last, strings
from cdi.runtimes.installed import DEFAULT_DIRS, Installed, Settings
from cdi.runtimes.processes import flags

_NERDCTL = "/etc/nerdctl/nerdctl.toml"
_BUILDKIT = "/etc/buildkit/buildkitd.toml"


def ctr(installed: Installed) -> Settings:
    """Return what ctr reads: it has no configuration, and asks nobody whether CDI is on."""
    enabled = installed.since(2, 0)
    return Settings(
        enabled=enabled,
        enabled_why="ctr takes CDI names since 2.0" if enabled is False else "always on",
        spec_dirs=DEFAULT_DIRS,
        spec_dirs_why=installed.default,
        low_level="runc",
    )


def nerdctl(installed: Installed) -> Settings:
    """Return what nerdctl reads, as root starts it."""
    configs = Configs(installed.host)
    config = configs.toml(_NERDCTL)
    enabled = installed.since(2, 1)
    dirs = last([config], "cdi_spec_dirs")
    return Settings(
        enabled=None if configs.problems else enabled,
        enabled_why="nerdctl takes CDI names since 2.1" if enabled is False else "always on",
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
    enabled, enabled_why = installed.since(0, 20), "always on"
    disabled = last([config], "cdi", "disabled")
    switched = [one for one in installed.arguments if one.startswith("--cdi-disabled")]
    if enabled is False:
        enabled_why = "buildkitd reads specs since 0.20"
    elif switched:
        enabled, enabled_why = switched[-1].endswith("=false"), f"{switched[-1]} of the running daemon"
    elif disabled is not None:
        enabled, enabled_why = disabled.value is not True, disabled.why
    given = flags(installed.arguments, "--cdi-spec-dir")
    dirs = last([config], "cdi", "specDirs")
    spec_dirs: tuple[str, ...] = (*DEFAULT_DIRS, "/etc/buildkit/cdi")
    why = installed.default
    if given:
        spec_dirs, why = given, "--cdi-spec-dir of the running daemon"
    elif dirs is not None:
        spec_dirs, why = strings(dirs.value), dirs.why
    binary = last([config], "worker", "oci", "binary")
    low_level = binary.value if binary is not None and isinstance(binary.value, str) else "runc"
    return Settings(
        enabled=None if configs.problems else enabled,
        enabled_why=f"buildkitd does not start with this {_BUILDKIT}" if configs.problems else enabled_why,
        spec_dirs=spec_dirs,
        spec_dirs_why=why,
        low_level=low_level.rpartition("/")[2],
        low_level_paths=(low_level,) if low_level.startswith("/") else (),
        configs=configs.paths,
        problems=configs.problems,
    )
