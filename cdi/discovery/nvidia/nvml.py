"""NVML, the driver's own library for asking about GPUs, through `pynvml` (of the distribution `nvidia-ml-py`).

https://docs.nvidia.com/deploy/nvml-api; nothing else imports pynvml.
"""

from __future__ import annotations

__all__ = ["ask"]

import ctypes
import importlib
import os
import re
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING, Any

from cdi.discovery.nvidia.answers import Answers, Failure
from cdi.discovery.nvidia.gpu import Gpu, Instance, parse_address
from cdi.discovery.nvidia.procfs import read_version
from cdi.errors import FileError
from cdi.host import HostError

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from cdi.host import Host

_SONAME = "libnvidia-ml.so.1"
_ANYONE_WRITES, _STICKY = 0o002, 0o1000
_ATS = 2  # NVML_DEVICE_ADDRESSING_MODE_ATS
_NOT_THERE = frozenset({2, 6})  # NVML_ERROR_INVALID_ARGUMENT, NVML_ERROR_NOT_FOUND: no MIG device has this index
_NOT_SUPPORTED, _NO_PERMISSION, _DRIVER_NOT_LOADED, _NO_FUNCTION = 3, 4, 9, 13
_BLOCKED, _MISMATCH, _UNKNOWN = 17, 18, 999
_VERSION = re.compile(r"\.so\.(\d+(?:\.\d+)+)$")
_PROFILE = re.compile(r"\bMIG\s+(\d\S*)")
_GRAPHICS = (10, 11, 12, 17)  # NVML_GPU_INSTANCE_PROFILE_{1,2,4,3}_SLICE_GFX

_HINTS = {
    _DRIVER_NOT_LOADED: "`modprobe nvidia` loads it, and dmesg says why it does not",
    _NO_PERMISSION: "run as root, or as a member of the group that owns /dev/nvidiactl",
    _BLOCKED: "the system forbids it: look at the device cgroup, at SELinux or AppArmor",
    _MISMATCH: "reboot, or unload and load the kernel modules, so that both are of one version",
    _UNKNOWN: "dmesg may say why (Xid, RmInitAdapter); `nvidia-modprobe -u -c 0` makes nodes that are missing",
}

# A library is never unloaded, and the loader knows it by the number of its descriptor: that must not be used again.
_LOADED: dict[tuple[int, int], Any] = {}
_ASKING = Lock()  # pynvml has one library for the whole process


def ask(host: Host, library: str | None) -> Answers:
    """Return what NVML says; `library` is its path on the host, None for the one that this machine's loader finds.

    Programs that use pynvml themselves find it as it was.
    """
    try:
        pynvml: Any = importlib.import_module("pynvml")
    except ImportError:
        return _failed("the Python package nvidia-ml-py is not installed", hint="pip install 'cdi-tools[nvidia]'")
    with _ASKING:
        try:
            loaded = _load(host, library)
        except FileError as error:
            return _failed(error.message, hint=error.hint)
        with _used(pynvml, loaded):
            nvml = _Nvml(pynvml)
            try:
                nvml.start()
            except pynvml.NVMLError as error:
                return _refused(host, library, error)
            try:
                return Answers(version=nvml.try_("nvmlSystemGetDriverVersion"), gpus=tuple(_gpus(nvml)))
            except pynvml.NVMLError as error:
                return _refused(host, library, error)
            finally:
                nvml.try_("nvmlShutdown")


def _load(host: Host, library: str | None) -> Any:
    """Return the library, loaded once; raise `FileError`."""
    try:
        if library is None:
            return _open(_SONAME)
        if not host.driver_root_given:
            _refuse_changeable(host, library)
        fd = host.open(library)
        stat = os.fstat(fd)
        key = (stat.st_dev, stat.st_ino)
        if key in _LOADED:
            os.close(fd)
            return _LOADED[key]
        try:
            _LOADED[key] = _open(f"/proc/self/fd/{fd}")
        except OSError:
            os.close(fd)
            raise
        return _LOADED[key]
    except OSError as error:
        reason = re.sub(r"/proc/self/fd/\d+", library or _SONAME, str(error))
        message = f"the library cannot be loaded: {reason}"
        raise FileError(message, hint="is the driver installed as a whole?") from error


