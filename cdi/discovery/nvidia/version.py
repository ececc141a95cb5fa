"""Which version of the driver a container needs: that of the loaded kernel module, if its libraries are there."""

from __future__ import annotations

__all__ = ["choose_version"]

import re
from typing import TYPE_CHECKING

from cdi.discovery.library_places import COMPATIBLE
from cdi.host import HostError
from cdi.names import natural_key

if TYPE_CHECKING:
    from cdi.discovery.nvidia.libraries import Libraries
    from cdi.host import Host

_MODULE = "/sys/module/nvidia/version"
# libcuda.so.550.54.15, and not libcuda.so.1.1, which Tegra and WSL have.
_VERSIONED = r"{}\.so\.(?P<version>\d{{3,}}(?:\.\d+)+)"
_TELLING = ("libcuda", "libnvidia-ml")


def choose_version(host: Host, libraries: Libraries, stated: str | None) -> tuple[str | None, tuple[str, ...]]:
    """Return the version of the libraries to give to containers, and what is wrong with it.

    The libraries of the driver work with a kernel module of exactly their version. `stated` is what NVML says.
    """
    module = _read_module(host)
    cuda, management = (_installed(libraries, name) for name in _TELLING)
    installed = cuda or management
    loaded = stated or module
    warnings: list[str] = []
    if stated and module and stated != module:
        warnings.append(
            f"NVML says that the driver is {stated}, {_MODULE} says {module}:"
            " restart the machine, or unload the module and load it again, and generate anew"
        )
    if not installed:
        warnings.append(_no_libraries(libraries, loaded))
        return loaded, tuple(warnings)
    version = next((known for known in (stated, module) if known in installed), None)
    if version is None:
        version = _current(libraries, installed)
        if loaded:
            warnings.append(
                f"the kernel module is {loaded}, but the libraries are {', '.join(installed)}; no program can use the"
                " GPU like that: restart the machine, or unload the module and load it again, and generate anew"
            )
        elif len(installed) > 1:
            warnings.append(
                f"libraries of several drivers are installed, {', '.join(installed)}, and the kernel module is not"
                f" loaded to tell which is in use: taken {version}; load it (modprobe nvidia) and generate anew"
            )
    if version not in cuda:
        warnings.append(f"there is no libcuda.so.{version}: containers cannot use CUDA until it is installed")
    return version, tuple(warnings)


def _read_module(host: Host) -> str | None:
    try:
        return host.read_text(_MODULE).strip() or None
    except HostError:
        return None


def _installed(libraries: Libraries, name: str) -> tuple[str, ...]:
    pattern = _VERSIONED.format(name)
    places = tuple(place for place in libraries.directories if place.bits != COMPATIBLE)
    matches = (re.fullmatch(pattern, library.name) for library in libraries.find(pattern, places))
    return tuple(dict.fromkeys(match["version"] for match in matches if match is not None))


def _current(libraries: Libraries, installed: tuple[str, ...]) -> str:
    """Return the version that programs would load, or the highest one."""
    linked = [library.name.rpartition(".so.")[2] for library in libraries.find(r"libcuda\.so\.1")]
    return next((version for version in linked if version in installed), max(installed, key=natural_key))


def _no_libraries(libraries: Libraries, loaded: str | None) -> str:
    searched = len(libraries.directories)
    wanted = f"libcuda.so.{loaded}" if loaded else "libcuda.so.*"
    return (
        f"there is no {wanted} in any of {searched} directories of libraries: containers cannot use CUDA;"
        " install the driver's libraries, or name their directory with --library-search-path,"
        " or the root that they are below with --driver-root"
    )
