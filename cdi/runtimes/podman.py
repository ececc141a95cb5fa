"""Podman and Buildah: CDI is always on; containers.conf names directories, which only later releases obey."""

from __future__ import annotations

__all__ = ["buildah", "podman"]

from typing import TYPE_CHECKING

from cdi.runtimes.configs import Config, Configs, last, strings
from cdi.runtimes.installed import DEFAULT_DIRS, Installed, Settings
from cdi.runtimes.programs import paths_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cdi.host import Host

_FILES = ("/usr/share/containers/containers.conf", "/etc/containers/containers.conf")
_DROP_INS = tuple(f"{file.removesuffix('.conf')}.{kind}d" for file in _FILES for kind in ("conf.", "rootful.conf."))
_RUNTIMES = ("crun", "runc")  # the first that is installed, unless a file names one (containers.conf(5))
_PLACES = ("/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin", "/sbin", "/bin")


def podman(installed: Installed) -> Settings:
    """Return what Podman reads, as root starts it."""
    return _settings(installed, first=(4, 1), obeys=(5, 5), newly=(6, 0))


def buildah(installed: Installed) -> Settings:
    """Return what Buildah reads, as root starts it."""
    return _settings(installed, first=(1, 36), obeys=(1, 40), newly=(1, 44))


def _settings(
    installed: Installed, *, first: tuple[int, ...], obeys: tuple[int, ...], newly: tuple[int, ...]
) -> Settings:
    configs = Configs(installed.host)
    order = list(_read_newly(configs) if installed.since(*newly) else _read(configs))
    enabled, enabled_why = installed.always_on(*first)
    dirs, dirs_why, remarks = _dirs(installed, order, obeys)
    runtime = last(order, "engine", "runtime")
    name = runtime.value if runtime is not None and isinstance(runtime.value, str) else _present(installed.host)
    named = last(order, "engine", "runtimes", name) if name else None
    paths = strings(named.value) if named is not None else ()
    if name is not None and name.startswith("/"):
        name, paths = name.rpartition("/")[2], (name,)
    if configs.problems:
        enabled, enabled_why = None, f"{installed.name} does not start with this {configs.problems[0].where}"
    return Settings(
        enabled=enabled,
        enabled_why=enabled_why,
        spec_dirs=dirs,
        spec_dirs_why=dirs_why,
        low_level=name,
        low_level_paths=paths,
        configs=configs.paths,
        problems=configs.problems,
        remarks=remarks,
    )


def _read(configs: Configs) -> Iterator[Config | None]:
    """Yield the files that count, the one that wins last, as releases before Podman 6 read them."""
    yield from map(configs.toml, _FILES)
    yield from configs.drop_ins(f"{_FILES[-1]}.d", suffix=".conf")


def _read_newly(configs: Configs) -> Iterator[Config | None]:
    """Yield the same as Podman 6 reads them: only one main file, drop-ins also of packages (containers-config(5))."""
    yield from map(configs.toml, [path for path in _FILES if configs.has(path)][-1:])
    yield from configs.drop_ins(*_DROP_INS, suffix=".conf")


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
    return next((name for name in _RUNTIMES if any(paths_of(host, f"{place}/{name}") for place in _PLACES)), None)
