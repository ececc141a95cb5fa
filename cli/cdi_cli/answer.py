"""What a command gives back: a value, with its exit code and what is said beside it."""

from __future__ import annotations

__all__ = ["Answer"]

from typing import Any

import msgspec


class Answer(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The root of all answers; the fields of each are its JSON output, but for `notes`, which go to stderr."""

    notes: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """0 for done; an answer that means "no" says otherwise."""
        return 0

    def to_data(self) -> Any:
        """Return the answer as plain data: what `--output json` and `yaml` show."""
        fields = {name: getattr(self, name) for name in self.__struct_fields__ if name != "notes"}
        keys = dict(zip(self.__struct_fields__, self.__struct_encode_fields__, strict=True))
        return {"version": 1} | {keys[name]: msgspec.to_builtins(value) for name, value in fields.items()}
