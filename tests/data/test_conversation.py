"""Conversations: what is read as one, and the reason for what is not."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from platypus.data.conversation import Conversation, Message, read_messages
from platypus.data.dataset import Instruction, read_dataset, write_rows
from platypus.data.formats.formats import format_of
from platypus.data.signatures import answer_text, one_line_request, request_template

SYSTEM = {"role": "system", "content": "Be brief."}
ASK = {"role": "user", "content": "Which  river\nis it?"}
SAY = {"role": "assistant", "content": "The Nile."}
ALPACA = {"instruction": "Name a colour.", "input": "", "output": "Blue"}


def file_of(folder: Path, *rows: Any) -> str:
    path = folder / "rows.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("messages", [[ASK, SAY], [SYSTEM, ASK, SAY], [SYSTEM, ASK, SAY, ASK, SAY]])
def test_turns_are_read_as_they_are(messages: list[dict[str, str]]) -> None:
    found = read_messages(messages)
    assert [message.to_json() for message in found] == messages
    assert read_messages(json.dumps(messages)) == found  # as a cell of a table has them


def test_a_system_turn_may_be_empty_and_what_a_table_pads_is_no_part_of_a_turn() -> None:
    padded = {**SAY, "tool_calls": None, "reasoning_content": "", "images": []}
    assert read_messages([{**SYSTEM, "content": ""}, ASK, padded])[0] == Message("system", "")


@pytest.mark.parametrize(
    ("messages", "reason"),
    [
        ("[{", "`messages`: "),
        ({"role": "user"}, "`messages` is dict, not a list"),
        ([], "does not end with the assistant's turn"),
        ([ASK], "does not end with the assistant's turn"),
        ([ASK, SAY, ASK], "does not end with the assistant's turn"),
        ([SAY], "the first message must be the system or the user's, not the assistant's"),
        ([ASK, ASK, SAY], "message 2, after the user's, must be the assistant's, not the user's"),
        ([ASK, SAY, SAY], "message 3, after the assistant's, must be the user's"),
        ([ASK, SYSTEM, SAY], "message 2, after the user's, must be the assistant's, not the system's"),
        ([SYSTEM, SYSTEM, ASK, SAY], "message 2, after the system's, must be the user's"),
        ([ASK, {"role": "tool", "content": "3"}, SAY], "message 2 has the role 'tool', which is none of system, user"),
        ([ASK, {"from": "gpt", "value": "3"}], "message 2 is not an object with `role` and `content`"),
        ([ASK, "3"], "message 2 is not an object with `role` and `content`"),
        ([ASK, {**SAY, "content": " "}], "`content` of message 2 (of the assistant) is empty"),
        ([{**ASK, "content": ""}, SAY], "`content` of message 1 (of the user) is empty"),
        ([ASK, {**SAY, "content": None}], "`content` of message 2 (of the assistant) is NoneType, not text"),
        ([ASK, {**SAY, "content": [{"type": "text"}]}], "is list, not text"),
        ([ASK, {**SAY, "content": "\ud83d"}], "half of a surrogate pair"),
        (
            [ASK, {**SAY, "tool_calls": [{"id": "1"}]}],
            "message 2 (of the assistant) has `tool_calls`, which is not read",
        ),
        ([ASK, {**SAY, "weight": 0}, ASK, SAY], "message 2 (of the assistant) has `weight`"),
        ([ASK, {**SAY, "reasoning_content": "Egypt …"}], "has `reasoning_content`"),
    ],
)
def test_what_is_no_conversation_says_which_turn_and_why(messages: Any, reason: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError) as raised:
        read_messages(messages)
    assert reason in str(raised.value)
    if format_of({"messages": messages}):
        return  # a foreign format, which is converted or refused before
    dataset = read_dataset(file_of(tmp_path, {"messages": [ASK, SAY]}, {"messages": messages}), None)
    (bad,) = dataset.rejected
    assert (bad.line, bad.kind, len(dataset.rows)) == (2, "row", 1)
    assert reason in bad.reason


def test_conversations_and_alpaca_rows_may_stand_in_one_file_and_tools_are_not_dropped(tmp_path: Path) -> None:
    tools = [{"name": "search"}]
    rows = [ALPACA, {"messages": [ASK, SAY], "tools": []}, {"messages": [ASK, SAY], "tools": tools}]
    source = file_of(tmp_path, *rows)
    dataset = read_dataset(source, None)
    assert [type(row) for row in dataset.rows] == [Instruction, Conversation]
    assert dataset.rows[1].origin == {"source": source, "line": 2}
    assert [str(bad) for bad in dataset.rejected] == [
        f"{source}:3: OpenAI messages: offers tools, but the answer is text without a call, which is no plan"
    ]


TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20).filter(str.strip)
TURNS = st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=3)


@given(turns=TURNS, system=st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=9))
def test_what_is_written_is_read_again(
    tmp_path_factory: pytest.TempPathFactory, turns: list[tuple[str, str]], system: str | None
) -> None:
    said = [Message(role, text) for pair in turns for role, text in zip(("user", "assistant"), pair, strict=True)]
    row = Conversation((*([] if system is None else [Message("system", system)]), *said), {"source": "x", "line": 1})
    path = tmp_path_factory.getbasetemp() / "again.jsonl"
    write_rows(path, [row])
    assert read_dataset(str(path), None).rows == (row,)


def test_a_conversation_is_compared_by_what_comes_before_its_last_answer() -> None:
    row = Conversation(read_messages([SYSTEM, ASK, SAY, {**ASK, "content": "And 3 more?"}, SAY]), {})
    assert one_line_request(row) == "Be brief. Which river is it? The Nile. And 3 more?"
    assert request_template(row) == "be brief which river is it the nile and @ more"
    assert answer_text(row) == row.answer == "The Nile."
