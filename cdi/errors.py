"""Every error that the library raises; each class owns the exit code that the command gives it."""

from __future__ import annotations

__all__ = [
    "CdiError",
    "ConfigInvalid",
    "FileConflict",
    "FileError",
    "InjectionFailed",
    "InvalidName",
    "Locked",
    "NothingFound",
    "SpecInvalid",
    "UnresolvedDevices",
    "UsageError",
]

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cdi.problem import Problem


class CdiError(Exception):
    """The root of all errors; `hint` says what to do next, when we know."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class SpecInvalid(CdiError):
    """A spec that runtimes would not load; `problems` says why, where and on which line."""

    def __init__(self, problems: Sequence[Problem], *, source: str = "spec") -> None:
        self.problems = tuple(problems)
        self.source = source
        errors = [p for p in self.problems if p.severity == "error"]
        first = errors[0].render(source) if errors else f"{source}: invalid spec"
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        super().__init__(first + more, hint=errors[0].hint if errors else None)


class ConfigInvalid(CdiError):
    """A runtime's configuration that cannot be read, or not be changed without changing more than was asked for."""

    @classmethod
    def at(cls, path: str, line: int, column: int, what: str) -> ConfigInvalid:
        """Return the error for a place in a file: `/etc/crio/crio.conf:3:7: invalid value`."""
        return cls(f"{path}:{line}:{column}: {what}", hint="correct it first; the file is untouched")


class UnresolvedDevices(CdiError):
    """Device names that no loaded spec defines, in the order they were asked for."""

    def __init__(self, names: Iterable[str], *, hint: str | None = None) -> None:
        self.names = tuple(names)
        super().__init__(f"unresolvable CDI devices {', '.join(self.names)}", hint=hint)


class InjectionFailed(CdiError):
    """Edits that cannot be applied to this OCI spec on this host."""


class UsageError(CdiError):
    """A request that makes no sense as it was put."""

    exit_code = 2


class InvalidName(UsageError):
    """A device, vendor, class or annotation name that the CDI spec does not allow."""


class NothingFound(CdiError):
    """Discovery found no device; the message and the hint say what was looked for."""

    exit_code = 3


class FileError(CdiError):
    """A file or directory that could not be read or written."""

    exit_code = 4

    @classmethod
    def from_os(cls, error: OSError, action: str, path: object, *, hint: str | None = None) -> FileError:
        """Return the error for a failed system call: `cannot read '/etc/cdi/a.json': permission denied`."""
        reason = (error.strerror or str(error)).lower()
        return cls(f"cannot {action} {str(path)!r}: {reason}", hint=hint)


class Locked(CdiError):
    """Another process holds the lock for longer than we wait."""

    exit_code = 5


class FileConflict(CdiError):
    """A file that exists and is not ours to replace."""

    exit_code = 5
