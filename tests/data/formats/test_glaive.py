"""Glaive's dialogues in one text: quotes within quotes, several tools, several calls."""

import json
from typing import Any

import pytest

from platypus.data.formats.glaive import convert, recognises
from platypus.errors import DatasetError

SAIL = {
    "name": "sail",
    "description": "Sails.",
    "parameters": {"type": "object", "properties": {"to": {"type": "string"}}},
}
SYSTEM = f"SYSTEM: You may use -\n{json.dumps(SAIL, indent=4)}\n\n{json.dumps({**SAIL, 'name': 'row'}, indent=4)}\n"


def row(call: str) -> dict[str, Any]:
    return {"system": SYSTEM, "chat": f"USER: Go\n\n\nASSISTANT: {call} <|endoftext|>\n\n\n"}


@pytest.mark.parametrize(
    ("call", "arguments"),
    [
        ("""<functioncall> {"name": "sail", "arguments": '{"to": "Wyk"}'}""", {"to": "Wyk"}),
        ("""<functioncall> {"name": "sail", "arguments": '{"to": "Ina's isle"}'}""", {"to": "Ina's isle"}),
        ("""<functioncall> {"name": "sail", "arguments": '{"to": "Ina\\'s isle"}'}""", {"to": "Ina's isle"}),
        ("""<functioncall> {"name": "sail", "arguments": {"to": "Wyk"}}""", {"to": "Wyk"}),
        ("""<functioncall> {"name": "sail", "arguments": '{\n  "to": "Wyk"\n}'} """, {"to": "Wyk"}),
    ],
)
def test_arguments(call: str, arguments: dict[str, str]) -> None:
    assert recognises(row(call))
    made = convert(row(call))
    assert [tool["name"] for tool in made.row["tools"]] == ["sail", "row"]
    given = made.row["plan"][0]["arguments"]
    assert {one["argument_name"]: one["argument_value"] for one in given} == arguments
    assert made.notes == ()


def test_two_calls_are_two_steps_and_words_beside_them_are_counted() -> None:
    call = """<functioncall> {"name": "sail", "arguments": '{}'}"""
    made = convert(row(f"At once. {call} {call}"))
    assert len(made.row["plan"]) == 2
    assert made.notes == ("left out: text beside the calls (1)",)


@pytest.mark.parametrize("call", ["<functioncall> sail!", """<functioncall> {"name": "sail", "arguments": '{to'}"""])
def test_calls_that_cannot_be_read(call: str) -> None:
    with pytest.raises(DatasetError):
        convert(row(call))


def test_other_texts() -> None:
    assert not recognises({"chat": "Hello"})
    assert not recognises({"text": "USER: Hello"})