def _refuse_changeable(host: Host, library: str) -> None:
    """Raise where others than root and ourselves may change the library: some of the usual places are homes."""
    parts = library.split("/")
    for path in ("/".join(parts[:end]) or "/" for end in range(1, len(parts) + 1)):
        stat = host.stat(path)
        is_open = stat.mode & _ANYONE_WRITES and not (stat.type == "d" and stat.mode & _STICKY)
        if is_open or stat.uid not in {0, os.geteuid()}:
            message = f"{library} is not loaded: others than root may change {path}"
            raise FileError(message, hint="--driver-root / says that it may be trusted all the same")


def _open(path: str) -> Any:
    """Load a library so that a symbol it lacks matters only when it is called: ctypes itself asks for all of them."""
    loader = ctypes.CDLL(None)
    loader.dlopen.argtypes, loader.dlopen.restype = [ctypes.c_char_p, ctypes.c_int], ctypes.c_void_p
    loader.dlerror.restype = ctypes.c_char_p
    handle = loader.dlopen(path.encode(), os.RTLD_LAZY)
    if not handle:
        raise OSError((loader.dlerror() or b"it has no reason").decode("utf-8", "replace"))
    return ctypes.CDLL(path, handle=handle)


@contextmanager
def _used(pynvml: Any, library: Any) -> Generator[None]:
    """Have pynvml call this library; it keeps pointers to functions, which are of the other library."""
    pointers = pynvml._nvmlGetFunctionPointer_cache  # noqa: SLF001 - there is no public way to name a library
    with pynvml.libLoadLock:
        before, known = pynvml.nvmlLib, dict(pointers)
        pynvml.nvmlLib = library
        pointers.clear()
    try:
        yield
    finally:
        with pynvml.libLoadLock:
            pynvml.nvmlLib = before
            pointers.clear()
            pointers.update(known)


class _Nvml:
    """The functions of NVML by name; `call` raises, `try_` gives None for what the library or the GPU lacks."""

    def __init__(self, pynvml: Any) -> None:
        self._pynvml = pynvml
        self.error: type[Exception] = pynvml.NVMLError

    def start(self) -> None:
        try:
            self._pynvml.nvmlInit()
        except self.error as error:
            if _code_of(error) != _NO_FUNCTION:
                raise
            older = getattr(self._pynvml.nvmlLib, "nvmlInit_v2", None)
            result = older() if older is not None else _NO_FUNCTION
            if result:
                raise self._pynvml.NVMLError(result) from error

    def call(self, name: str, *arguments: Any) -> Any:
        function = getattr(self._pynvml, name, None)
        if function is None:  # an old nvidia-ml-py
            raise self._pynvml.NVMLError(_NO_FUNCTION)
        value = function(*arguments)
        return value.decode("utf-8", "replace") if isinstance(value, bytes) else value

    def try_(self, name: str, *arguments: Any) -> Any:
        try:
            return self.call(name, *arguments)
        except (self.error, UnicodeDecodeError):
            return None


def _code_of(error: Exception) -> int:
    """Return the number of an error of NVML."""
    return int(getattr(error, "value", _UNKNOWN))


def _failed(message: str, *, hint: str | None = None) -> Answers:
    return Answers(failure=Failure(message=f"NVML was not asked: {message}", hint=hint))


def _refused(host: Host, library: str | None, error: Exception) -> Answers:
    code = _code_of(error)
    message = f"NVML says: {error}"
    if code == _MISMATCH:
        message = f"NVML's library{_of_library(host, library)} and the kernel module{_of_module(host)} do not match"
    failure = Failure(
        message=message,
        hint=_HINTS.get(code),
        refused=code != _DRIVER_NOT_LOADED,
        unusable=code == _MISMATCH,
        idle=code == _DRIVER_NOT_LOADED,
    )
    return Answers(failure=failure)


def _of_library(host: Host, library: str | None) -> str:
    try:
        match = _VERSION.search(host.resolve(library)) if library is not None else None
    except HostError:
        match = None
    return f" is of driver {match[1]}" if match is not None else ""


def _of_module(host: Host) -> str:
    version = read_version(host)
    return f" of {version}" if version is not None else ""


