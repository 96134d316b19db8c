"""ToolACE's calls: names with spaces, Python and JSON values, brackets and quotes within values."""

import json
from typing import Any

import pytest

from platypus.data.formats.toolace import convert, recognises
from platypus.errors import DatasetError


def row(calls: str, system: str = "") -> dict[str, Any]:
    return {"system": system, "conversations": [{"from": "user", "value": "Go"}, {"from": "assistant", "value": calls}]}


def arguments(calls: str) -> list[tuple[str, dict[str, Any]]]:
    assert recognises(row(calls))
    return [
        (step["tool_name"], {one["argument_name"]: one["argument_value"] for one in step["arguments"]})
        for step in convert(row(calls)).row["plan"]
    ]


@pytest.mark.parametrize(
    ("calls", "expected"),
    [
        ("[tide()]", [("tide", {})]),
        ('[Tide & Wind API(port="Wyk", days=2)]', [("Tide_Wind_API", {"port": "Wyk", "days": 2})]),
        (
            "[a(x='it, is = [so]'), b.c(y=[1, {\"k\": (2, 3)}], z=true)]",
            [("a", {"x": "it, is = [so]"}), ("b.c", {"y": [1, {"k": [2, 3]}], "z": True})],
        ),
        ('[a(from="x", class=None, q="say \\"hi\\"")]', [("a", {"from": "x", "class": None, "q": 'say "hi"'})]),
        ("[a(x=-1.5)]", [("a", {"x": -1.5})]),
    ],
)
def test_calls(calls: str, expected: list[tuple[str, dict[str, Any]]]) -> None:
    assert arguments(calls) == expected


@pytest.mark.parametrize("calls", ["[a(x=1), b(y=)]", "[a(x=1, x=2)]", "[a(x=b c)]", "[a(x=1]"])
def test_calls_that_cannot_be_read(calls: str) -> None:
    with pytest.raises(DatasetError):
        convert(row(calls, 'You may call [{"name": "a", "description": "A."}]'))


@pytest.mark.parametrize("text", ["[see above]", "[1, 2]", "I call [tide()].", "[a(b)]"])
def test_text_in_brackets_is_no_call(text: str) -> None:
    assert not recognises(row(text))


def test_renamed_tools_are_the_same_in_the_system_text_and_in_the_call() -> None:
    tools = json.dumps(
        [{"name": "Tide API", "description": "Tides.", "parameters": {"type": "dict", "properties": {}}}]
    )
    made = convert(row("[Tide API()]", f"Use these: {tools} Say nothing else."))
    assert [tool["name"] for tool in made.row["tools"]] == ["Tide_API"]
    assert made.row["plan"][0]["tool_name"] == "Tide_API"
    assert made.notes == ("tool renamed (1)",)
