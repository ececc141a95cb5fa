"""Text made fit for libyaml: what only goyaml takes, replaced by stand-ins of the same length."""

from __future__ import annotations

__all__ = ["Patches"]

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import yaml


class Patches:
    """The text, with what only libyaml refuses replaced by stand-ins of the same length."""

    LIMIT = 50
    COLON, QUOTE, BOM = "\ue03a", "\ue05c\ue027", "\uefef"  # private use characters

    def __init__(self, raw: bytes) -> None:
        self.raw: bytes | str = raw
        self.text: str | None = None
        self.count = 0
        if b"\n\xef\xbb\xbf" in raw:  # libyaml skips a byte order mark that starts a line, goyaml does not
            self.replace(self.source().replace("\n\ufeff", f"\n{self.BOM}"))

    def mend(self, error: yaml.MarkedYAMLError) -> bool:
        """Replace what `error` complains about, if goyaml takes it; return whether to read again."""
        mark = error.problem_mark
        if mark is None or self.count >= self.LIMIT:
            return False
        text = self.source()
        at = mark.index
        if error.problem == "found unexpected ':'" and text[at : at + 1] == ":":  # [a:] holds "a:"
            stand_in = self.COLON
        elif error.problem == "found unknown escape character" and text[at : at + 2] == "\\'":  # "\'" is "'"
            stand_in = self.QUOTE
        else:
            return False
        self.stand_in(at, stand_in)
        return True

    def stand_in(self, at: int, text: str) -> None:
        """Put a text of the same length in place of what is at an index."""
        source = self.source()
        self.replace(source[:at] + text + source[at + len(text) :])

    def replace(self, text: str) -> None:
        self.count += 1
        self.raw = self.text = text

    def source(self) -> str:
        """The text as libyaml counts it: one index a character."""
        if self.text is None:
            raw = self.raw if isinstance(self.raw, bytes) else self.raw.encode()
            wide = raw.startswith((b"\xff\xfe", b"\xfe\xff"))
            self.text = raw.decode("utf-16" if wide else "utf-8", "replace")
        return self.text

    def restore(self, value: str) -> str:
        """Undo the stand-ins in a scalar."""
        if not self.count:
            return value
        return value.replace(self.COLON, ":").replace(self.QUOTE, "'").replace(self.BOM, "\ufeff")
