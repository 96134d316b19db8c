"""Turns as one row: roles, texts, and what is counted as left out."""

import pytest

from platypus.data.formats.conversion import Converted
from platypus.data.formats.dialogues import Turn, row_from_turns, text_of, turns_of
from platypus.data.formats.tool_calls import Call, Tools
from platypus.errors import DatasetError

NO_TOOLS = Tools([], 0)
ASK, SAIL, TIDE = (
    Turn("user", " Sail! "),
    Turn("assistant", "", (Call("sail", {}),)),
    Turn("assistant", "", (Call("tide", {}),)),
)
RESULT, SAID = Turn("tool", "7"), Turn("assistant", "Done.")
SAIL_STEP, TIDE_STEP = {"tool_name": "sail", "arguments": []}, {"tool_name": "tide", "arguments": []}


def test_calls_before_the_first_result_are_one_plan() -> None:
    assert row_from_turns([ASK, SAIL, TIDE], NO_TOOLS) == Converted({"query": "Sail!", "plan": [SAIL_STEP, TIDE_STEP]})
    both = Turn("assistant", "", (*SAIL.calls, *TIDE.calls))
    results = Converted(
        {"query": "Sail!", "plan": [SAIL_STEP, TIDE_STEP]}, ("left out: results and the answer after them (1)",)
    )
    assert row_from_turns([ASK, both, RESULT, RESULT, SAID], NO_TOOLS) == results


def test_tools_of_the_row_stay_with_it_and_renaming_is_counted() -> None:
    tools = [{"name": "sail"}]
    made = row_from_turns([ASK, SAIL], Tools(tools, 1))
    assert made.row["tools"] == tools and made.notes == ("tool renamed (1)",)


@pytest.mark.parametrize(
    ("turns", "reason"),
    [
        ([ASK, SAIL, RESULT, TIDE], "calls a tool again after a result"),
        ([ASK, SAIL, ASK, TIDE], "has 2 requests"),
        ([SAIL], "has 0 requests"),
        ([SAIL, ASK], "calls a tool before the request"),
        ([ASK, RESULT, SAIL], "calls a tool again after a result"),
        ([ASK, RESULT, SAID], "has a tool's result, but no call"),
    ],
)
def test_dialogues_that_are_no_row(turns: list[Turn], reason: str) -> None:
    with pytest.raises(DatasetError, match=reason):
        row_from_turns(turns, NO_TOOLS)


def test_texts() -> None:
    assert [text_of(content) for content in (None, "a", ["a", {"type": "text", "text": "b"}])] == ["", "a", "a\nb"]
    with pytest.raises(DatasetError, match=r"not text \(audio\)"):
        text_of([{"type": "audio", "data": ""}])


def test_turns_of_no_list() -> None:
    for entries in (None, [], ["a"], "a"):
        with pytest.raises(DatasetError, match="its turns are no list of objects"):
            turns_of(entries)
