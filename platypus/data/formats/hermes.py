"""Hermes (NousResearch): tools in `<tools>` of the system text, calls in `<tool_call>` of the answer.

`{"conversations": [{"from": "system", "value": "… <tools>[…]</tools>"}, {"from": "human", "value": …}, {"from": "gpt",
"value": "<tool_call>\\n{'name': …, 'arguments': …}\\n</tool_call>"}], "tools": "[…]"}`; `messages` of `role` and
`content` are read in the same way. Models of other families write calls in these tags as well.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from platypus.data.formats.conversion import Converted, Format
from platypus.data.formats.dialogues import Turn, row_from_turns, text_of, turns_of
from platypus.data.formats.tool_calls import Tools, calls_from, tool_list_in, tools_from

KEYS = frozenset({"conversations", "messages", "tools", "system"})
CALL = re.compile(r"<tool_call>\s*(.*?)\s*(?:</tool_call>|$)", re.DOTALL)
TOOLS = re.compile(r"<tools>\s*(.*?)\s*</tools>", re.DOTALL)


def recognises(row: Mapping[str, Any]) -> bool:
    """Whether a turn of the row has one of the tags."""
    entries = row.get("conversations") or row.get("messages")
    if not isinstance(entries, list):
        return False
    texts = [entry.get("value", entry.get("content")) for entry in entries if isinstance(entry, Mapping)]
    return any(isinstance(text, str) and ("<tool_call>" in text or TOOLS.search(text)) for text in texts)


def convert(row: Mapping[str, Any]) -> Converted:
    """The canonical row. Raises DatasetError for a row that cannot be converted."""
    turns = turns_of(row.get("conversations") or row.get("messages"))
    tools, rest = tools_from(row.get("tools")), []
    system = [Turn("system", text_of(row["system"]))] if row.get("system") else []
    for turn in (*system, *turns):
        if turn.role == "system":
            tools = tools if tools.definitions else _tools_in(turn.text)
            rest += [] if TOOLS.search(turn.text) else [turn]  # the rest of such a text says how to call
        else:
            rest.append(_with_calls(turn) if turn.role == "assistant" else turn)
    return row_from_turns(rest, tools)


def _tools_in(text: str) -> Tools:
    """The tools between the tags; a system text may name the tags, empty, before it fills them."""
    lists = [tool_list_in(inner) for inner in TOOLS.findall(text)]
    return tools_from([tool for found in lists for tool in found])


def _with_calls(turn: Turn) -> Turn:
    calls = [call for inner in CALL.findall(turn.text) for call in calls_from(inner, "a <tool_call>")]
    return replace(turn, text=CALL.sub("", turn.text), calls=(*turn.calls, *calls))


FORMAT = Format("Hermes", KEYS, recognises, convert)
