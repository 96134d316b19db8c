"""Schemas of one kind: what of them is not seen in `test_tightening`, the limits above all."""

from typing import Any

import pytest

from platypus.catalogue.tightening import tightened_inputs

TEXT = {"type": "string"}


def read(schema: Any) -> tuple[Any, list[str]]:
    result = tightened_inputs({"type": "object", "properties": {"x": schema}}, tool="t", where="t")
    assert result.schema is not None
    return result.schema.get("properties", {}).get("x"), [f"{note.place} {note.done}" for note in result.notes]


def test_a_grammar_counts_64_properties() -> None:
    found, notes = read({"type": "object", "properties": {f"p{n}": TEXT for n in range(80)}, "required": ["p79"]})
    assert list(found["properties"]) == [*(f"p{n}" for n in range(63)), "p79"]
    assert notes == [".x only 64 of 80 are used"]


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"minProperties": 3}, None),  # two are declared
        ({"minProperties": 2}, {"minProperties": 2}),
        ({"minProperties": 1, "required": ["a"]}, {"minProperties": None, "required": ["a"]}),
        ({"maxProperties": 1}, {"maxProperties": 1}),
        ({"maxProperties": 1, "required": ["a", "b"]}, None),
        ({"maxProperties": 5}, {"maxProperties": None}),
        ({"propertyNames": {"maxLength": 1}}, {"properties": {"a": TEXT, "b": TEXT}, "propertyNames": None}),
        ({"propertyNames": {"const": "a"}}, {"properties": {"a": TEXT}}),
        ({"patternProperties": {"b": {"maxLength": 2}}}, {"properties": {"a": TEXT, "b": {**TEXT, "maxLength": 2}}}),
        ({"required": ["c"]}, {"properties": {"a": TEXT, "b": TEXT, "c": {}}}),
        ({"required": ["c"], "additionalProperties": False}, None),
    ],
)
def test_an_object_with_properties(schema: Any, expected: Any) -> None:
    found, _ = read({"type": "object", "properties": {"a": TEXT, "b": TEXT}, **schema})
    assert found is expected is None or {key: found.get(key) for key in expected} == expected


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"additionalProperties": False, "minProperties": 1}, None),
        ({"additionalProperties": {"not": {}}}, {"additionalProperties": False}),
        (
            {"patternProperties": {"^x": TEXT, "y": {"maxLength": 2}}},
            {"additionalProperties": {**TEXT, "maxLength": 2}},
        ),
        ({"propertyNames": {"format": "uuid"}}, {"propertyNames": {**TEXT, "format": "uuid"}}),
        ({"minProperties": 200}, None),
        ({"maxProperties": 0}, {"additionalProperties": False}),
        ({"unevaluatedProperties": TEXT}, {"additionalProperties": TEXT}),
    ],
)
def test_an_object_with_any_keys(schema: Any, expected: Any) -> None:
    found, _ = read({"type": "object", **schema})
    assert found is expected is None or {key: found.get(key) for key in expected} == expected


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"prefixItems": [TEXT, {"type": "null"}]}, {"minItems": 2, "maxItems": 2, "items": None}),
        ({"prefixItems": [TEXT, TEXT], "minItems": 1}, {"minItems": 1, "maxItems": 2, "items": TEXT}),
        ({"prefixItems": [TEXT, False]}, {"minItems": 1, "maxItems": 1, "items": TEXT}),
        ({"prefixItems": [TEXT, {"const": 1}], "minItems": 3}, None),
        ({"prefixItems": [TEXT, {"const": 1}], "uniqueItems": True}, None),
        ({"items": False}, {"maxItems": 0, "items": None}),
        ({"items": False, "minItems": 1}, None),
        ({"items": True}, {"items": {}}),
        ({"contains": TEXT, "minContains": 0}, {"items": None, "contains": None}),
        ({"contains": TEXT, "minContains": 2, "maxContains": 3}, {"items": TEXT, "minItems": 2, "maxItems": 3}),
        ({"prefixItems": [{"const": "a"}, {}], "contains": TEXT}, {"prefixItems": [{"const": "a", **TEXT}, TEXT]}),
    ],
)
def test_arrays(schema: Any, expected: Any) -> None:
    found, _ = read({"type": "array", **schema})
    assert found is expected is None or {key: found.get(key) for key in expected} == expected
