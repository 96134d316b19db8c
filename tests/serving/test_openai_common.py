"""What both OpenAI endpoints share: tools and their choice in both shapes, texts, schemas of answers."""

from typing import Any

import pytest

from platypus.serving.errors import ApiError
from platypus.serving.limits import Limits
from platypus.serving.openai_common import (
    Chosen,
    new_id,
    read_references,
    read_seed,
    read_text,
    read_tool_choice,
    read_tools,
    written_as_tool,
)

INNER = {"name": "find", "description": "Finds.", "parameters": {"type": "object", "properties": {"x": {}}}}
NESTED, FLAT = {"type": "function", "function": INNER}, {"type": "function", **INNER}


def test_both_shapes_of_a_function_are_one_tool() -> None:
    first, second = read_tools([NESTED], Limits()), read_tools([FLAT], Limits())
    assert first is not None and first == second and first.tools[0].name == "find"
    assert read_tools([], Limits()) is read_tools(None, Limits()) is None


@pytest.mark.parametrize(
    ("given", "chosen"),
    [
        (None, Chosen()),
        ("auto", Chosen()),
        ("required", Chosen(required=True)),
        ("none", Chosen(described=True)),
        ({"type": "function", "name": "find"}, Chosen(("find",), required=True)),
        ({"type": "function", "function": {"name": "find"}}, Chosen(("find",), required=True)),
        ({"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "find"}]}, Chosen(("find",))),
    ],
)
def test_tool_choice(given: Any, chosen: Chosen) -> None:
    assert read_tool_choice(given, read_tools([NESTED], Limits())) == chosen


@pytest.mark.parametrize(
    "given",
    ["sometimes", 7, {"type": "function"}, {"type": "function", "name": "other"}, {"type": "mcp"}]
    + [{"type": "allowed_tools", "mode": "auto", "tools": listed} for listed in ([], 7, [{}], [{"name": "other"}])],
)
def test_a_choice_that_cannot_be_is_refused(given: Any) -> None:
    with pytest.raises(ApiError) as refused:
        read_tool_choice(given, read_tools([NESTED], Limits()))
    assert (refused.value.param or "").startswith("tool_choice")


@pytest.mark.parametrize(
    "sent", [7, [7], [{"type": "function"}], [{"type": "function", "function": 7}], [{"name": "f"}]]
)
def test_tools_that_are_none_are_refused(sent: Any) -> None:
    with pytest.raises(ApiError) as refused:
        read_tools(sent, Limits())
    assert refused.value.status == 400 and (refused.value.param or "").startswith("tools")


def test_texts_and_parts() -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    assert read_text(parts, ["text"], where="m") == "a\nb" and read_text(None, ["text"], where="m") == ""
    for content in (7, [{"type": "image"}], [{"type": "text"}], ["a"]):
        with pytest.raises(ApiError):
            read_text(content, ["text"], where="m")


def test_a_schema_is_a_tool_whose_arguments_are_the_answer() -> None:
    schema = {"type": "object", "properties": {"days": {"type": "integer"}}, "required": ["days"]}
    (tool,) = written_as_tool(schema, "trip", param="p")
    assert tool.name == "trip" and tool.arguments[0].name == "days"
    for wrong in (
        None,
        {"type": "array"},
        {"type": "object", "properties": {"x": {"type": "never"}}, "required": ["x"]},
    ):
        with pytest.raises(ApiError):
            written_as_tool(wrong, "trip", param="p")


def test_small_things() -> None:
    assert new_id("call") != new_id("call") and read_seed(None) == 0 and read_seed(-1) >= 0
    assert read_references(None) is None and read_references({"references": "none"}) == "none"
    for wrong in (7, {"references": "all"}, {"other": 1}):
        with pytest.raises(ApiError):
            read_references(wrong)
