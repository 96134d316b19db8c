"""ShareGPT: `{"conversations": [{"from": "human", "value": …}, {"from": "gpt", "value": …}], "system": …, "tools": …}`.

Turns `function_call` and `observation` hold a call and its result, as in APIGen-MT and in LLaMA-Factory's sets with
tools. `role` and `content` are read like `from` and `value`.
"""

from collections.abc import Mapping
from typing import Any

from platypus.data.formats.conversion import Converted, Format
from platypus.data.formats.dialogues import Turn, row_from_turns, text_of, turns_of
from platypus.data.formats.tool_calls import tools_from

KEYS = frozenset({"conversations", "conversation", "system", "tools"})


def recognises(row: Mapping[str, Any]) -> bool:
    """Whether the row has a list of turns under `conversations`."""
    entries = row.get("conversations") or row.get("conversation")
    return isinstance(entries, list) and all(
        isinstance(entry, Mapping) and (entry.keys() >= {"from", "value"} or entry.keys() >= {"role", "content"})
        for entry in entries
    )


def convert(row: Mapping[str, Any]) -> Converted:
    """The canonical row. Raises DatasetError for a row that cannot be converted."""
    system = [Turn("system", text_of(row.get("system")))] if row.get("system") else []
    turns = turns_of(row.get("conversations") or row.get("conversation"))
    return row_from_turns([*system, *turns], tools_from(row.get("tools")))


FORMAT = Format("ShareGPT", KEYS, recognises, convert)
