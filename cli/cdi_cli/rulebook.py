"""What the names of rules mean, for reports that explain them."""

from __future__ import annotations

__all__ = ["meaning"]

from functools import cache
from inspect import cleandoc

from cdi.rules import RULES

# Rules without a function of their own: what the parser, the decoder or the system has to say.
_OTHERS = {
    "unreadable": "The file can be read.",
    "schema": "The spec fits the JSON Schema that was asked for.",
}


def meaning(rule: str) -> str | None:
    """Return what a rule asks for, in a sentence, when it says so."""
    return _meanings().get(rule)


@cache
def _meanings() -> dict[str, str]:
    own = {rule.name: cleandoc(rule.function.__doc__ or "").partition("\n\n")[0] for rule in RULES}
    return {name: " ".join(text.split()) for name, text in own.items() if text} | _OTHERS
