"""What two schemas allow together, and what excludes a schema; against the library `jsonschema`."""

from itertools import product
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from platypus.catalogue.intersection import NOT_IN, both, excludes, is_same, negations

TEXT = {"type": "string"}
SCHEMAS: list[dict[str, Any]] = [
    {},
    TEXT,
    {"type": "integer", "minimum": 2},
    {"type": ["number", "null"], "exclusiveMaximum": 3, "multipleOf": 0.5},
    {"enum": ["a", 1, True, None]},
    {"const": "ab"},
    {"type": "string", "minLength": 2, "pattern": "a"},
    {"type": "string", "maxLength": 2, "pattern": "b$"},
    {"type": "object", "properties": {"a": TEXT}, "required": ["a"]},
    {"type": "object", "properties": {"a": {"const": "a"}, "b": {}}, "additionalProperties": False},
    {"type": "object", "patternProperties": {"^b": TEXT}, "additionalProperties": False, "minProperties": 1},
    {"type": "array", "items": TEXT, "minItems": 1},
    {"type": "array", "prefixItems": [TEXT, {"const": 1}], "maxItems": 2},
]
VALUES: list[Any] = [
    *("", "a", "ab", "b", "cb", 0, 1, 2, 2.5, 3, True, None, [], ["a"], ["a", 1], ["a", 2], {}),
    *({"a": "a"}, {"a": "x"}, {"a": "a", "b": 1}, {"b": "x"}, {"b": 1}, {"c": 1}),
]


def allows(schema: Any, value: Any) -> bool:
    return bool(Draft202012Validator(schema).is_valid(value))


@pytest.mark.parametrize(("one", "other"), product(SCHEMAS, SCHEMAS), ids=str)
def test_both_is_the_conjunction(one: dict[str, Any], other: dict[str, Any]) -> None:
    joined = both(one, other)
    for value in VALUES:
        assert (joined is not None and allows(joined, value)) == (allows(one, value) and allows(other, value)), value


@pytest.mark.parametrize("schema", SCHEMAS, ids=str)
def test_negations_allow_nothing_of_the_schema(schema: dict[str, Any]) -> None:
    found = list(negations(schema))
    assert bool(found) == bool(schema)
    for negation in found:
        listed = negation.pop(NOT_IN, ())
        for value in VALUES:
            excluded = any(is_same(value, other) for other in listed) or not allows(negation, value)
            assert excluded or not allows(schema, value), (negation, value)


def test_a_whole_number_is_a_number() -> None:
    assert [n["type"] for n in negations({"type": "integer"})] == [["string", "boolean", "array", "object", "null"]]


KIND = {"type": "object", "properties": {"k": {"const": 1}, "a": TEXT}, "required": ["k"]}


@pytest.mark.parametrize(
    ("schema", "other", "expected"),
    [
        (TEXT, {"type": "integer"}, True),
        ({"type": "integer"}, {"type": "number"}, False),
        ({"enum": ["a", 1]}, {"const": True}, True),
        ({"const": "abc"}, {"type": "string", "maxLength": 2}, True),
        (KIND, {**KIND, "properties": {"k": {"const": 2}}}, True),
        (KIND, {"type": "object", "required": ["b"]}, True),  # what is made has declared properties alone
        (KIND, {"type": "object", "required": ["a"]}, False),
        ({**KIND, "required": ["k", "b"]}, {"type": "object", "required": ["b"]}, False),
        ({**KIND, "required": []}, {**KIND, "properties": {"k": {"const": 2}}}, False),
        ({"type": "object"}, {"type": "object", "required": ["b"]}, False),
    ],
)
def test_what_certainly_excludes_another_schema(schema: Any, other: Any, expected: bool) -> None:
    assert excludes(schema, other) is expected
