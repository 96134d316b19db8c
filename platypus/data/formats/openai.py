"""OpenAI's messages: `{"messages": [...], "tools": [...]}`, with `tool_calls`, or `functions` and `function_call`.

Arguments may be texts, as in the API, or objects, as chat templates take them. A role `tool_call` holds a call, as in
ms-swift. Messages of system, user and assistant in plain text are canonical already and are not converted.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from platypus.data.formats.conversion import Converted, Format
from platypus.data.formats.dialogues import CALL_TAG, Turn, row_from_turns, turn_of
from platypus.data.formats.tool_calls import call_from, tools_from
from platypus.errors import DatasetError

KEYS = frozenset({"messages", "tools", "functions", "parallel_tool_calls"})
READ = {"role", "content", "from", "value", "tool_calls", "function_call", "tool_call_id", "name", "id", "type"}
READ |= {"weight", "train"}


def recognises(row: Mapping[str, Any]) -> bool:
    """Whether the row has messages that are more than plain text."""
    messages = row.get("messages")
    if not isinstance(messages, list) or not messages or not all(isinstance(entry, Mapping) for entry in messages):
        return False
    return bool(row.get("tools") or row.get("functions")) or not all(map(_is_plain, messages))


def _is_plain(message: Mapping[str, Any]) -> bool:
    filled = {key for key, value in message.items() if value is not None}
    roles = ("system", "user", "assistant")
    if filled != {"role", "content"} or message["role"] not in roles or not isinstance(message["content"], str):
        return False
    return CALL_TAG not in message["content"]


def convert(row: Mapping[str, Any]) -> Converted:
    """The canonical row. Raises DatasetError for a row that cannot be converted."""
    left_out: list[str] = []
    turns = [_turn(message, left_out) for message in row["messages"]]
    return row_from_turns(turns, tools_from(row.get("tools") or row.get("functions")), dict.fromkeys(left_out))


def _turn(message: Mapping[str, Any], left_out: list[str]) -> Turn:
    if message.get("weight", 1) == 0 or message.get("train", True) is False:
        raise DatasetError(
            "has a turn that is not to be learned (weight 0); every turn of an assistant is learned here"
        )
    turn = turn_of(message)
    left_out += (f"`{key}` of messages" for key, value in message.items() if key not in READ and value)
    calls = list(message.get("tool_calls") or ())
    if message.get("function_call"):
        calls.append(message["function_call"])
    return replace(turn, calls=(*turn.calls, *map(call_from, calls)))


FORMAT = Format("OpenAI messages", KEYS, recognises, convert)
