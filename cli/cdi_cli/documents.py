"""Specs in and out: read from files or stdin, given to stdout or written to files."""

from __future__ import annotations

__all__ = ["Documents", "Stream", "delivered", "read_spec"]

from typing import TYPE_CHECKING, Any

import cdi  # its names, which are loaded when they are used: not every command reads and writes
from cdi.encode import to_data
from cdi.errors import UsageError
from cdi.model import Spec  # noqa: TC001 - a field of answers
from cdi_cli.answer import Answer
from cdi_cli.sources import read_document

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cdi_cli.settings import Settings


class Documents(Answer, frozen=True, kw_only=True):
    """Specs as documents, for stdout; none when they went to files."""

    specs: tuple[Spec, ...]

    def to_data(self) -> Any:
        """Return the specs."""
        return [to_data(spec) for spec in self.specs]


class Stream(Documents, frozen=True, kw_only=True):
    """Any number of specs, for whoever reads them one by one."""


def read_spec(path: str) -> Spec:
    """Return the spec in a file, or in stdin for `-`; raise `FileError` or `SpecInvalid`."""
    return cdi.check(read_document(path), source=path).usable()


def delivered(
    specs: Sequence[Spec],
    settings: Settings,
    *,
    output_file: str | None = None,
    output_dir: str | None = None,
    force: bool = False,
) -> tuple[tuple[Spec, ...], tuple[str, ...]]:
    """Write specs to where the user wants them; return those left for stdout, and a note for each file."""
    if output_file is not None:
        if len(specs) > 1:
            message = f"--output-file takes one spec, and there are {len(specs)}: {', '.join(s.kind for s in specs)}"
            raise UsageError(message, hint="--output-dir writes a file for each")
        if not output_file.endswith((".json", ".yaml")):
            message = f"cannot tell the format of {output_file!r}"
            raise UsageError(message, hint="end it in .json or .yaml, as runtimes want it")
        written = [cdi.write(spec, output_file, force=force) for spec in specs]
    elif output_dir is not None:
        as_json = settings.output == "json"
        written = [cdi.write(spec, output_dir, format="json" if as_json else "yaml", force=force) for spec in specs]
    else:
        return tuple(specs), ()
    return (), tuple(f"wrote {path}" for path in written)
