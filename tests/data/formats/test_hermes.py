"""Hermes's tags: tools in the system text or beside it, calls that have no closing tag."""

import json
from typing import Any

from platypus.data.formats.hermes import convert, recognises

SAIL = {"type": "function", "function": {"name": "sail", "description": "Sails.", "parameters": {"type": "object"}}}
ROW = {"type": "function", "function": {"name": "row", "description": "Rows.", "parameters": {"type": "object"}}}
CALL = "<tool_call>{'name': 'sail', 'arguments': {}}</tool_call>"


def row(system: str, answer: str = CALL, **more: Any) -> dict[str, Any]:
    turns = [("system", system), ("human", "Go"), ("gpt", answer)]
    return {"conversations": [{"from": speaker, "value": text} for speaker, text in turns], **more}


def names(made: dict[str, Any]) -> list[str]:
    return [tool["function"]["name"] for tool in made["tools"]]


def test_tools_in_the_system_text_one_by_one_or_in_a_list() -> None:
    for tools in (f"{json.dumps(SAIL)}\n{json.dumps(ROW)}", json.dumps([SAIL, ROW])):
        made = convert(row(f"Within <tools></tools> tags: <tools>\n{tools}\n</tools> Call <tool_call>…</tool_call>."))
        assert names(made.row) == ["sail", "row"] and made.notes == ()


def test_tools_of_the_row_come_first_and_a_system_text_of_its_own_is_counted() -> None:
    made = convert(row("Be brief.", tools=[ROW, SAIL]))
    assert names(made.row) == ["row", "sail"]
    assert made.notes == ("left out: system text (1)",)


def test_a_call_without_its_closing_tag() -> None:
    made = convert(row("", '<tool_call>{"name": "sail", "arguments": {"to": "Wyk"}}'))
    assert made.row["plan"] == [{"tool_name": "sail", "arguments": [{"argument_name": "to", "argument_value": "Wyk"}]}]


def test_other_dialogues() -> None:
    assert recognises(row(""))
    assert not recognises(row("", "No call."))
    assert not recognises({"text": CALL})
