"""The hooks by name: their arguments, what each does, and which failures must keep a container from starting."""

from __future__ import annotations

__all__ = ["HOOKS", "Call", "Outcome", "parse", "perform"]

import errno
import getopt
from typing import TYPE_CHECKING, NamedTuple

from cdi.errors import CdiError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from cdi.hook.root import ContainerRoot

_SEPARATOR = "::"
_COMPAT = "/usr/local/cuda/compat"
_LDCONFIG = "/sbin/ldconfig"
_FLAGS = frozenset({"--debug", "-d", "--quiet"})
_READ_ONLY = frozenset({errno.EROFS})
_NOT_POSSIBLE = frozenset({errno.EPERM, errno.EACCES, errno.ENOSYS, errno.EROFS})


class Call(NamedTuple):
    """A hook with its options, each with all values that it was given."""

    name: str
    options: dict[str, list[str]]

    def one(self, option: str) -> str | None:
        """Return the last value of an option, None when it is missing or empty."""
        values = self.options.get(option)
        return values[-1] or None if values else None

    def all(self, option: str) -> list[str]:
        """Return the values of an option."""
        return self.options.get(option, [])


class Outcome(NamedTuple):
    """What a hook did, and what the container has to do without, in words."""

    done: list[str]
    lost: list[str]


class Hook(NamedTuple):
    """What a hook takes and does; `harmless` are the errors (`errno`) that no container has to fail for."""

    summary: str
    options: tuple[str, ...]
    run: Callable[[Call, ContainerRoot], Iterator[str]]
    harmless: frozenset[int] = frozenset()


def parse(arguments: Sequence[str]) -> Call:
    """Return the call that `[FLAG]… NAME [--OPTION VALUE]…` is; raise `UsageError`.

    A hook of another name is one of a later version: containers start without it, as with NVIDIA's own program.
    """
    words = _without_flags(arguments)
    if not words:
        message = "no hook is named"
        raise UsageError(message, hint=f"there are {', '.join(HOOKS)}")
    name, *rest = words
    hook = HOOKS.get(name)
    if hook is None:
        return Call(name, {})
    try:
        given, more = getopt.getopt(list(rest), "", [*(f"{option}=" for option in hook.options), "container-spec="])
    except getopt.GetoptError as error:
        message = f"{name}: {error.msg}"
        raise UsageError(message, hint=f"{name} takes {_taken(hook)}") from error
    if more:
        message = f"{name}: unexpected argument {more[0]!r}"
        raise UsageError(message, hint=f"{name} takes {_taken(hook)}")
    options: dict[str, list[str]] = {}
    for option, value in given:
        options.setdefault(option[2:], []).append(value)
    return Call(name, options)


def perform(call: Call, root: ContainerRoot) -> Outcome:
    """Do what a hook is called for; raise `CdiError` if the container must not start for want of it."""
    hook = HOOKS[call.name]
    try:
        return Outcome(list(hook.run(call, root)), [])
    except CdiError as error:
        cause = error.__cause__
        if isinstance(cause, OSError) and cause.errno in hook.harmless:
            return Outcome([], [f"{call.name}: {error.message}; the container starts without"])
        raise


def _without_flags(arguments: Sequence[str]) -> list[str]:
    """Return the arguments from the name of the hook on; in front may be `hook`, as for nvidia-ctk, and flags."""
    words = list(arguments)
    while words and (words[0] == "hook" or words[0].partition("=")[0] in _FLAGS):
        words.pop(0)
    return words


def _create_symlinks(call: Call, root: ContainerRoot) -> Iterator[str]:
    for pair in dict.fromkeys(call.all("link")):
        target, separator, path = pair.partition(_SEPARATOR)
        if not (target and separator and path) or _SEPARATOR in path:
            message = f"invalid link {pair!r}"
            raise UsageError(message, hint="a link is TARGET::PATH")
        try:
            if root.link(path, target):
                yield f"{path} -> {target}"
        except CdiError as error:
            if not isinstance(error.__cause__, OSError) or error.__cause__.errno != errno.EBUSY:
                raise
            yield f"{path} stays: something is mounted there"


