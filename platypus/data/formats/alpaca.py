"""LLaMA-Factory's Alpaca: `{"instruction": …, "input": …, "output": …, "system": …, "history": [[request, answer]]}`.

The turns before, and the system's text, make it a conversation. Without them the row is canonical already.
"""

from collections.abc import Mapping
from typing import Any

from platypus.data.formats.conversion import Converted, Format
from platypus.data.formats.dialogues import Turn, row_from_turns, text_of
from platypus.data.formats.tool_calls import tools_from
from platypus.errors import DatasetError

KEYS = frozenset({"instruction", "input", "output", "system", "history", "tools"})


def recognises(row: Mapping[str, Any]) -> bool:
    """Whether an Alpaca row has more than the one question."""
    return row.keys() >= {"instruction", "output"} and any(row.get(key) for key in ("system", "history", "tools"))


def convert(row: Mapping[str, Any]) -> Converted:
    """The canonical row. Raises DatasetError for a row that cannot be converted."""
    history = row.get("history") or []
    pairs = [pair if isinstance(pair, list | tuple) else () for pair in history] if isinstance(history, list) else [()]
    if not all(len(pair) == 2 for pair in pairs):
        raise DatasetError("its `history` is no list of pairs of request and answer")
    asked = "\n".join(text for text in (text_of(row["instruction"]), text_of(row.get("input"))) if text)
    turns = [Turn("system", text_of(row["system"]))] if row.get("system") else []
    for request, answer in (*pairs, (asked, row["output"])):
        turns += [Turn("user", text_of(request)), Turn("assistant", text_of(answer))]
    return row_from_turns(turns, tools_from(row.get("tools")))


FORMAT = Format("Alpaca with history", KEYS, recognises, convert)
