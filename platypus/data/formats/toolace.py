"""ToolACE: a JSON list of tools in the system text, calls as `[name(argument="value"), other(n=[1, 2])]`.

`{"system": "… [{\\"name\\": …}]", "conversations": [{"from": "user", …}, {"from": "assistant", "value": "[…]"}]}`.
Values are Python or JSON; names of tools may have spaces, which become `_`.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from platypus.data.formats.conversion import Converted, Format
from platypus.data.formats.dialogues import Turn, row_from_turns, text_of, turns_of
from platypus.data.formats.tool_calls import Call, data_in, tool_list_in, tools_from
from platypus.errors import DatasetError
from platypus.plan.plan import Malformed

KEYS = frozenset({"conversations", "messages", "system"})
CALLS = re.compile(r"\s*\[\s*[^\[\](){}\"'=,]+\(\s*(?:\)|[^\[\](){}\"'=,]+=.*\))(?:,.*\))?\s*\]\s*", re.DOTALL)
NAME = re.compile(r"\s*,?\s*([^\[\](){}\"'=,]+)\(")
ARGUMENT = re.compile(r"\s*,?\s*([^\[\](){}\"'=,]+?)\s*=\s*")
PAIRS = {"(": ")", "[": "]", "{": "}"}


def recognises(row: Mapping[str, Any]) -> bool:
    """Whether an assistant's turn is such a list of calls, or the system text holds a list of tools."""
    entries = row.get("conversations") or row.get("messages")
    if row.get("tools") or not isinstance(entries, list):
        return False
    turns = [entry for entry in entries if isinstance(entry, Mapping)]
    for entry in turns:
        role, text = entry.get("from", entry.get("role")), entry.get("value", entry.get("content"))
        if role in ("assistant", "gpt") and isinstance(text, str) and CALLS.fullmatch(text):
            return True
    return bool(_system_tools(row, turns))


def _system_tools(row: Mapping[str, Any], turns: list[Mapping[str, Any]]) -> list[Any]:
    texts = [row.get("system")]
    texts += [
        turn.get("value", turn.get("content")) for turn in turns if "system" in (turn.get("from"), turn.get("role"))
    ]
    return [tool for text in texts if isinstance(text, str) and "[" in text for tool in tool_list_in(text)]


def convert(row: Mapping[str, Any]) -> Converted:
    """The canonical row. Raises DatasetError for a row that cannot be converted."""
    entries = row.get("conversations") or row.get("messages")
    tools = tools_from(
        _system_tools(row, [entry for entry in entries if isinstance(entry, Mapping)] if entries else [])
    )
    system = [Turn("system", text_of(row.get("system")))] if row.get("system") else []
    turns = [_with_calls(turn) for turn in (*system, *turns_of(entries))]
    if tools.definitions:
        turns = [turn for turn in turns if turn.role != "system"]  # the rest of such a text says how to call
    return row_from_turns(turns, tools)


def _with_calls(turn: Turn) -> Turn:
    if turn.role != "assistant" or not CALLS.fullmatch(turn.text):
        return turn
    return replace(turn, text="", calls=tuple(_calls(turn.text.strip()[1:-1])))


def _calls(text: str) -> list[Call]:
    """The calls in `name(argument="value"), other()`. Raises DatasetError where they cannot be read."""
    calls: list[Call] = []
    at = 0
    while text[at:].strip():
        match = NAME.match(text, at)
        if not match:
            raise DatasetError(f"its calls cannot be read from {text[at : at + 40]!r}")
        end = _end(text, match.end(), ")")
        calls.append(Call(match[1].strip(), _arguments(text[match.end() : end])))
        at = end + 1
    return calls


def _arguments(text: str) -> dict[str, Any]:
    arguments: dict[str, Any] = {}
    at = 0
    while text[at:].strip():
        match = ARGUMENT.match(text, at)
        if not match:
            raise DatasetError(f"an argument cannot be read from {text[at : at + 40]!r}")
        end = _end(text, match.end(), ",")
        value = data_in(text[match.end() : end].strip())
        if isinstance(value, Malformed) or match[1] in arguments:
            raise DatasetError(f"argument {match[1]!r} cannot be read from {text[match.start() : end].strip()[:60]!r}")
        arguments[match[1]] = value
        at = end
    return arguments


def _end(text: str, start: int, mark: str) -> int:
    """Where this mark comes next, outside of quotes and brackets; the end of the text for a comma that never comes."""
    open_brackets: list[str] = []
    quote = ""
    at = start
    while at < len(text):
        letter = text[at]
        if quote:
            at += letter == "\\"
            quote = "" if letter == quote else quote
        elif letter in "\"'":
            quote = letter
        elif letter == mark and not open_brackets:
            return at
        elif letter in PAIRS:
            open_brackets.append(PAIRS[letter])
        elif open_brackets and letter == open_brackets[-1]:
            open_brackets.pop()
        at += 1
    if mark == ",":
        return len(text)
    raise DatasetError(f"a call has no end: {text[max(0, start - 40) : start]!r}")


FORMAT = Format("ToolACE", KEYS, recognises, convert)
