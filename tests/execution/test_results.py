"""Results: their JSON form, what is empty, and how they look on one line."""

import pytest

from platypus.execution.results import MISSING, ToolResult, printable


@pytest.mark.parametrize(
    "result",
    [
        ToolResult(),
        ToolResult(None),
        ToolResult({"a": [1]}, "text"),
        ToolResult(text="no", is_error=True, others=("image",)),
        ToolResult("made up", is_mock=True),
    ],
)
def test_there_and_back(result: ToolResult) -> None:
    assert ToolResult.from_json(result.to_json()) == result


def test_null_is_structured_content_and_nothing_is_not() -> None:
    assert ToolResult(None).to_json() == {"structured": None} and ToolResult().to_json() == {}
    assert ToolResult.from_json({}).structured is MISSING


@pytest.mark.parametrize("result", [ToolResult(), ToolResult(text=" [] "), ToolResult([]), ToolResult({"result": []})])
def test_empty(result: ToolResult) -> None:
    assert result.is_empty


@pytest.mark.parametrize(
    "result", [ToolResult(text="x"), ToolResult(0), ToolResult({"a": [], "b": 1}), ToolResult(others=("image",))]
)
def test_not_empty(result: ToolResult) -> None:
    assert not result.is_empty


def test_a_line_holds_nothing_that_a_terminal_obeys() -> None:
    assert ToolResult(text="a\n b\x1b[2J").shown(20) == "a b\ufffd[2J"
    assert ToolResult({"a": "b" * 50}).shown(10) == '{"a": "bb…'
    assert ToolResult().shown(10) == "nothing" and ToolResult(others=("image",)).shown(10) == "(image)"
    assert printable("tab\t\u202e") == "tab\t\ufffd"


def test_the_size_is_in_bytes() -> None:
    assert ToolResult("é").size == len('{"structured": "é"}'.encode())
    assert ToolResult("\ud800").size > 0
