"""What an ELF file says of itself: the name that programs link against (DT_SONAME)."""

from __future__ import annotations

__all__ = ["ElfUnread", "read_soname"]

from io import BytesIO
from typing import TYPE_CHECKING, BinaryIO

from cdi.host import HostError

if TYPE_CHECKING:
    from cdi.host import Host

_MAGIC = b"\x7fELF"
_LIMIT = 1 << 20
_OF_VALUES = (MemoryError, TypeError, ValueError)


class ElfUnread(Exception):
    """A file whose name cannot be told; the message says why. `no_reader` when pyelftools is not installed."""

    def __init__(self, message: str, *, no_reader: bool = False) -> None:
        super().__init__(message)
        self.no_reader = no_reader


def read_soname(host: Host, path: str) -> str | None:
    """Return the SONAME of a library, None when it has none; raise `ElfUnread`."""
    try:
        with _stream(host, path) as stream:
            return _soname(stream, path)
    except (HostError, OSError) as error:
        message = error.message if isinstance(error, HostError) else f"cannot read {path!r}: {error.strerror}"
        raise ElfUnread(message) from error


def _stream(host: Host, path: str) -> BinaryIO:
    """Return the file, which may be of some hundred megabytes; a text tree has no files but their content."""
    try:
        return open(host.open(path), "rb")  # noqa: PTH123 - of a descriptor, for the caller to close
    except HostError as error:
        if error.missing:
            raise
        return BytesIO(host.read_bytes(path, limit=_LIMIT))


def _soname(stream: BinaryIO, path: str) -> str | None:
    if stream.read(len(_MAGIC)) != _MAGIC:
        message = f"{path!r} is no ELF file"
        raise ElfUnread(message)
    try:  # imported when used: it costs as much as reading thirty libraries
        from elftools.common.exceptions import ELFError  # noqa: PLC0415
        from elftools.construct import ConstructError  # noqa: PLC0415
        from elftools.elf.dynamic import DynamicSegment  # noqa: PLC0415
        from elftools.elf.elffile import ELFFile  # noqa: PLC0415
    except ImportError as error:
        message = "pyelftools is not installed (pip install 'cdi-tools[nvidia]')"
        raise ElfUnread(message, no_reader=True) from error
    try:
        segments = (segment for segment in ELFFile(stream).iter_segments() if isinstance(segment, DynamicSegment))
        tags = (tag for segment in segments for tag in segment.iter_tags("DT_SONAME"))
        return next((getattr(tag, "soname", None) for tag in tags), None)
    # What its reader meets in a file that is damaged.
    except (
        ELFError,
        ConstructError,
        ArithmeticError,
        AssertionError,
        AttributeError,
        LookupError,
        *_OF_VALUES,
    ) as error:
        message = f"{path!r} is a damaged ELF file: {str(error) or type(error).__name__}"
        raise ElfUnread(message) from error
