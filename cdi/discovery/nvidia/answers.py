"""What NVML answered, and its form in a host tree, where no library can be asked."""

from __future__ import annotations

__all__ = ["Answers", "Failure", "parse_recorded", "read_recorded", "to_files"]

from typing import TYPE_CHECKING, TypeVar

import msgspec

from cdi.discovery.nvidia.gpu import Gpu
from cdi.errors import FileError
from cdi.host import HostError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cdi.host import Host

_T = TypeVar("_T")
_PLACE = "/.cdi/nvml"
_DRIVER = f"{_PLACE}/driver"


class Failure(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """Why NVML told nothing, and the way out; `unusable` when no program can use the driver as it is."""

    message: str
    hint: str | None = None
    refused: bool = False  # it was asked, and answered with an error
    unusable: bool = False
    idle: bool = False  # nothing is wrong where there is no GPU: the library is there, and no driver


class Answers(msgspec.Struct, frozen=True, kw_only=True):
    """The driver's version and the GPUs in the order in which NVML counts them, or why it could not be asked."""

    version: str | None = None
    gpus: tuple[Gpu, ...] = ()
    failure: Failure | None = None


class _Driver(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    version: str | None = None
    failure: Failure | None = None


def read_recorded(host: Host) -> Answers | None:
    """Return the answers that a host tree holds, None when it has none; raise `HostError` or `FileError`.

    They are files of their own, since NVML has no file of which they could be the content:

        /.cdi/nvml/driver = {"version":"570.86.15"}
        /.cdi/nvml/gpu0 = {"index":0,"minor":3,"uuid":"GPU-…","model":"NVIDIA H100 80GB HBM3","bdf":"0000:1b:00.0"}
    """
    try:
        names = host.listdir(_PLACE)
    except HostError as error:
        if error.missing:
            return None
        raise
    return parse_recorded({f"{_PLACE}/{name}": host.read_bytes(f"{_PLACE}/{name}") for name in names})


def parse_recorded(files: Mapping[str, bytes]) -> Answers:
    """Return the answers in files; raise `FileError` naming the one that is wrong."""
    driver = _decode(files.get(_DRIVER, b"{}"), _Driver, _DRIVER)
    gpus = [_decode(content, Gpu, path) for path, content in files.items() if path != _DRIVER]
    return Answers(version=driver.version, gpus=tuple(sorted(gpus, key=lambda gpu: gpu.index)), failure=driver.failure)


def to_files(answers: Answers) -> dict[str, bytes]:
    """Return answers as the files that `parse_recorded` takes."""
    driver = _Driver(version=answers.version, failure=answers.failure)
    parts: dict[str, msgspec.Struct] = {_DRIVER: driver}
    parts |= {f"{_PLACE}/gpu{gpu.index}": gpu for gpu in answers.gpus}
    return {path: msgspec.json.encode(part) + b"\n" for path, part in parts.items()}


def _decode(content: bytes, kind: type[_T], path: str) -> _T:
    try:
        return msgspec.json.decode(content, type=kind)
    except msgspec.DecodeError as error:
        message = f"{path}: not an answer of NVML: {error}"
        raise FileError(message) from error
