"""The grammar of a schema allows the literals that the schema allows, in canonical JSON."""

import json
from random import Random
from typing import Any

import pytest

from platypus.catalogue.schema import literal_problem
from platypus.decoding.grammar.literals import MAX_LISTED, Literals, Rules
from platypus.errors import CatalogueError
from tests.support.random_catalogues import LEAVES, accepts, random_schema, random_text


def grammar(schema: dict[str, Any]) -> str | None:
    rules = Rules()
    name = Literals(rules).rule(schema, "test")
    return name and f"start : {name}\n{rules.lark()}"


@pytest.mark.parametrize("schema", LEAVES, ids=json.dumps)
def test_every_literal_is_allowed_and_canonical(schema: dict[str, Any]) -> None:
    lark, rng = grammar(schema), Random(0)
    assert lark is not None
    texts = [text for text in (random_text(lark, rng) for _ in range(25)) if text is not None]
    assert len(texts) > 10
    for text in texts:
        value = json.loads(text)
        assert literal_problem(schema, value) is None, text
        assert "$$PREV[" not in text
        if not isinstance(value, float | int):  # a number may be written with more places than it needs
            assert json.dumps(value, ensure_ascii=False) == text or "multipleOf" in schema or not schema


def test_thousands_of_listed_values_are_one_terminal() -> None:
    values = [*map(str, range(3 * MAX_LISTED)), *range(2 * MAX_LISTED), 1.5, True, None]
    lark = grammar({"enum": values})
    assert lark is not None and len(lark.splitlines()) == 3
    for text in ('"0"', '"1499"', "7", "999", "1.5", "true", "null"):
        assert accepts(lark, text)
    for text in ('"1500"', "1000", "01", '"true"', "false", '"$$PREV[0]"'):
        assert not accepts(lark, text)


def test_nested_literals_are_allowed_by_the_schema_except_for_equal_elements() -> None:
    rng = Random(1)
    for _ in range(60):
        schema = random_schema(rng, 3)
        lark = grammar(schema)
        text = random_text(lark, rng) if lark else None
        if text is not None and '"uniqueItems": true' not in json.dumps(schema):
            assert literal_problem(schema, json.loads(text)) is None, (schema, text)


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        ({"type": "string"}, '"a \\"quoted\\" \\\\ \\n\\u001f é 😀 $$ $PREV"'),
        ({"type": "number"}, "-0.05"),
        ({"type": "number"}, "0.00012345678901234567"),
        ({"type": "number"}, "1e-05"),
        ({"type": "number"}, "1.5e+16"),
        ({"type": "string", "format": "date"}, '"2024-02-29"'),
        ({"type": "string", "format": "date-time"}, '"2024-02-29T10:00:00Z"'),
        ({"type": "string", "pattern": r"^[A-Z]+-\d+$"}, '"DON-12"'),
        ({"type": "string", "pattern": "b|^a$"}, '"xby"'),
        ({"type": "object", "properties": {"a": {}, "b": {}}}, '{"b": [1, {"c": null}], "a": "x"}'),
        ({"type": "array", "items": {"type": "integer"}}, "[1, 2, 30]"),
        ({"anyOf": [{"type": "integer"}, {"type": "boolean"}]}, "true"),
        ({}, '{"a": {"b": [[], {}, -1.5, "x"]}}'),
        ({"type": "number", "exclusiveMinimum": 0}, "0.00001"),
        ({"type": "number", "exclusiveMinimum": 0}, "1e-05"),
        ({"type": "number", "minimum": 0, "maximum": 1}, "0.12345678901"),
        ({"type": "array", "prefixItems": [{"type": "integer"}, {"type": "boolean"}]}, "[3, true]"),
        ({"type": "object", "propertyNames": {"pattern": "^[a-z]+$"}}, '{"ab": 1}'),
        ({"type": "object", "minProperties": 1, "maxProperties": 2}, '{"a": 1, "b": 2}'),
        ({"type": "object", "properties": {"a": {}, "b": {}}, "minProperties": 1}, '{"b": 1}'),
        ({"type": "string", "pattern": r"^(?=.*\d).{2,}$"}, '"a1"'),
    ],
)
def test_usual_literals_are_allowed(schema: dict[str, Any], text: str) -> None:
    lark = grammar(schema)
    assert lark is not None and accepts(lark, text)


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        ({"type": "string"}, '"$$PREV[0]"'),
        ({"type": "string"}, '"see $$PREV[0]"'),
        ({"type": "string"}, '"\\u0041"'),
        ({"type": "string", "format": "date"}, '"2023-02-29"'),
        ({"type": "integer"}, "1.0"),
        ({"type": "integer"}, "-0"),
        ({"type": "integer"}, "01"),
        ({"type": "number", "exclusiveMaximum": 1}, "0.99999999999999999999"),
        ({"type": "string", "pattern": "b|^a$"}, '"xa"'),
        ({"oneOf": [{"type": "integer"}, {"type": "number"}]}, "5"),
        ({"type": "object", "properties": {"a": {}}, "required": ["a"]}, "{}"),
        ({"type": "object", "properties": {"a": {}}}, '{"a": 1, "a": 2}'),
        ({"type": "array", "maxItems": 1}, "[1, 2]"),
        ({"enum": ["p0"]}, '"p"'),
        ({"type": "array", "prefixItems": [{"type": "integer"}, {"type": "boolean"}]}, "[true, 3]"),
        ({"type": "array", "prefixItems": [{"type": "integer"}, {"type": "boolean"}]}, "[3]"),
        ({"type": "object", "propertyNames": {"pattern": "^[a-z]+$"}}, '{"A": 1}'),
        ({"type": "object", "minProperties": 1}, "{}"),
        ({"type": "object", "maxProperties": 1}, '{"a": 1, "b": 2}'),
        ({"type": "object", "properties": {"a": {}, "b": {}}, "minProperties": 2}, '{"b": 1}'),
        ({"type": "object", "properties": {"a": {}, "b": {}}, "maxProperties": 1}, '{"a": 1, "b": 1}'),
        ({"type": "string", "pattern": r"^(?=.*\d).{2,}$"}, '"ab"'),
    ],
)
def test_literals_that_the_schema_forbids_are_not_allowed(schema: dict[str, Any], text: str) -> None:
    lark = grammar(schema)
    assert lark is None or not accepts(lark, text)


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string", "pattern": "^a$", "maxLength": 0},
        {"type": "integer", "minimum": 5, "maximum": 4},
        {"type": "array", "items": {"enum": []}, "minItems": 1},
        {"type": "string", "enum": [1]},
        {"type": "object", "properties": {"a": {"enum": []}}, "required": ["a"]},
        {"type": "object", "properties": {"a": {"enum": []}}, "minProperties": 1},
        {"type": "object", "additionalProperties": False, "minProperties": 1},
        {"type": "object", "propertyNames": {"pattern": "^[ab]$"}, "minProperties": 3},
        {"type": "array", "prefixItems": [{"enum": []}]},
        {"type": "number", "exclusiveMinimum": 1, "exclusiveMaximum": 1.0000000000000002},
    ],
)
def test_a_schema_without_literals_has_no_rule(schema: dict[str, Any]) -> None:
    assert Literals(Rules()).rule(schema, "test") is None


