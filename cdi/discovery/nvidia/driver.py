"""The driver's files for containers: libraries, programs, firmware, sockets, and the hooks that make them usable."""

from __future__ import annotations

__all__ = ["Driver", "read_driver"]

import re
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from cdi.discovery.hook_program import find_hook
from cdi.discovery.library_places import COMPATIBLE, NATIVE
from cdi.discovery.nvidia.graphics import EGL_PLATFORMS, configuration_mounts, graphics_links, xorg_modules
from cdi.discovery.nvidia.libraries import Libraries, Library, LibraryDirectory, driver_host
from cdi.discovery.nvidia.mounts import NO_LEGACY, SOCKET_OPTIONS, DriverFiles
from cdi.discovery.nvidia.version import choose_version
from cdi.hooks import CREATE_SYMLINKS, call
from cdi.host import HostError
from cdi.model import ContainerEdits

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from cdi.host import Host
    from cdi.model import Hook, Mount

_PROGRAMS = (
    "nvidia-smi",
    "nvidia-debugdump",
    "nvidia-persistenced",
    "nvidia-cuda-mps-control",
    "nvidia-cuda-mps-server",
    "nvidia-imex",
    "nvidia-imex-ctl",
)
_DRAWING_PROGRAMS = ("nvidia-xconfig",)
_PATH = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
# Of NixOS, Container-Optimized OS and GKE. No container has these in its PATH, so there they go to /usr/bin.
_ELSEWHERE = ("/run/current-system/sw/bin", "/var/lib/nvidia/bin", "/home/kubernetes/bin/nvidia/bin")
_LIBRARIES = frozenset({"lib", "lib64"})
_SOCKETS = ("nvidia-persistenced/socket", "nvidia-fabricmanager/socket")
_MPS = "/tmp/nvidia-mps"  # noqa: S108 - where the server of CUDA's multi-process service has its pipes
_FIRMWARE_PATH = "/sys/module/firmware_class/parameters/path"
_RELEASE = "/proc/sys/kernel/osrelease"
_NVVM = r"libnvidia-nvvm70\.so\..*"


class Driver(msgspec.Struct, frozen=True, kw_only=True):
    """What every container with a GPU gets of the driver; `how` says what was found and where."""

    version: str | None
    edits: ContainerEdits
    how: str
    warnings: tuple[str, ...] = ()


class _Found(msgspec.Struct, frozen=True, kw_only=True):
    """The driver's libraries, and the directories that hold them, of 64 bits and of 32, in the order of the search."""

    libraries: tuple[Library, ...] = ()
    directories: tuple[str, ...] = ()
    compatible: tuple[str, ...] = ()


def read_driver(host: Host, version: str | None = None, *, management: bool = False) -> Driver:
    """Return what the driver below the host's driver root brings into every container.

    `version` is what NVML says, if it was asked. A container for `management` gets no files for drawing, may make
    device nodes, and has no application profile, since it is to see every GPU.
    """
    root = driver_host(host)
    if root is None:
        warning = f"there is no {host.driver_root}: containers get none of the driver's files"
        return Driver(version=version, edits=ContainerEdits(env=(NO_LEGACY,)), how=warning, warnings=(warning,))
    libraries, files = Libraries(root), DriverFiles(host, root)
    chosen, warnings = choose_version(host, libraries, version)
    found = _found(libraries, chosen)
    draws = chosen is not None and not management
    modules = tuple(xorg_modules(files, chosen, found.directories)) if draws and chosen else ()
    every = _distinct((*found.libraries, *(libraries.find(EGL_PLATFORMS) if draws else ())))
    groups = {
        "libraries": [files.mount(path) for path in (*(library.path for library in every), *modules)],
        "programs": list(_programs(files, (*_PROGRAMS, *_DRAWING_PROGRAMS) if draws else _PROGRAMS, found.directories)),
        "configuration files": list(configuration_mounts(files)) if draws else [],
        "firmware files": list(_firmware(host, files, chosen)) if chosen is not None else [],
        "sockets": list(_sockets(files)),
    }
    links: dict[str, str] = {}
    for target, link in (
        *(graphics_links(every, modules, chosen) if draws and chosen else ()),
        *(pair for library in every for pair in libraries.links(library)),
    ):
        links.setdefault(link, target)
    folders = dict.fromkeys(library.directory for library in found.libraries if library.name.startswith("lib"))
    return Driver(
        version=chosen,
        edits=ContainerEdits(
            env=(*([f"NVIDIA_CTK_LIBCUDA_DIR={':'.join(found.directories)}"] if found.directories else []), NO_LEGACY),
            mounts=tuple(mount for mounts in groups.values() for mount in mounts),
            hooks=tuple(_hooks(find_hook(host), chosen if every else None, links, folders, management=management)),
        ),
        how=_how(chosen, host.driver_root, groups, (*found.directories, *found.compatible)),
        warnings=(*warnings, *dict.fromkeys((*libraries.unread, *files.unread, *libraries.unsure))),
    )


