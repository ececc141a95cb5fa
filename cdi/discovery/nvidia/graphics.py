"""What programs that draw need of the driver besides its libraries: EGL platforms, X.Org modules, loader files."""

from __future__ import annotations

__all__ = ["EGL_PLATFORMS", "configuration_mounts", "graphics_links", "xorg_modules"]

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cdi.discovery.nvidia.libraries import Library
    from cdi.discovery.nvidia.mounts import DriverFiles
    from cdi.model import Mount

# They come with the driver but have versions of their own: libnvidia-egl-wayland.so.1.1.13
EGL_PLATFORMS = r"libnvidia-egl-(?:gbm|wayland|wayland2|xcb|xlib)\.so\.[^.]*\..*"

# Loaders look for these in fixed places, wherever the host has them.
_SEARCHED = ("/etc", "/usr/local/share", "/usr/share")
_SHARE = (
    "glvnd/egl_vendor.d/10_nvidia.json",
    "egl/egl_external_platform.d/15_nvidia_gbm.json",
    "egl/egl_external_platform.d/10_nvidia_wayland.json",
    "egl/egl_external_platform.d/09_nvidia_wayland2.json",
    "egl/egl_external_platform.d/20_nvidia_xcb.json",
    "egl/egl_external_platform.d/20_nvidia_xlib.json",
    "nvidia/nvoptix.bin",
    "X11/xorg.conf.d/10-nvidia.conf",
    "X11/xorg.conf.d/nvidia-drm-outputclass.conf",
)
_ETC = ("OpenCL/vendors/nvidia.icd",)
# GKE's installer puts these at the driver's root itself. Some packages have the architecture in the name.
_VULKAN = (
    "vulkan/icd.d/nvidia_icd.json",
    "vulkan/icd.d/nvidia_layers.json",
    "vulkan/implicit_layer.d/nvidia_layers.json",
    "vulkan/icd.d/nvidia_icd.x86_64.json",
    "vulkan/icd.d/nvidia_icd.aarch64.json",
    "vulkan/icd.d/nvidia_icd.i686.json",
)
_GROUPS = (("/usr/share", _SHARE, _SEARCHED), ("/etc", _ETC, _SEARCHED), ("/etc", _VULKAN, (*_SEARCHED, "/")))

_XORG = tuple(
    f"{parent}/{modules}/{kind}"
    for parent in ("/usr/lib/xorg", "/usr/lib64/xorg", "/usr/X11R6/lib", "/usr/X11R6/lib64")
    for modules in ("modules", "modules/updates")
    for kind in ("drivers", "extensions")
)
_XORG_BESIDE = (
    "nvidia/xorg",
    "xorg/modules/drivers",
    "xorg/modules/extensions",
    "xorg/modules/updates/drivers",
    "xorg/modules/updates/extensions",
)


def configuration_mounts(files: DriverFiles) -> Iterator[Mount]:
    """Yield the files by which the loaders of EGL, OpenCL, Vulkan and OptiX find the driver."""
    for top, names, searched in _GROUPS:
        for name in names:
            path = files.first(name, searched)
            if path is not None:
                yield files.mount(path, at=f"{top}/{name}")


def xorg_modules(files: DriverFiles, version: str, directories: Iterable[str]) -> Iterator[str]:
    """Yield the paths of the modules of the X server; they stay where they are, as xorg.conf may name the place."""
    beside = (f"{directory.rstrip('/')}/{name}" for directory in directories for name in _XORG_BESIDE)
    present = files.directories((*beside, *_XORG))
    for name in ("nvidia_drv.so", f"libglxserver_nvidia.so.{version}"):
        path = files.first(name, present)
        if path is not None:
            yield path


def graphics_links(libraries: Iterable[Library], modules: Iterable[str], version: str) -> Iterator[tuple[str, str]]:
    """Yield target and path of the links by which GBM, Vulkan and X.Org load the driver."""
    for library in libraries:
        place = library.directory.rstrip("/")
        if library.name == f"libnvidia-allocator.so.{version}":
            yield "../libnvidia-allocator.so.1", f"{place}/gbm/nvidia-drm_gbm.so"
        if library.name == f"libnvidia-vulkan-producer.so.{version}":
            yield library.name, f"{place}/libnvidia-vulkan-producer.so"
    for path in modules:
        place, _, name = path.rpartition("/")
        if name == f"libglxserver_nvidia.so.{version}":
            yield name, f"{place}/libglxserver_nvidia.so"
