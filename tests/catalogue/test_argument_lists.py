"""The original task's argument lists become JSON Schema. Hand-worked cases."""

from typing import Any

import pytest

from platypus.catalogue.argument_lists import from_argument_list
from platypus.errors import CatalogueError
from tests.catalogue.test_reading import one


def test_the_original_argument_list() -> None:
    tool = one(
        {
            "tool_name": "works_list",
            "arguments": [
                {"argument_name": "owned_by", "argument_type": "array of strings", "description": "Filters by owner"},
                {"name": "type", "type": "array of strings", "allowed_values": ["issue", "task"]},
                {"name": "limit", "type": "integer (int32)", "default": 50},
                {"name": "objects", "type": "array of objects"},
            ],
            "returns": None,
        }
    )
    schemas = {argument.name: dict(argument.schema) for argument in tool.arguments}
    assert schemas["owned_by"] == {
        "type": "array",
        "items": {"type": "string"},
        "uniqueItems": True,
        "description": "Filters by owner",
    }
    assert schemas["type"]["items"] == {"type": "string", "enum": ["issue", "task"]}
    assert schemas["limit"] == {"type": "integer", "default": 50}
    assert schemas["objects"] == {"type": "array", "items": {"type": "object"}, "uniqueItems": False}
    assert [argument.name for argument in tool.arguments if argument.required] == ["type", "objects"]
    assert tool.output == {"type": "null"}


def schema_of(**argument: Any) -> dict[str, Any]:
    return dict(from_argument_list([{"name": "x", **argument}], "tool 't'")["properties"]["x"])


@pytest.mark.parametrize(
    ("words", "schema"),
    [
        ("str", {"type": "string"}),
        ("Float", {"type": "number"}),
        ("integer (int32)", {"type": "integer"}),
        ("any", {}),
        ("dict", {"type": "object"}),
        ("array", {"type": "array", "items": {}, "uniqueItems": True}),
        ("list of ints", {"type": "array", "items": {"type": "integer"}, "uniqueItems": True}),
        ("array of dicts", {"type": "array", "items": {"type": "object"}, "uniqueItems": False}),
    ],
)
def test_a_type_in_words_is_a_schema(words: str, schema: dict[str, Any]) -> None:
    assert schema_of(type=words) == schema


def test_values_and_examples_of_an_array_are_those_of_its_elements() -> None:
    assert schema_of(type="string", allowed_values=["a"], examples=["a"], default="a") == {
        "type": "string",
        "enum": ["a"],
        "examples": ["a"],
        "default": "a",
    }
    assert schema_of(type="list of strings", examples=["U-1"])["items"] == {"type": "string", "examples": ["U-1"]}
    assert schema_of(type="list of strings", enum=["a"])["items"] == {"type": "string", "enum": ["a"]}


@pytest.mark.parametrize(
    ("argument", "schema"),
    [
        ({"type": "str", "pattern": "^a", "minLength": 2}, {"type": "string", "pattern": "^a", "minLength": 2}),
        ({"type": "int", "minimum": 1, "maximum": None}, {"type": "integer", "minimum": 1}),
        ({"enum": [1, 2], "required": True}, {"enum": [1, 2]}),
        ({"anyOf": [{"type": "null"}]}, {"anyOf": [{"type": "null"}]}),
        (
            {"type": "array", "items": {"type": "integer"}, "minItems": 1},
            {"type": "array", "items": {"type": "integer"}, "uniqueItems": False, "minItems": 1},
        ),
        (
            {"type": "object", "properties": {"a": {"type": "str"}}, "required": ["a"]},
            {"type": "object", "properties": {"a": {"type": "str"}}, "required": ["a"]},
        ),
    ],
)
def test_limits_in_the_words_of_json_schema_are_kept(argument: dict[str, Any], schema: dict[str, Any]) -> None:
    assert schema_of(**argument) == schema


@pytest.mark.parametrize(
    ("argument", "required"),
    [
        ({}, True),
        ({"description": "The user. Filters nothing"}, True),
        ({"description": " filters by owner"}, False),
        ({"argument_description": "Optional note"}, False),
        ({"default": None}, False),
        ({"default": 5, "required": True}, True),
        ({"required": False}, False),
        ({"type": "object", "required": ["a"]}, True),
    ],
)
def test_an_argument_is_required_unless_it_says_or_shows_otherwise(argument: dict[str, Any], required: bool) -> None:
    schema = from_argument_list([{"name": "x", **argument}], "tool 't'")
    assert schema["required"] == (["x"] if required else [])


def test_an_unknown_type_is_refused_with_the_known_ones() -> None:
    with pytest.raises(
        CatalogueError, match="tool 't', argument 'x': unknown argument type 'map of strings'"
    ) as caught:
        schema_of(type="map of strings")
    assert "string, integer, number, boolean, object, any" in caught.value.remedy
