"""What was changed in the configuration of runtimes, and what has to be restarted, for people."""

from __future__ import annotations

__all__ = ["text"]

from typing import TYPE_CHECKING

from cdi_cli.text import paint, printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cdi_cli.reconfiguring import Reconfiguration, Reconfigured
    from cdi_cli.render import Look

_DONE = {"enable": "CDI is on", "disable": "CDI is off", "set-dirs": "the directories are set", "undo": "taken back"}
_STYLES = {"+": "green", "-": "red", "@": "cyan"}


def text(answer: Reconfiguration, look: Look) -> Iterator[str]:
    """Yield for each runtime what was done, and what it takes to see it; without writing, the differences."""
    for one in answer.runtimes:
        name = paint(one.name, "bold", color=look.color)
        if one.path is None:
            yield f"{name}: {_nothing(one)}\n"
        elif answer.dry_run:
            yield from _diff(one.diff, look)
        else:
            yield f"{name}: {_DONE[one.action]} in {printable(one.path)}\n"
        yield from (f"{name}: {printable(remark)}\n" for remark in one.remarks)
        yield from _restart(one, name, look, dry_run=answer.dry_run)


def _nothing(one: Reconfigured) -> str:
    return printable((one.why or "") if one.action == "undo" else f"{_DONE[one.action]} already: {one.why}")


def _diff(diff: str, look: Look) -> Iterator[str]:
    for line in diff.split("\n")[:-1]:
        style = "bold" if line.startswith(("--- ", "+++ ")) else _STYLES.get(line[:1])
        shown = "\t".join(map(printable, line.removesuffix("\r").split("\t")))
        yield (paint(shown, style, color=look.color) if style is not None else shown) + "\n"


def _restart(one: Reconfigured, name: str, look: Look, *, dry_run: bool) -> Iterator[str]:
    """Yield how a restart went, or what to type for one."""
    if one.up is False:
        error = paint("error", "red", color=look.color)
        yield f"{name}: {error}: {printable(one.outcome or '')}\n"
        if one.action != "undo" and one.path is not None:
            yield f"{name}: to take the change back: cdi runtime undo {one.name} --restart\n"
        return
    if one.outcome is not None:
        yield f"{name}: {printable(one.outcome)}\n"
    if one.restart is not None and not one.up:
        verb = "would need" if dry_run else "needs"
        yield f"{name}: {verb} '{one.restart}': {one.restart_why}\n"