BOOLEAN = {"type": "boolean"}


@pytest.mark.parametrize(
    ("items", "count"),
    [
        (BOOLEAN, 2),
        ({"type": ["boolean", "null"]}, 3),
        ({"enum": ["a", "b", 1, 1.0, "$$PREV[0]"]}, 3),
        ({"type": "integer", "minimum": 1, "exclusiveMaximum": 20, "multipleOf": 2.5}, 3),
        ({"type": "number", "exclusiveMinimum": 0, "maximum": 1, "multipleOf": 0.25}, 4),
        ({"type": "string", "pattern": "^[a-z]$"}, 26),
        ({"type": "object", "properties": {"a": BOOLEAN, "b": BOOLEAN}, "required": ["a"]}, 6),
        ({"type": "object", "additionalProperties": {"enum": []}}, 1),
        ({"type": "number", "exclusiveMinimum": 10**15 - 1, "multipleOf": 0.5}, 2),
        ({"type": "array", "items": BOOLEAN, "maxItems": 2}, 7),
        ({"type": "array", "items": BOOLEAN, "uniqueItems": True}, 5),
        ({"anyOf": [{"type": "string", "maxLength": 0}, {"enum": [1, 2]}]}, 3),
    ],
    ids=str,
)
def test_a_set_may_require_as_many_elements_as_there_are_values_but_not_more(items: dict[str, Any], count: int) -> None:
    least = {"type": "array", "items": items, "uniqueItems": True}
    assert Literals(Rules()).rule({**least, "minItems": count}, "test") is not None
    assert Literals(Rules()).rule({**least, "minItems": count + 1}, "test") is None


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ({"type": "string", "pattern": "a(?=b)"}, "cannot be decoded by"),
        ({"minLength": 3, "anyOf": [{"type": "string", "minLength": 1}]}, "'minLength' differs between anyOf"),
        ({"type": "string", "anyOf": [{"type": "integer"}]}, "'type' differs between anyOf"),
    ],
)
def test_schemas_that_a_grammar_cannot_express_are_refused(schema: dict[str, Any], message: str) -> None:
    with pytest.raises(CatalogueError, match=message):
        Literals(Rules()).rule(schema, "test")
