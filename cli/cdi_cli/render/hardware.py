"""What discovery found, for people."""

from __future__ import annotations

__all__ = ["text"]

from typing import TYPE_CHECKING

from cdi_cli.render.table import table
from cdi_cli.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cdi_cli.commands.discover import Hardware
    from cdi_cli.render import Look


def text(answer: Hardware, look: Look) -> Iterator[str]:
    """Yield what was found, and below what was skipped and why."""
    found = answer.discovery.found
    yield from table(("FAMILY", "DEVICE", "FOUND BY"), [(one.family, one.name, one.how) for one in found], look)
    for one in found:
        yield from (f"{one.family}: {printable(one.name)}: {printable(warning)}\n" for warning in one.warnings)
    skipped = answer.discovery.skipped
    if skipped and not look.quiet:
        yield "\n" if found else ""
        rows = [(one.family, one.what, f"{one.why} ({one.hint})" if one.hint else one.why) for one in skipped]
        yield from table(("FAMILY", "SKIPPED", "WHY"), rows, look)