def _found(libraries: Libraries, version: str | None) -> _Found:
    """Return the libraries of a version: in each directory that has any, in its `vdpau`, and NVVM of older drivers."""
    if version is None:
        return _Found()
    suffix = f".so.{version}"
    places = _sized(libraries.holding(f"lib.*{re.escape(suffix)}"), suffix)
    found: list[Library] = []
    for bits in (NATIVE, COMPATIBLE):
        here = tuple(place for place in places if place.bits == bits)
        vdpau = tuple(inner for place in here if (inner := libraries.within(place, "vdpau")) is not None)
        found += libraries.find(f".*{re.escape(suffix)}", (*here, *vdpau))
        found += libraries.find(_NVVM, here)
    return _Found(
        libraries=_distinct(found),
        directories=tuple(place.path for place in places if place.bits == NATIVE),
        compatible=tuple(place.path for place in places if place.bits == COMPATIBLE),
    )


def _sized(places: Iterable[LibraryDirectory], suffix: str) -> tuple[LibraryDirectory, ...]:
    """Return directories with their sizes: what has a library that a 64-bit directory also has, is of 32 bits."""
    places = tuple(places)
    native = {name for place in places if place.bits == NATIVE for name in place.names if name.endswith(suffix)}
    return tuple(
        replace(place, bits=COMPATIBLE if native.intersection(place.names) else NATIVE) if place.bits is None else place
        for place in places
    )


def _distinct(libraries: Iterable[Library]) -> tuple[Library, ...]:
    return tuple({library.path: library for library in libraries}.values())


def _programs(files: DriverFiles, names: Iterable[str], libraries: Iterable[str]) -> Iterator[Mount]:
    """Yield the driver's programs.

    Where they have a directory of their own, as /usr/local/nvidia/bin beside /usr/local/nvidia/lib64, what is called
    the same in the PATH may be a script that starts them there, and has nothing to start in a container.
    """
    usual, elsewhere = files.directories(_PATH), files.directories(_ELSEWHERE)
    tops = [top for top, _, name in (path.rpartition("/") for path in libraries) if name in _LIBRARIES]
    own = files.directories((*usual, *(f"{top}/bin" for top in tops)))[len(usual) :]
    for name in names:
        paths = (f"{directory.rstrip('/')}/{name}" for directory in (*own, *usual, *elsewhere))
        path = next((path for path in paths if files.is_file(path, executable=True)), None)
        if path is not None:
            yield files.mount(path, at=path if path.rpartition("/")[0] in usual else f"/usr/bin/{name}")


def _firmware(host: Host, files: DriverFiles, version: str) -> Iterator[Mount]:
    """Yield the firmware of the GPU system processor, from where the kernel that runs looks for it."""
    release = _line(host, _RELEASE)
    places = (
        _line(host, _FIRMWARE_PATH),
        f"/lib/firmware/updates/{release}" if release else "",
        "/lib/firmware/updates",
        f"/lib/firmware/{release}" if release else "",
        "/lib/firmware",
    )
    for place in files.directories(place for place in places if place.startswith("/")):
        for path in files.glob(f"{place}/nvidia/{version}/gsp*.bin"):
            yield files.mount(path)


def _line(host: Host, path: str) -> str:
    try:
        return host.read_text(path).strip()
    except HostError:
        return ""


def _sockets(files: DriverFiles) -> Iterator[Mount]:
    """Yield the sockets of the driver's daemons that run now, and the directory of MPS; writable, not executable."""
    paths = [files.first(name, ("/run", "/var/run"), type_="s") for name in _SOCKETS]
    paths += [_MPS] if files.lookup(_MPS) is not None else []
    yield from (files.mount(path, options=SOCKET_OPTIONS) for path in paths if path is not None)


def _hooks(
    program: str, version: str | None, links: Mapping[str, str], folders: Iterable[str], *, management: bool
) -> Iterator[Hook]:
    """Yield the hooks, in the order in which they rely on each other."""
    made = [word for link, target in links.items() for word in ("--link", f"{target}::{link}")]
    searched = [word for folder in folders for word in ("--folder", folder)]
    if made:
        yield call(program, CREATE_SYMLINKS, *made)
    if version is not None:
        yield call(program, "enable-cuda-compat", f"--host-driver-version={version}")
    if searched:
        yield call(program, "update-ldcache", *searched)
    if not management:
        yield call(program, "disable-device-node-modification")
        yield call(program, "update-application-profile")


def _how(version: str | None, root: str, groups: Mapping[str, Sequence[Mount]], directories: Iterable[str]) -> str:
    below = f" below {root}" if root != "/" else ""
    counts = ", ".join(f"{what} {len(mounts)}" for what, mounts in groups.items() if mounts)
    places = f"; libraries in {', '.join(directories)}" if directories else ""
    return f"driver {version or 'of unknown version'}{below}: {counts or 'no files'}{places}"
