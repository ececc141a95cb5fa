"""`cdi diff`: what differs between two specs."""

from __future__ import annotations

__all__ = ["EXAMPLES", "Difference", "diff"]

from typing import Annotated, Any

import typer

from cdi.differing import Change, changes
from cdi_cli.answer import Answer
from cdi_cli.documents import read_spec

EXAMPLES = {"diff": "cdi diff /etc/cdi/gpu.yaml new.json\ncdi generate gpu | cdi diff /etc/cdi/gpu.yaml -"}


class Difference(Answer, frozen=True, kw_only=True):
    """How two specs differ."""

    old: str
    new: str
    changes: tuple[Change, ...]

    @property
    def exit_code(self) -> int:
        """0 for the same, 1 for different, as `diff` has it."""
        return 1 if self.changes else 0

    def to_data(self) -> dict[str, Any]:
        """Return the fields, and `same`."""
        plain: dict[str, Any] = super().to_data()
        return {"version": plain.pop("version"), "same": not self.changes} | plain


def diff(
    old: Annotated[str, typer.Argument(metavar="A", help="Spec, or - for stdin.")],
    new: Annotated[str, typer.Argument(metavar="B", help="Spec to compare it with.")],
) -> Difference:
    """Compare two specs, device by device.

    Formats, comments and the order of devices and keys make no difference. Exit code: 0 the same, 1 not.
    """
    return Difference(old=old, new=new, changes=tuple(changes(read_spec(old), read_spec(new))))
