"""`cdi schema`: the JSON Schema of specs."""

from __future__ import annotations

__all__ = ["EXAMPLES", "Schema", "schema"]

from typing import Annotated, Any

import typer

from cdi.errors import UsageError
from cdi.schema import profile_schema
from cdi.schema import schema as schema_of
from cdi_cli.answer import Answer

EXAMPLES = {"schema": "cdi schema > cdi-schema.json\ncdi schema 0.7.0\ncdi schema --profile"}


class Schema(Answer, frozen=True, kw_only=True):
    """A JSON Schema."""

    document: dict[str, Any]

    def to_data(self) -> Any:
        """Return the schema itself."""
        return self.document


def schema(
    version: Annotated[
        str | None,
        typer.Argument(metavar="[VERSION]", help="CDI version, such as 0.7.0; else the latest.", show_default=False),
    ] = None,
    *,
    profile: Annotated[
        bool, typer.Option("--profile", help="The schema of profiles of hardware.", show_default=False)
    ] = False,
) -> Schema:
    """Print the JSON Schema of specs, or of profiles.

    Editors and other tools can check specs with it. It says exactly which fields each CDI version has;
    `cdi validate` checks more than a schema can say.
    """
    if profile and version is not None:
        message = "a CDI version is of specs, not of profiles"
        raise UsageError(message, hint="leave out one of them")
    return Schema(document=profile_schema() if profile else schema_of(version))
