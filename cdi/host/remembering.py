"""A source that asks each question once: families that look at the same things share the answers, and agree."""

from __future__ import annotations

__all__ = ["Remembering"]

from typing import TYPE_CHECKING, Any, NamedTuple, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from cdi.host.source import Source, Stat

_P = ParamSpec("_P")
_T = TypeVar("_T")


class Remembering:
    """The answers of another source, failures too, as they were when they were first asked for."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._answers: dict[tuple[Any, ...], Any] = {}
        self._made: dict[object, Any] = {}

    def __repr__(self) -> str:
        return f"Remembering({self._source!r})"

    def read(self, path: str, limit: int) -> bytes:
        """Return the content of a regular file of at most `limit` bytes."""
        return self._ask(self._source.read, path, limit)

    def listdir(self, path: str) -> list[str]:
        """Return the names in a directory, in any order."""
        return self._ask(self._source.listdir, path)

    def readlink(self, path: str) -> str:
        """Return the target of a link as it is written."""
        return self._ask(self._source.readlink, path)

    def resolve(self, path: str) -> str:
        """Return the path without links and dots."""
        place = self._ask(self._source.resolve, path)
        self._answers.setdefault((self._source.resolve, place), place)
        return place

    def stat(self, path: str, *, follow: bool) -> Stat:
        """Return what is at the path; of a link in last place, itself unless `follow`."""
        return self._ask(self._source.stat, path, follow=follow)

    def label(self, path: str) -> str | None:
        """Return the SELinux label of the path, None where there is none."""
        return self._ask(self._source.label, path)

    def open(self, path: str) -> int:
        """Return a descriptor to read a regular file, for the caller to close; asked for anew each time."""
        return self._source.open(path)

    def once(self, question: object, ask: Callable[[], _T]) -> _T:
        """Return what was made of the answers when it was first asked for; failures are not kept."""
        if question not in self._made:
            self._made[question] = ask()
        return self._made[question]  # type: ignore[no-any-return]

    def _ask(self, ask: Callable[_P, _T], *what: _P.args, **how: _P.kwargs) -> _T:
        question = (ask, *what, *how.values())
        if question not in self._answers:
            try:
                self._answers[question] = ask(*what, **how)
            except OSError as error:
                self._answers[question] = _Failure(error.args)
        answer = self._answers[question]
        if isinstance(answer, _Failure):
            raise OSError(*answer.arguments)
        return answer  # type: ignore[no-any-return]


class _Failure(NamedTuple):
    """What a failure said. The error itself knows who asked, who knows the answers: nobody would let go of them."""

    arguments: tuple[Any, ...]
