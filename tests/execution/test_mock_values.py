"""Made-up values: always of the schema, and the same each time."""

from typing import Any

import pytest
from jsonschema import Draft202012Validator

from platypus.catalogue.reading import read_catalogue
from platypus.execution.mock_values import mock_value
from tests.support.command import CRM, ROOT


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({}, "made up"),
        ({"type": "integer", "minimum": 5}, 5),
        ({"type": "integer", "exclusiveMaximum": 0}, -1),
        ({"type": "number", "multipleOf": 3, "minimum": 1}, 3),
        ({"type": "string", "format": "date"}, "2026-01-31"),
        ({"type": "string", "minLength": 10, "maxLength": 10}, "made up..."),
        ({"type": "string", "examples": ["ISS-1"]}, "ISS-1"),
        ({"enum": ["a", "b"]}, "a"),
        ({"const": None}, None),
        ({"type": ["null", "boolean"]}, True),
        ({"type": "null"}, None),
        ({"type": "array", "items": {"type": "integer"}, "minItems": 2}, [1, 1]),
        ({"type": "array", "uniqueItems": True, "minItems": 2, "items": {"enum": ["a", "b", "c"]}}, ["a", "b"]),
        (
            {"type": "array", "uniqueItems": True, "minItems": 2, "items": {"examples": ["a"], "enum": ["a", "b"]}},
            ["a", "b"],
        ),
        ({"type": "array", "prefixItems": [{"type": "integer"}, {"type": "string"}]}, [1, "made up"]),
        ({"type": "object", "properties": {"a": {"type": "object", "properties": {"b": {}}}}}, {"a": {"b": "made up"}}),
    ],
)
def test_values_by_hand(schema: dict[str, Any], expected: Any) -> None:
    assert mock_value(schema) == expected
    Draft202012Validator(schema).validate(expected)


@pytest.mark.parametrize("path", [CRM, ROOT / "examples" / "worktracker" / "catalogue.json"])
def test_all_schemas_of_the_examples(path: Any) -> None:
    for tool in read_catalogue(path):
        for schema in (tool.output, *(argument.schema for argument in tool.arguments)):
            Draft202012Validator(schema).validate(mock_value(schema))
