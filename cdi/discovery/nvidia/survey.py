"""The GPUs of a host, from the best source that answers: NVML, else the kernel module, else the nodes in /dev."""

from __future__ import annotations

__all__ = ["Survey", "driver_warning", "nvml_files", "survey"]

import re
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from cdi.discovery.found import Skipped
from cdi.discovery.nvidia.answers import Answers, Failure, read_recorded, to_files
from cdi.discovery.nvidia.gpu import Gpu
from cdi.discovery.nvidia.libraries import find_library
from cdi.discovery.nvidia.procfs import list_gpus, read_version
from cdi.discovery.pci import Function, list_functions
from cdi.errors import FileError
from cdi.host import HostError
from cdi.names import natural_key
from cdi.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cdi.discovery.nvidia.procfs import Listed
    from cdi.host import Host

_VENDOR = 0x10DE
_DISPLAY = frozenset({0x0300, 0x0302})  # VGA and 3D controllers (linux/pci_ids.h)
_LIBRARY = "libnvidia-ml.so.1"
_NODE = re.compile(r"nvidia(\d+)")
_SOC = "/sys/devices/soc0/family"
_LOST = {
    "/proc/driver/nvidia": "not of the mode of MIG, the UUIDs of MIG devices and coherent memory",
    "/dev": "not of their UUIDs, addresses, DRM nodes and MIG",
}

_TO_VIRTUAL_MACHINES = "it is kept for virtual machines: unbind it, and bind it to nvidia"
_DRIVERS = {
    None: (
        "no driver has it",
        "`modprobe nvidia` loads the driver, if it is installed, and dmesg says why it does not",
    ),
    "nouveau": (
        "nouveau drives it, which knows no CUDA",
        "install NVIDIA's driver, which keeps nouveau away, and reboot",
    ),
    "nova_core": ("nova drives it, which knows no CUDA", "install NVIDIA's driver, which keeps nova away, and reboot"),
    "nvidia": (
        "nvidia drives it, but does not list it as usable",
        "dmesg says why (Xid, RmInitAdapter); in a container, it may be another's",
    ),
    "vfio-pci": ("vfio-pci drives it, not nvidia", _TO_VIRTUAL_MACHINES),
    "nvgrace_gpu_vfio_pci": ("nvgrace_gpu_vfio_pci drives it, not nvidia", _TO_VIRTUAL_MACHINES),
}

_NOT_ASKED = Answers(failure=Failure(message="NVML was not asked: there is no sign of a GPU", idle=True))


class Survey(msgspec.Struct, frozen=True, kw_only=True):
    """The GPUs, who told of them, the version of the driver, and the PCI functions by address."""

    gpus: tuple[Gpu, ...] = ()
    source: str
    version: str | None = None
    functions: Mapping[str, Function]
    reports: tuple[Skipped | Problem, ...] = ()


def survey(host: Host, family: str) -> Survey:
    """Return the GPUs of a host; each step down to a lesser source is reported, with what is lost by it."""
    functions = _functions(host)
    listed = list_gpus(host)
    elsewhere = _elsewhere(host) if not functions and not listed.gpus else None
    if elsewhere is not None:
        skipped = Skipped(family=family, what=family, why=elsewhere[0], hint=elsewhere[1])
        return Survey(source="/dev", functions={}, reports=(skipped,))
    answers = _answers(host, functions, listed) or _NOT_ASKED
    source, gpus = _from_nvml(answers, listed) or _from_kernel(listed) or _from_nodes(host, functions)
    reports: list[Skipped | Problem] = [driver_warning(fault) for fault in listed.faults]
    failure = answers.failure
    if failure is not None and failure.unusable:
        reports.append(_failed(failure, failure.message))
    elif failure is not None and (gpus or functions) and not (failure.idle and not gpus):
        reports.append(_failed(failure, _step_down(failure, source, gpus)))
    found = Survey(source=source, gpus=gpus, functions=functions, version=answers.version or read_version(host))
    reports += _skipped(family, found, listed, failure)
    if failure is not None and failure.unusable:
        found = replace(found, gpus=())
    return replace(found, reports=tuple(reports))


def nvml_files(host: Host) -> Mapping[str, bytes]:
    """Return what NVML says as files of a host tree; a tree that has such files gives none, it has been read."""
    answers = _answers(host, _functions(host), list_gpus(host)) if host.may_load else None
    return to_files(answers) if answers is not None else {}


def _functions(host: Host) -> Mapping[str, Function]:
    return {function.bdf: function for function in list_functions(host, vendor=_VENDOR) if _is_gpu(function)}


def _is_gpu(function: Function) -> bool:
    return function.class_code is not None and function.class_code >> 8 in _DISPLAY


def _answers(host: Host, functions: Mapping[str, Function], listed: Listed) -> Answers | None:
    """Return what NVML says, None when there is no reason to ask it."""
    if not host.may_load:
        return _recorded(host)
    library = find_library(host, _LIBRARY)
    if not (functions or listed.gpus or library or any(name.startswith("nvidia") for name in _device_names(host))):
        return None
    if library is None and host.driver_root != "/":
        return Answers(failure=Failure(message=f"NVML was not asked: there is no {_LIBRARY} below {host.driver_root}"))
    from cdi.discovery.nvidia.nvml import ask  # noqa: PLC0415 - it needs ctypes, which few hosts do

    return ask(host, library)


