"""What a tool returned, as plain data: structured content, texts, and what else came with it; or how a call failed."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from platypus.reports import shortened

FailureKind = Literal["unsent", "lost", "timeout", "refused", "garbage", "error", "size", "cancelled", "misfit"]
MISSING: Any = object()  # no structured content; null is one


@dataclass(frozen=True)
class ToolResult:
    """The result of a call. `structured` is MISSING if there is none; `is_error`: the tool says that it failed.

    `others` are the kinds of what is neither structured nor text, such as images, which no reference can take.
    `is_mock`: it was made up, and where it does not suffice, more may be made up.
    """

    structured: Any = MISSING
    text: str = ""
    is_error: bool = False
    others: tuple[str, ...] = ()
    is_mock: bool = False

    @property
    def size(self) -> int:
        """Its size in bytes, as JSON in UTF-8."""
        return len(json.dumps(self.to_json(), ensure_ascii=False).encode(errors="surrogatepass"))

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing in it: no text, or an empty list, or an object around one."""
        if self.structured is MISSING:
            return not self.others and self.text.strip() in ("", "[]", "{}", "null", '""')
        held = self.structured
        if isinstance(held, Mapping) and len(held) == 1:
            held = next(iter(held.values()))
        return held is None or held in ([], {}, "")

    @property
    def words(self) -> str:
        """Its text, or else its structured content: a text as it is, anything else as JSON."""
        if self.text or self.structured is MISSING:
            return self.text
        held = self.structured
        return held if isinstance(held, str) else json.dumps(held, ensure_ascii=False)

    def to_json(self) -> dict[str, Any]:
        """What a trace and a program get of it; `made_up` marks one of a dry run."""
        data: dict[str, Any] = {} if self.structured is MISSING else {"structured": self.structured}
        if self.text:
            data["text"] = self.text
        if self.is_error:
            data["is_error"] = True
        if self.others:
            data["others"] = list(self.others)
        if self.is_mock:
            data["made_up"] = True
        return data

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "ToolResult":
        """The inverse of `to_json`."""
        others, made_up = tuple(data.get("others", ())), data.get("made_up", False)
        return cls(data.get("structured", MISSING), data.get("text", ""), data.get("is_error", False), others, made_up)

    def shown(self, letters: int) -> str:
        """It on one line, cut to so many letters."""
        text = self.text if self.structured is MISSING else json.dumps(self.structured, ensure_ascii=False)
        line = printable(" ".join(text.split())) or ("nothing" if not self.others else f"({', '.join(self.others)})")
        return shortened(line, letters)


def printable(text: str) -> str:
    """The text without what a terminal would obey."""
    return "".join(letter if letter.isprintable() or letter in "\n\t" else "�" for letter in text)