def _update_ldcache(call: Call, root: ContainerRoot) -> Iterator[str]:
    from cdi.hook.loader import update_cache  # noqa: PLC0415 - each hook imports what it needs

    folders = call.all("folder")
    if odd := [folder for folder in folders if not folder.startswith("/") or "\n" in folder]:
        message = f"invalid folder {odd[0]!r}"
        raise UsageError(message, hint="folders are absolute paths in the container")
    program = (call.one("ldconfig-path") or _LDCONFIG).removeprefix("@")  # NVIDIA's sign for "on the host"
    if not program.startswith("/"):
        message = f"{program!r} is not absolute"
        raise UsageError(message, hint="the path of ldconfig is that of the host's program")
    update_cache(root, folders, program)
    yield f"cached the libraries of {len(folders)} folders"


def _enable_cuda_compat(call: Call, root: ContainerRoot) -> Iterator[str]:
    from cdi.hook.cuda_compat import is_wanted  # noqa: PLC0415 - as above
    from cdi.hook.loader import prefer_directory  # noqa: PLC0415 - as above

    folder = call.one("cuda-compat-container-root") or _COMPAT
    if not folder.startswith("/") or "\n" in folder:
        message = f"invalid folder {folder!r}"
        raise UsageError(message, hint="it is an absolute path in the container")
    if is_wanted(root, folder, call.one("host-driver-version"), call.one("host-cuda-version")):
        prefer_directory(root, folder)
        yield f"the container's own CUDA libraries in {folder} are used"


def _disable_device_node_modification(call: Call, root: ContainerRoot) -> Iterator[str]:  # noqa: ARG001 - it has none
    from cdi.hook.nvidia import modified_parameters, shadow_parameters  # noqa: PLC0415 - as above

    content = modified_parameters()
    if content is not None and shadow_parameters(root, content):
        yield "the driver makes no device nodes in the container"


def _update_application_profile(call: Call, root: ContainerRoot) -> Iterator[str]:  # noqa: ARG001 - it has none
    from cdi.hook.nvidia import restrict_graphics  # noqa: PLC0415 - as above

    if restrict_graphics(root):
        yield "graphics sees the container's GPUs only"


def _chmod(call: Call, root: ContainerRoot) -> Iterator[str]:
    text = call.one("mode") or ""
    if not text or len(text) > 4 or set(text) - set("01234567"):  # noqa: PLR2004 - with the bit of set-user-id
        message = f"invalid mode {text!r}"
        raise UsageError(message, hint="a mode is octal, as 755")
    for path in call.all("path"):
        if not path:
            message = "invalid path ''"
            raise UsageError(message)
        if not root.chmod(path, int(text, 8)):
            yield f"there is no {path}"


def _taken(hook: Hook) -> str:
    return ", ".join(f"--{option}" for option in hook.options) or "no options"


HOOKS: dict[str, Hook] = {
    "create-symlinks": Hook("Make links: --link TARGET::PATH, repeatable.", ("link",), _create_symlinks),
    "update-ldcache": Hook(
        "Let the loader find libraries: --folder DIR, repeatable; --ldconfig-path PROGRAM.",
        ("folder", "ldconfig-path"),
        _update_ldcache,
        _READ_ONLY,
    ),
    "chmod": Hook("Change permissions: --mode OCTAL --path PATH, repeatable.", ("mode", "path"), _chmod, _NOT_POSSIBLE),
    "enable-cuda-compat": Hook(
        "Use the container's CUDA libraries where they are newer: --host-driver-version V, --host-cuda-version V, "
        "--cuda-compat-container-root DIR.",
        ("host-driver-version", "host-cuda-version", "cuda-compat-container-root"),
        _enable_cuda_compat,
        _NOT_POSSIBLE,
    ),
    "disable-device-node-modification": Hook(
        "Keep NVIDIA's driver from making device nodes.", (), _disable_device_node_modification, _NOT_POSSIBLE
    ),
    "update-application-profile": Hook(
        "Show graphics the container's NVIDIA GPUs only.", (), _update_application_profile, _NOT_POSSIBLE
    ),
}
