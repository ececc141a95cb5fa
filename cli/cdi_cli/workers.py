"""Many files on all processor cores: forked workers, results in order, as if one process had done it."""

from __future__ import annotations

__all__ = ["spread"]

import os
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Item = TypeVar("Item")
Result = TypeVar("Result")


class _Worker(NamedTuple):
    """A forked process that works on a share of the items, and the pipe that its results come from."""

    pid: int
    pipe: int


def spread(function: Callable[[Item], Result], items: Sequence[Item], *, share: int) -> list[Result]:
    """Return `[function(item) for item in items]`, worked out on all cores.

    A worker gets at least `share` items: fewer take less time than a fork and the way back.
    """
    count = min(len(os.sched_getaffinity(0)), len(items) // share)
    if count < 2:  # noqa: PLR2004 - one worker is this process
        return [function(item) for item in items]
    workers = [_start(function, items[start::count]) for start in range(1, count)]
    results: list[Any] = [None] * len(items)
    results[::count] = [function(item) for item in items[::count]]
    for start, worker in enumerate(workers, 1):
        own = _results(worker)
        # A worker that died (killed for memory, or by an error) leaves its share to us, and the error is raised here.
        results[start::count] = [function(item) for item in items[start::count]] if own is None else own
    return results


def _start(function: Callable[[Item], Result], items: Sequence[Item]) -> _Worker:
    import pickle  # noqa: PLC0415 - for many files only

    reader, writer = os.pipe()
    pid = os.fork()
    if pid:
        os.close(writer)
        return _Worker(pid, reader)
    try:
        with os.fdopen(writer, "wb") as pipe:
            pickle.dump([function(item) for item in items], pipe, protocol=pickle.HIGHEST_PROTOCOL)
    finally:
        os._exit(0)  # not the way out of the parent: its buffers and clean-up are not ours


def _results(worker: _Worker) -> list[Any] | None:
    import pickle  # noqa: PLC0415 - as above

    with os.fdopen(worker.pipe, "rb") as pipe:
        content = pipe.read()
    os.waitpid(worker.pid, 0)
    try:
        results: list[Any] = pickle.loads(content)  # noqa: S301 - written by our own fork
    except (EOFError, pickle.UnpicklingError):
        return None
    return results
