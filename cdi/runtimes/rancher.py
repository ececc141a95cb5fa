"""K3s and RKE2: a containerd of their own, with a configuration that they generate at every start."""

from __future__ import annotations

__all__ = ["engine_of", "k3s", "rke2"]

from typing import TYPE_CHECKING

from msgspec.structs import replace

from cdi.runtimes.containerd import read_containerd
from cdi.runtimes.programs import paths_of

if TYPE_CHECKING:
    from cdi.host import Host
    from cdi.runtimes.installed import Installed, Settings
    from cdi.runtimes.programs import Program, Programs

# Where each unpacks its containerd.
_ENGINES = {
    "k3s": ("/var/lib/rancher/k3s/data/current/bin/containerd",),
    "rke2": ("/var/lib/rancher/rke2/bin/containerd", "/var/lib/rancher/rke2/data/*/bin/containerd"),
}
_MODULES = ("github.com/containerd/containerd/v2", "github.com/containerd/containerd")


def engine_of(name: str, host: Host, programs: Programs, program: Program) -> Program:
    """Return the containerd inside: its own program, or what is compiled into the one that has all in it."""
    places = [[path for path in paths_of(host, pattern) if programs.is_program(path)] for pattern in _ENGINES[name]]
    path = next((paths[-1] for paths in places if paths), None)
    engine = programs.identify(path) if path else replace(program, version=None, version_why="not unpacked yet")
    modules = engine.build.modules if engine.build is not None else {}
    compiled = next((modules[name] for name in _MODULES if name in modules), None)
    is_own = engine.version is not None and engine.version_why.endswith("--version")
    if compiled is None or is_own:
        return engine
    return replace(engine, version=compiled.removeprefix("v"), version_why=f"built into {engine.path}")


def k3s(installed: Installed) -> Settings:
    """Return what the containerd inside K3s reads."""
    return _settings(installed, "k3s", "K3s")


def rke2(installed: Installed) -> Settings:
    """Return what the containerd inside RKE2 reads."""
    return _settings(installed, "rke2", "RKE2")


def _settings(installed: Installed, name: str, title: str) -> Settings:
    directory = f"/var/lib/rancher/{name}/agent/etc/containerd"
    settings = read_containerd(installed, f"{directory}/config.toml")
    template = "config.toml.tmpl" if installed.since(2, 0) is False else "config-v3.toml.tmpl"
    remark = f"{title} writes {directory}/config.toml at every start: change {template} beside it"
    remarks = [f"its {installed.label}", remark] if settings.configs else [f"its {installed.label}"]
    beside = f"{installed.program.path.rpartition('/')[0]}/{settings.low_level}"
    return replace(
        settings,
        low_level_paths=settings.low_level_paths or (beside,),
        remarks=(*remarks, *settings.remarks),
    )
