"""The entry point: runs a command line, writes the answer, and turns every failure into a line and an exit code."""

from __future__ import annotations

__all__ = ["main"]

import gc
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

NOT_INSTALLED = 4
INTERRUPTED = 130
BROKEN_PIPE = 141


def main(argv: Sequence[str] | None = None) -> int:
    """Run `cdi` with these arguments and return the exit code.

    Without arguments it runs the process's own command line, and then ends the process.
    """
    if argv is not None:
        return _guarded(argv)
    gc.disable()  # garbage cycles, of which a short life makes few; who stays looks for them again
    # At once: to take apart an interpreter full of modules takes longer than to check a spec.
    os._exit(_guarded(sys.argv[1:]))


def _guarded(arguments: Sequence[str]) -> int:
    try:
        from cdi_cli.streams import OutputClosed, open_missing  # noqa: PLC0415 - ^C during imports is ^C, too

        open_missing()
        try:
            return _run(arguments)
        except OutputClosed:
            return BROKEN_PIPE
    except KeyboardInterrupt:
        return _interrupted()
    except Exception as error:  # noqa: BLE001 - the one place where nothing gets past
        from cdi_cli.failure import explain  # noqa: PLC0415 - rarely needed

        return explain(error, arguments)


def _run(arguments: Sequence[str]) -> int:
    try:
        from cdi_cli.app import invoke  # noqa: PLC0415 - Typer takes a while
    except ModuleNotFoundError as missing:
        return _incomplete(missing)

    outcome = invoke(arguments)
    if isinstance(outcome, int):
        return _interrupted() if outcome == INTERRUPTED else outcome

    from cdi_cli.render import render  # noqa: PLC0415 - only when there is an answer
    from cdi_cli.streams import say, write_answer  # noqa: PLC0415 - as above
    from cdi_cli.text import printable  # noqa: PLC0415 - as above

    answer, settings = outcome
    if not settings.quiet:
        for note in answer.notes:
            say(f"cdi: {printable(note)}")
    write_answer(render(answer, settings))
    return answer.exit_code


def _incomplete(missing: ModuleNotFoundError) -> int:
    from cdi_cli.streams import say  # noqa: PLC0415 - rarely needed

    if missing.name not in {"rich", "typer"}:
        raise missing
    say(f"cdi: error: the Python package {missing.name} is missing")
    say("hint: pip install 'cdi-tools[cli]'")
    return NOT_INSTALLED


def _interrupted() -> int:
    from cdi_cli.streams import say  # noqa: PLC0415 - rarely needed

    say("cdi: interrupted")
    return INTERRUPTED
