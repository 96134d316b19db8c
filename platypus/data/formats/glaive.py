"""Glaive: a dialogue in one text, `USER: …`, `ASSISTANT: … <|endoftext|>`, `FUNCTION RESPONSE: …`, calls as
`<functioncall> {"name": …, "arguments": '{…}'}`, and the tools one by one in the text of the system.

`{"system": "SYSTEM: …", "chat": "USER: …"}`, or all of it under `sample`.
"""

import re
from collections.abc import Mapping
from typing import Any

from platypus.data.formats.conversion import Converted, Format
from platypus.data.formats.dialogues import Role, Turn, row_from_turns
from platypus.data.formats.tool_calls import Call, call_from, calls_from, data_in, tool_list_in, tools_from
from platypus.errors import DatasetError
from platypus.plan.plan import Malformed

KEYS = frozenset({"system", "chat", "sample"})
SPEAKER = re.compile(r"(?:^|\n)\s*(SYSTEM|USER|ASSISTANT|FUNCTION RESPONSE):")
CALL = re.compile(r"<functioncall>\s*(.*?)\s*(?=<functioncall>|<\|endoftext\|>|$)", re.DOTALL)
QUOTED = re.compile(r"""\{\s*"name":\s*"(?P<name>[^"]*)",\s*"arguments":\s*'(?P<arguments>.*)'\s*\}""", re.DOTALL)
END = "<|endoftext|>"
ROLES: Mapping[str, Role] = {
    "SYSTEM": "system",
    "USER": "user",
    "ASSISTANT": "assistant",
    "FUNCTION RESPONSE": "tool",
}


def recognises(row: Mapping[str, Any]) -> bool:
    """Whether the row is a dialogue in one text."""
    text = row.get("chat", row.get("sample"))
    return isinstance(text, str) and "USER:" in text and SPEAKER.match(text) is not None


def convert(row: Mapping[str, Any]) -> Converted:
    """The canonical row. Raises DatasetError for a row that cannot be converted."""
    text = "\n".join(str(part) for part in (row.get("system"), row.get("chat", row.get("sample"))) if part)
    if not SPEAKER.match(text):
        text = f"SYSTEM: {text}"
    pieces = SPEAKER.split(text)
    turns = [_turn(speaker, said) for speaker, said in zip(pieces[1::2], pieces[2::2], strict=True)]
    tools = tools_from([tool for turn in turns if turn.role == "system" for tool in tool_list_in(turn.text)])
    if tools.definitions:
        turns = [turn for turn in turns if turn.role != "system"]  # the rest of such a text says what it lists
    return row_from_turns(turns, tools)


def _turn(speaker: str, said: str) -> Turn:
    text = said.replace(END, "").strip()
    if speaker != "ASSISTANT":
        return Turn(ROLES[speaker], text)
    calls = tuple(call for inner in CALL.findall(text) for call in _calls(inner))
    return Turn("assistant", CALL.sub("", text).strip(), calls)


def _calls(text: str) -> tuple[Call, ...]:
    """The call in a text. Its arguments may be JSON in single quotes, with apostrophes in it."""
    match = QUOTED.fullmatch(text)
    if not match:
        return calls_from(text, "a <functioncall>")
    arguments = data_in(match["arguments"])
    if isinstance(arguments, Malformed):
        arguments = data_in(match["arguments"].replace("\\'", "'"))
    if isinstance(arguments, Malformed):
        raise DatasetError(f"the arguments of {match['name']!r} cannot be read: {arguments.reason}")
    return (call_from({"name": match["name"], "arguments": arguments}),)


FORMAT = Format("Glaive", KEYS, recognises, convert)
