"""The program `cdi-hook`, which runtimes run as root: no Typer, no YAML, nothing that a hook does not need."""

from __future__ import annotations

__all__ = ["main", "run"]

import os
import sys
from typing import TYPE_CHECKING

from cdi.errors import CdiError, UsageError
from cdi.hook.calls import HOOKS, Outcome, parse, perform
from cdi.hook.root import ContainerRoot
from cdi.hook.state import root_of

if TYPE_CHECKING:
    from collections.abc import Mapping

_BUG = 70
_MAX_STATE = (16 << 20) + 1
_DEBUG = "NVIDIA_CTK_DEBUG"
_LOADS_OTHERS = frozenset(
    {
        "GLIBC_TUNABLES",
        "LD_AUDIT",
        "LD_LIBRARY_PATH",
        "LD_PRELOAD",
        "PYTHONHOME",
        "PYTHONPATH",
        "PYTHONPLATLIBDIR",
        "PYTHONUSERBASE",
        "PYTHONWARNINGS",
    }
)


def main() -> None:
    """Run the hook of this process's command line, and end the process."""
    code = _BUG
    try:
        code = _guarded(sys.argv[1:])
    finally:
        # At once: what it takes to take apart an interpreter, a container's start would wait for.
        sys.stderr.flush()
        os._exit(code)


def run(arguments: list[str]) -> Outcome:
    """Run `[hook] NAME [OPTION]…` for the container whose state is on stdin."""
    call = parse(arguments)
    if call.name not in HOOKS:
        return Outcome([], [f"there is no hook {call.name!r}; the container starts without"])
    os.umask(0o022)
    root = ContainerRoot(root_of(_state(call.one("container-spec"))))
    try:
        return perform(call, root)
    finally:
        root.close()


def _guarded(arguments: list[str]) -> int:
    if not arguments or {"-h", "--help"} & set(arguments):
        _say("usage: cdi-hook NAME [OPTION]... < STATE\n")
        for name, hook in HOOKS.items():
            _say(f"  {name}\n      {hook.summary}")
        return 0 if arguments else UsageError.exit_code
    try:
        _refuse(os.environ)
        said = run(arguments)
    except CdiError as error:
        _say(f"cdi-hook: error: {_printable(error.message)}")
        if error.hint:
            _say(f"hint: {_printable(error.hint)}")
        return error.exit_code
    except Exception as error:  # noqa: BLE001 - the one place where nothing gets past
        _say(f"cdi-hook: bug: {type(error).__name__}: {_printable(str(error))}")
        return _BUG
    for line in (*said.lost, *(said.done if os.environ.get(_DEBUG) == "true" else ())):
        _say(f"cdi-hook: {_printable(line)}")
    return 0


def _refuse(environment: Mapping[str, str]) -> None:
    """Raise for an environment that loads other files into this program, as an image can choose it."""
    if found := sorted(_LOADS_OTHERS & environment.keys()):
        message = f"the environment has {', '.join(found)}, maybe the container's own"
        raise CdiError(message, hint="give the hook of the spec an `env`: else older runc gives it the container's")


def _state(path: str | None) -> bytes:
    if path in {None, "-"}:
        return sys.stdin.buffer.read(_MAX_STATE) if sys.stdin is not None else b""
    try:
        with open(str(path), "rb") as file:  # noqa: PTH123 - pathlib costs a fifth of the start
            return file.read(_MAX_STATE)
    except OSError as error:
        from cdi.errors import FileError  # noqa: PLC0415 - rarely needed

        raise FileError.from_os(error, "read", path) from error


def _say(text: str) -> None:
    if sys.stderr is not None:
        sys.stderr.write(text + "\n")


def _printable(text: str) -> str:
    """Return text without what a terminal, or a log, would take for a command."""
    return "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in text)
