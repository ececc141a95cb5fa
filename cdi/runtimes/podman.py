"""Podman and Buildah: CDI is always on; containers.conf names directories, which only later releases obey."""

from __future__ import annotations

__all__ = ["buildah", "podman"]

from typing import TYPE_CHECKING

from cdi.runtimes.configs import Config, Configs, last, strings
from cdi.runtimes.installed import DEFAULT_DIRS, Installed, Settings

if TYPE_CHECKING:
    from cdi.host import Host

_FILES = ("/usr/share/containers/containers.conf", "/etc/containers/containers.conf")
_RUNTIMES = ("crun", "runc")  # the first that is installed, unless a file names one (containers.conf(5))
_PLACES = ("/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin", "/sbin", "/bin")


def podman(installed: Installed) -> Settings:
    """Return what Podman reads, as root starts it."""
    return _settings(installed, first=(4, 1), obeys=(5, 5))


def buildah(installed: Installed) -> Settings:
    """Return what Buildah reads, as root starts it."""
    return _settings(installed, first=(1, 36), obeys=(1, 40))


def _settings(installed: Installed, *, first: tuple[int, ...], obeys: tuple[int, ...]) -> Settings:
    configs = Configs(installed.host)
    files = [configs.toml(path) for path in _FILES]
    # Each main file has a directory beside it; those of /etc win.
    drop_ins = [configs.drop_ins(f"{path}.d", ".conf") for path in _FILES]
    order: list[Config | None] = [files[0], *drop_ins[0], files[1], *drop_ins[1]]
    enabled = installed.since(*first)
    dirs, dirs_why, remarks = _dirs(installed, order, obeys)
    runtime = last(order, "engine", "runtime")
    name = runtime.value if runtime is not None and isinstance(runtime.value, str) else _present(installed.host)
    named = last(order, "engine", "runtimes", name) if name else None
    paths = strings(named.value) if named is not None else ()
    if name is not None and name.startswith("/"):
        name, paths = name.rpartition("/")[2], (name,)
    since = ".".join(map(str, first))
    return Settings(
        enabled=True if enabled is None and not configs.problems else enabled,
        enabled_why=f"{installed.name} reads specs since {since}" if enabled is False else "always on",
        spec_dirs=dirs,
        spec_dirs_why=dirs_why,
        low_level=name,
        low_level_paths=paths,
        configs=configs.paths,
        problems=configs.problems,
        remarks=remarks,
    )


def _dirs(
    installed: Installed, order: list[Config | None], obeys: tuple[int, ...]
) -> tuple[tuple[str, ...], str, tuple[str, ...]]:
    setting = last(order, "engine", "cdi_spec_dirs")
    obeyed = installed.since(*obeys)
    remarks: tuple[str, ...] = ()
    if setting is not None and obeyed is not False:
        return strings(setting.value), setting.why, ()
    if setting is not None:
        since = ".".join(map(str, obeys))
        remarks = (f"{setting.why}: {installed.label} ignores cdi_spec_dirs, {installed.name} {since} obeys it",)
    if installed.name == "podman" and obeyed and not installed.since(5, 6):
        return DEFAULT_DIRS[:1], f"{installed.default}, which alone leaves out {DEFAULT_DIRS[1]}", remarks
    return DEFAULT_DIRS, installed.default, remarks


def _present(host: Host) -> str | None:
    """Return the low-level runtime that is used when no file names one."""
    return next((name for name in _RUNTIMES if any(host.exists(f"{place}/{name}") for place in _PLACES)), None)
