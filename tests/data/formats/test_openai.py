"""OpenAI's messages: which need a conversion, and keys of messages that are not read."""

from typing import Any

import pytest

from platypus.data.formats.openai import convert, recognises

ASK = {"role": "user", "content": "Go"}
CALL = {"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "sail", "arguments": "{}"}}]}


@pytest.mark.parametrize(
    ("messages", "more", "recognised"),
    [
        ([ASK, {"role": "assistant", "content": "No."}], {}, False),
        ([ASK, {"role": "assistant", "content": "No."}], {"tools": []}, False),
        ([ASK, {"role": "assistant", "content": "No."}], {"tools": [{"name": "sail"}]}, True),
        ([ASK, CALL], {}, True),
        ([{"role": "developer", "content": "Brief."}, ASK], {}, True),
        ([ASK, {"role": "assistant", "content": "No.", "weight": 1}], {}, True),
        ([ASK, {"role": "assistant", "content": "No.", "tool_calls": None}], {}, False),
        ([ASK, {"role": "assistant", "content": "<functioncall> {}"}], {}, True),
        ([], {}, False),
        ("Go", {}, False),
    ],
)
def test_plain_text_is_canonical_already(messages: Any, more: dict[str, Any], recognised: bool) -> None:
    assert recognises({"messages": messages, **more}) is recognised


def test_what_else_a_message_holds_is_counted() -> None:
    thought = {**CALL, "reasoning_content": "He wants to go.", "refusal": None}
    made = convert({"messages": [ASK, thought, {"role": "tool", "tool_call_id": "c", "content": "7"}]})
    assert made.row == {"query": "Go", "plan": [{"tool_name": "sail", "arguments": []}]}
    assert made.notes == (
        "left out: `reasoning_content` of messages (1)",
        "left out: results and the answer after them (1)",
    )


def test_a_call_may_be_a_turn_of_its_own() -> None:
    turns = [{"role": "tool_call", "content": '{"name": "sail", "arguments": {}}'}, {"role": "tool_response"}]
    made = convert({"messages": [ASK, *turns, {"role": "assistant", "content": "Done."}]})
    assert made.row == {"query": "Go", "plan": [{"tool_name": "sail", "arguments": []}]}