def _gpus(nvml: _Nvml) -> Iterator[Gpu]:
    for index in range(nvml.call("nvmlDeviceGetCount")):
        try:
            yield _gpu(nvml, nvml.call("nvmlDeviceGetHandleByIndex", index), index)
        except nvml.error as error:  # it fell off the bus, or may not be looked at: the others are there all the same
            yield Gpu(index=index, failure=f"NVML says: {error}")


def _gpu(nvml: _Nvml, handle: Any, index: int) -> Gpu:
    mig, pending = nvml.try_("nvmlDeviceGetMigMode", handle) or (None, None)
    pci = nvml.try_("nvmlDeviceGetPciInfo", handle)
    node = nvml.try_("nvmlDeviceGetNumaNodeId", handle)
    return Gpu(
        index=index,
        minor=_minor(nvml, handle),
        uuid=nvml.try_("nvmlDeviceGetUUID", handle) or None,
        model=nvml.try_("nvmlDeviceGetName", handle) or None,
        bdf=_address(pci) if pci is not None else None,
        coherent=_coherent(nvml, handle),
        memory_node=node if node is not None and node >= 0 else None,
        mig=None if mig is None else bool(mig),
        mig_pending=None if pending is None else bool(pending),
        instances=tuple(_instances(nvml, handle)) if mig else (),
    )


def _minor(nvml: _Nvml, handle: Any) -> int | None:
    """Return the minor; without a number the kernel is asked, but a GPU that is lost is lost."""
    try:
        return int(nvml.call("nvmlDeviceGetMinorNumber", handle))
    except nvml.error as error:
        if _code_of(error) in {_NOT_SUPPORTED, _NO_FUNCTION}:
            return None
        raise


def _address(pci: Any) -> str | None:
    text = pci.busId.decode() if isinstance(pci.busId, bytes) else pci.busId
    return parse_address(text) or parse_address(f"{pci.domain:08x}:{pci.bus:02x}:{pci.device:02x}.0")


def _coherent(nvml: _Nvml, handle: Any) -> bool | None:
    try:
        return bool(nvml.call("nvmlDeviceGetAddressingMode", handle) == _ATS)
    except nvml.error as error:
        return False if _code_of(error) == _NOT_SUPPORTED else None


def _instances(nvml: _Nvml, parent: Any) -> Iterator[Instance]:
    graphics = {
        info.id
        for profile in _GRAPHICS
        if (info := nvml.try_("nvmlDeviceGetGpuInstanceProfileInfo", parent, profile, 1)) is not None
    }
    for index in range(nvml.try_("nvmlDeviceGetMaxMigDeviceCount", parent) or 0):
        try:
            handle = nvml.call("nvmlDeviceGetMigDeviceHandleByIndex", parent, index)
        except nvml.error as error:
            if _code_of(error) not in _NOT_THERE:
                yield Instance(index=index, failure=f"NVML says: {error}")
            continue
        try:
            yield _instance(nvml, parent, handle, index, graphics)
        except nvml.error as error:
            yield Instance(index=index, failure=f"NVML says: {error}")


def _instance(nvml: _Nvml, parent: Any, handle: Any, index: int, graphics: set[int]) -> Instance:
    gpu_instance = nvml.call("nvmlDeviceGetGpuInstanceId", handle)
    attributes = nvml.try_("nvmlDeviceGetAttributes", handle)
    profile = _PROFILE.search(nvml.try_("nvmlDeviceGetName", handle) or "")
    return Instance(
        index=index,
        gpu_instance=gpu_instance,
        compute_instance=nvml.call("nvmlDeviceGetComputeInstanceId", handle),
        uuid=nvml.try_("nvmlDeviceGetUUID", handle) or None,
        profile=profile[1] if profile is not None else None,
        graphics=_has_graphics(nvml, parent, gpu_instance, graphics) or (profile is not None and "gfx" in profile[1]),
        memory=attributes.memorySizeMB if attributes is not None else None,
    )


def _has_graphics(nvml: _Nvml, parent: Any, gpu_instance: int, graphics: set[int]) -> bool:
    """Return whether the profile of a GPU instance is one with graphics; older libraries do not say so in names."""
    if not graphics:
        return False
    instance = nvml.try_("nvmlDeviceGetGpuInstanceById", parent, gpu_instance)
    info = nvml.try_("nvmlGpuInstanceGetInfo", instance) if instance is not None else None
    return info is not None and info.profileId in graphics