def _recorded(host: Host) -> Answers:
    try:
        answers = read_recorded(host)
    except (FileError, HostError) as error:
        return Answers(failure=Failure(message=f"NVML was not asked: {error.message}"))
    if answers is not None:
        return answers
    message = "NVML was not asked: a library of another root is loaded only if --driver-root says where"
    return Answers(failure=Failure(message=message))


def _from_nvml(answers: Answers, listed: Listed) -> tuple[str, tuple[Gpu, ...]] | None:
    if answers.failure is not None:
        return None
    known = {gpu.bdf: gpu for gpu in listed.gpus}
    return "NVML", tuple(_completed(gpu, known.get(gpu.bdf)) for gpu in answers.gpus)


def _completed(gpu: Gpu, listed: Gpu | None) -> Gpu:
    """Return a GPU with what only the kernel module said."""
    if gpu.failure is not None or gpu.bdf is None or listed is None:
        return gpu
    return replace(
        gpu,
        minor=listed.minor if gpu.minor is None else gpu.minor,
        uuid=gpu.uuid or listed.uuid,
        model=gpu.model or listed.model,
    )


def _from_kernel(listed: Listed) -> tuple[str, tuple[Gpu, ...]] | None:
    return ("/proc/driver/nvidia", listed.gpus) if listed.gpus else None


def _from_nodes(host: Host, functions: Mapping[str, Function]) -> tuple[str, tuple[Gpu, ...]]:
    """Return the GPUs that have nodes, called by their minors; nodes without a driver are left from an earlier one."""
    driven = [function.bdf for function in functions.values() if function.driver == "nvidia"]
    if functions and not driven:
        return "/dev", ()
    minors = [int(match[1]) for name in _device_names(host) if (match := _NODE.fullmatch(name)) is not None]
    bdf = driven[0] if len(driven) == len(minors) == 1 else None
    return "/dev", tuple(Gpu(index=minor, minor=minor, bdf=bdf) for minor in minors)


def _device_names(host: Host) -> list[str]:
    return sorted({*_names(host, host.dev("/dev")), *_names(host, host.driver("/dev"))}, key=natural_key)


def _names(host: Host, directory: str) -> tuple[str, ...]:
    try:
        return host.listdir(directory)
    except HostError:
        return ()


def _elsewhere(host: Host) -> tuple[str, str] | None:
    """Return where the GPU is that is on no bus, and which family has it.

    /etc/nv_tegra_release        # R36 (release), REVISION: 4.3, …
    /sys/devices/soc0/family     Tegra
    """
    if host.exists(host.dev("/dev/dxg")):
        return "in WSL, GPUs are behind /dev/dxg", "the family nvidia-wsl has them"
    try:
        is_tegra = host.exists("/etc/nv_tegra_release") or host.read_text(_SOC).lower().startswith("tegra")
    except HostError:
        return None
    return ("the GPU of a Tegra is on no bus", "the family nvidia-tegra has it") if is_tegra else None


def _step_down(failure: Failure, source: str, gpus: tuple[Gpu, ...]) -> str:
    if not gpus:
        return failure.message
    return f"{failure.message}; {source} tells of GPUs, but {_LOST[source]}"


def _failed(failure: Failure, message: str) -> Problem:
    rule = "nvml-failed" if failure.refused else "nvidia-driver"
    return Problem(severity="warning", rule=rule, message=message, hint=failure.hint)


def driver_warning(message: str, hint: str | None = None) -> Problem:
    """Return the problem that something is wrong with the driver, though not with all of it."""
    return Problem(severity="warning", rule="nvidia-driver", message=message, hint=hint)


def _skipped(family: str, found: Survey, listed: Listed, failure: Failure | None) -> Iterator[Skipped]:
    """Yield the GPUs that cannot be used, of whatever the host shows of them."""
    if failure is not None and failure.unusable:
        for gpu in found.gpus:
            yield Skipped(family=family, what=gpu.bdf or str(gpu.index), why=failure.message, hint=failure.hint)
    for gpu in listed.excluded:
        yield Skipped(
            family=family, what=gpu.bdf or "", why="the driver was told to leave it alone (NVreg_ExcludedGpus)"
        )
    seen = {gpu.bdf for gpu in (*found.gpus, *listed.excluded)}
    is_told = found.source != "/dev" or not found.gpus  # nodes do not say whose they are
    for function in found.functions.values() if is_told else ():
        if function.bdf not in seen:
            why, hint = _DRIVERS.get(function.driver, (f"{function.driver} drives it, not nvidia", None))
            yield Skipped(family=family, what=function.bdf, why=why, hint=hint)
    if not found.gpus and not found.functions and not listed.excluded:
        yield Skipped(family=family, what=family, why="no NVIDIA GPU", absent=True)
