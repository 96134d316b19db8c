"""The subset of JSON Schema: fit, parts, literals, references. Hand-worked cases."""

from typing import Any

import pytest

from platypus.catalogue.schema import (
    allowed_literals,
    allowed_values,
    array_items,
    fits,
    is_nothing,
    is_set,
    literal_problem,
    part,
    takes_any_text,
    variants,
)
from tests.catalogue.test_reading import one

TEXT = {"type": "string"}
SPRINT = {"type": "string", "format": "sprint-id"}
USER = {"type": "string", "format": "user-id"}


def array(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


def thing(required: list[str] | None = None, **properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": required or []}


@pytest.mark.parametrize(
    ("output", "argument"),
    [
        (SPRINT, SPRINT),
        (TEXT, SPRINT),  # one of the formats is silent
        (SPRINT, TEXT),
        ({}, SPRINT),  # anything
        (SPRINT, {}),
        ({"type": "integer"}, {"type": "number"}),
        (array(SPRINT), array(TEXT)),
        ({"type": "array"}, array(SPRINT)),
        ({"type": ["string", "null"]}, TEXT),
        ({"anyOf": [{"type": "integer"}, TEXT]}, SPRINT),
        ({"type": "string", "enum": ["a"]}, {"type": "string", "enum": ["a", "b"]}),
        (thing(name=TEXT, age={"type": "integer"}), thing(["name"], name=TEXT)),
    ],
)
def test_outputs_that_fit(output: dict[str, Any], argument: dict[str, Any]) -> None:
    assert fits(output, argument)


@pytest.mark.parametrize(
    ("output", "argument"),
    [
        (SPRINT, USER),
        (TEXT, array(TEXT)),
        (array(TEXT), TEXT),
        (array(SPRINT), array(USER)),
        ({"type": "number"}, {"type": "integer"}),
        ({"type": "null"}, TEXT),
        ({"type": "null"}, {}),
        (TEXT, {"type": "string", "enum": ["a", "b"]}),
        ({"type": "string", "enum": ["c"]}, {"type": "string", "enum": ["a", "b"]}),
        (thing(name=TEXT), thing(["age"], age={"type": "integer"})),
    ],
)
def test_outputs_that_do_not_fit(output: dict[str, Any], argument: dict[str, Any]) -> None:
    assert not fits(output, argument)


def test_parts_of_an_output() -> None:
    output = thing(owner=thing(id=USER), tags=array(TEXT))
    assert part(output, []) == output
    assert part(output, ["owner", "id"]) == USER
    assert part(output, ["tags", "0"]) == TEXT
    assert part(output, ["missing"]) is None
    assert part(output, ["owner", "id", "deeper"]) is None
    assert part({"type": "array", "prefixItems": [TEXT, USER]}, ["1"]) == USER
    assert part({}, ["whatever"]) == {}
    assert part({"type": "object"}, ["whatever"]) == {}
    assert part({**output, "additionalProperties": True}, ["missing"]) == {}


def test_nothing() -> None:
    assert is_nothing({"type": "null"})
    assert not is_nothing({})
    assert not is_nothing({"type": ["string", "null"]})


def test_array_items() -> None:
    assert array_items(array(TEXT)) == TEXT
    assert array_items({"type": "array"}) == {}
    assert array_items({}) == {}
    assert array_items(TEXT) is None
    assert array_items({"type": "array", "prefixItems": [TEXT, USER]}) is None
    assert array_items({"anyOf": [TEXT, array(USER)]}) == USER


@pytest.mark.parametrize(
    ("schema", "good", "bad"),
    [
        ({"type": "integer"}, 3, True),
        ({"type": "integer"}, 3.0, 3.5),
        ({"type": "string", "format": "date"}, "2026-02-28", "2026-02-30"),
        ({"type": "string", "format": "date-time"}, "2026-02-28T10:00:00Z", "yesterday"),
        (SPRINT, "anything", 5),
        ({"type": "string", "pattern": "^A-\\d+$"}, "A-12", "B-12"),
        ({"type": "array", "uniqueItems": True}, ["a", "b"], ["a", "a"]),
        ({"type": "number", "exclusiveMaximum": 1}, 0.9, 1),
        ({"enum": ["a", None]}, None, "b"),
    ],
)
def test_literals(schema: dict[str, Any], good: Any, bad: Any) -> None:
    assert literal_problem(schema, good) is None
    assert literal_problem(schema, bad)


ARRAY = {"type": "array", "items": {"type": "string"}}
SET = {**ARRAY, "uniqueItems": True}


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        (SET, True),
        ({**SET, "type": ["array", "null"]}, True),
        ({"anyOf": [SET, {"type": "null"}]}, True),
        ({"anyOf": [ARRAY, {"type": "string"}]}, False),
        (ARRAY, False),
        ({}, False),
    ],
)
def test_sets_are_arrays_with_unique_elements_also_among_alternatives(schema: dict[str, Any], expected: bool) -> None:
    assert is_set(schema) == expected


def test_allowed_values() -> None:
    assert allowed_values({"type": "string", "enum": ["b", "a"]}) == ("b", "a")
    assert allowed_values({"const": 1}) == (1,)
    assert allowed_values(TEXT) == ()


def test_local_references_are_written_out() -> None:
    tool = one(
        {
            "name": "a",
            "inputSchema": {
                "type": "object",
                "properties": {"who": {"$ref": "#/$defs/User", "description": "the user"}},
                "$defs": {"User": {"type": "object", "properties": {"id": {"type": "string"}}}},
            },
        }
    )
    assert tool.arguments[0].schema == {
        "type": "object",
        "properties": {"id": {"type": "string"}},
        "description": "the user",
    }


def test_variants_have_one_type_each_and_keep_the_outer_keys() -> None:
    assert list(variants({"type": ["string", "null"]})) == [TEXT, {"type": "null"}]
    assert list(variants({"title": "t", "anyOf": [TEXT, {"enum": [1]}]})) == [
        {"title": "t", **TEXT},
        {"title": "t", "enum": [1]},
    ]
    assert list(variants({"items": TEXT})) == [array(TEXT)]
    assert list(variants({"properties": {}})) == [{"type": "object", "properties": {}}]
    assert list(variants({})) == [{}]


@pytest.mark.parametrize(
    ("schema", "free"),
    [
        (TEXT, True),
        (SPRINT, True),
        ({"type": ["integer", "string"]}, True),
        ({"type": "string", "format": "date"}, False),
        ({"type": "string", "maxLength": 5}, False),
        ({"type": "string", "enum": ["a"]}, False),
        ({"type": "integer"}, False),
    ],
)
def test_any_text_is_taken_only_without_limits_and_known_formats(schema: dict[str, Any], free: bool) -> None:
    assert takes_any_text(schema) == free


def test_listed_values_are_equal_as_in_json_schema() -> None:
    values = ["1", 1, 1.0, True, False, 0, None, [1], [True], {"a": 1}, "2"]
    assert allowed_literals({"enum": [1, "1", [True]]}, values) == ["1", 1, 1.0, [True]]
    assert allowed_literals({"enum": [True, {"a": 1.0}]}, values) == [True, {"a": 1}]
    assert allowed_literals({"type": "string", "enum": [1, "1"]}, values) == ["1"]
