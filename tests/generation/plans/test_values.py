"""Made-up values are allowed by their schema and look like its examples."""

import re
from random import Random
from typing import Any

import pytest

from platypus.catalogue.schema import literal_problem
from platypus.generation.plans.values import examples_in, made_up_value


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string"},
        {"type": "string", "format": "date"},
        {"type": "string", "format": "date-time"},
        {"type": "string", "format": "email"},
        {"type": "string", "maxLength": 4},
        {"type": "string", "enum": ["a", "b"]},
        {"type": "integer", "minimum": 3, "maximum": 5},
        {"type": "integer", "exclusiveMinimum": 3, "multipleOf": 4},
        {"type": "number", "minimum": 0, "maximum": 1},
        {"type": "boolean"},
        {"type": ["null", "integer"]},
        {"type": "array", "items": {"type": "string", "enum": ["a", "b"]}, "uniqueItems": True, "minItems": 2},
        {"type": "array", "items": {"type": "integer"}, "maxItems": 1},
        {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
        {"type": "array", "prefixItems": [{"type": "number"}, {"type": "boolean"}], "minItems": 2, "maxItems": 2},
        {"anyOf": [{"type": "boolean"}, {"type": "integer"}]},
    ],
)
def test_values_are_allowed(schema: dict[str, Any]) -> None:
    for seed in range(40):
        value = made_up_value(Random(seed), "thing", schema)
        assert literal_problem(schema, value) is None, value


def test_examples_are_varied() -> None:
    schema = {"type": "string", "examples": ["DEVU-123"]}
    made = {made_up_value(Random(seed), "owner", schema) for seed in range(30)}
    assert len(made) > 10
    assert all(re.fullmatch(r"DEVU-\d{1,4}", value) for value in made)


def test_examples_in_prose_are_found_without_kinds_of_things() -> None:
    assert examples_in("The species (e.g., oak, maple)") == ("oak", "maple")
    assert examples_in("What to look for, such as The Hobbit, a customer or the title of a book") == ("The Hobbit",)


@pytest.mark.parametrize("schema", [{}, {"type": "object"}, {"type": "array", "items": {"type": "object"}}])
def test_no_value_for_schemas_without_a_usable_type(schema: dict[str, Any]) -> None:
    assert made_up_value(Random(0), "thing", schema) is None
