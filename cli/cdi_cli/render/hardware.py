"""What discovery found, for people."""

from __future__ import annotations

__all__ = ["listed", "text"]

from typing import TYPE_CHECKING

from cdi_cli.render.table import table
from cdi_cli.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cdi.discovery import Discovery, Found, Skipped
    from cdi_cli.commands.discover import Hardware
    from cdi_cli.render import Look


def text(answer: Hardware, look: Look) -> Iterator[str]:
    """Yield what was found, and below what was skipped and why."""
    found = answer.discovery.found
    yield from table(("FAMILY", "DEVICE", "FOUND BY"), [(one.family, one.name, one.how) for one in found], look)
    for one in found if look.verbose else ():
        facts = {**one.names, **one.attributes}
        if facts:
            said = ", ".join(f"{key}={value}" for key, value in facts.items())
            yield f"{one.family}: {printable(one.name)}: {printable(said)}\n"
    for one in found:
        yield from (f"{one.family}: {printable(one.name)}: {printable(warning)}\n" for warning in one.warnings)
    if look.quiet:
        return
    folded = _absent(answer.discovery) if answer.all_families and not look.verbose else ()
    skipped = [one for one in answer.discovery.skipped if one.family not in folded]
    if skipped:
        yield "\n" if found else ""
        rows = [(one.family, one.what, one.advice) for one in skipped]
        yield from table(("FAMILY", "SKIPPED", "WHY"), rows, look)
    if folded:
        others = f"of {folded[0]}" if len(folded) == 1 else f"of {len(folded)} other families"
        yield f"\nNothing {others} is here; --verbose says what was looked for.\n"


def listed(found: Iterable[Found], skipped: Iterable[Skipped]) -> Iterator[str]:
    """Yield a line for each device with its warnings, and for each thing that is skipped, below what they are of."""
    for one in found:
        yield f"  {printable(one.name)}: {printable(one.how)}\n"
        yield from (f"    warning: {printable(warning)}\n" for warning in one.warnings)
    for thing in skipped:
        yield f"  skipped {printable(thing.what)}: {printable(thing.advice)}\n"


def _absent(discovery: Discovery) -> tuple[str, ...]:
    """Return the families that saw nothing at all."""
    seen = {one.family for one in discovery.found} | {one.family for one in discovery.skipped if not one.absent}
    return tuple(family for family in discovery.families if family not in seen)
