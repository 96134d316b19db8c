"""A server's schema → the subset: hand-worked cases, and random schemas judged by the library `jsonschema`."""

import json
from random import Random
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from platypus.catalogue.kinds import Note
from platypus.catalogue.reading import tools_from_json
from platypus.catalogue.schema import literal_problem
from platypus.catalogue.tightening import loosened, tightened_inputs
from platypus.decoding.grammar.literals import Literals, Rules
from platypus.errors import CatalogueError
from platypus.plan.plan import Plan, Step
from tests.support.random_catalogues import random_text
from tests.support.random_server_schemas import random_inputs
from tests.support.server_schemas import Judge

TEXT = {"type": "string"}
WHOLE = {"type": "integer"}


def thing(*required: str, **properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, **({"required": [*required]} if required else {})}


def read(schema: Any, **definitions: Any) -> tuple[Any, tuple[Note, ...]]:
    """An optional argument's schema in the subset (None: left out), and the notes."""
    inputs = {"type": "object", "properties": {"x": schema}, "$defs": definitions}
    result = tightened_inputs(inputs, tool="t", where="tool 't'")
    assert result.schema is not None and not result.faults
    return result.schema.get("properties", {}).get("x"), result.notes


EXACT: list[tuple[Any, Any]] = [
    ({"allOf": [{"minimum": 2}, WHOLE, {"maximum": 9, "minimum": 4}]}, {**WHOLE, "minimum": 4, "maximum": 9}),
    ({"allOf": [thing("a", a=TEXT), thing("b", b=WHOLE)]}, thing("a", "b", a=TEXT, b=WHOLE)),
    ({"allOf": [{"type": ["number", "string"]}, {"type": ["integer", "null"]}]}, WHOLE),
    ({"type": "number", "multipleOf": 4, "allOf": [{"multipleOf": 6}]}, {"type": "number", "multipleOf": 12}),
    ({"enum": ["a", "b", 1], "allOf": [{"enum": ["b", 1, True]}]}, {"enum": ["b", 1]}),
    ({"const": "b", "allOf": [{"enum": ["a", "b"]}]}, {"const": "b"}),
    ({"$ref": "#/$defs/a~1b%25", "description": "d"}, {"type": "string", "title": "Odd", "description": "d"}),
    ({"$ref": "#here"}, WHOLE),
    (
        {"minimum": 3, "exclusiveMinimum": True, "maximum": 9, "exclusiveMaximum": False},
        {"exclusiveMinimum": 3, "maximum": 9},
    ),
    (
        {"type": "array", "items": [TEXT, WHOLE]},
        {"type": "array", "prefixItems": [TEXT, WHOLE], "minItems": 2, "maxItems": 2},
    ),
    (
        {"type": "array", "items": [TEXT, TEXT], "additionalItems": False},
        {"type": "array", "items": TEXT, "minItems": 2, "maxItems": 2},
    ),
    (
        {"type": "object", "propertyNames": TEXT, "additionalProperties": WHOLE},
        {"type": "object", "additionalProperties": WHOLE},
    ),
    (
        {"type": "object", "propertyNames": {"enum": ["de", "en"]}, "additionalProperties": TEXT},
        {**thing(de=TEXT, en=TEXT), "additionalProperties": TEXT},
    ),
    (
        {"type": "object", "patternProperties": {"^[a-z]+$": WHOLE}, "additionalProperties": False},
        {"type": "object", "additionalProperties": WHOLE, "propertyNames": {**TEXT, "pattern": "^[a-z]+$"}},
    ),
    ({"type": "object", "required": ["any"]}, {"type": "object", "required": ["any"], "properties": {"any": {}}}),
    ({**thing(a=TEXT, b=TEXT), "minProperties": 1}, {**thing(a=TEXT, b=TEXT), "minProperties": 1}),
    ({**thing("a", a=TEXT, b=TEXT), "minProperties": 1}, thing("a", a=TEXT, b=TEXT)),
    ({**TEXT, "not": {"enum": [""]}}, {**TEXT, "minLength": 1}),
    ({**TEXT, "not": {"type": "string", "maxLength": 2}}, {**TEXT, "minLength": 3}),
    ({**TEXT, "not": {"type": "null"}}, TEXT),
    ({"not": {"enum": ["a", 1]}}, {"type": ["boolean", "array", "object", "null"]}),
    ({"type": "array", "not": {"const": []}}, {"type": "array", "minItems": 1}),
    ({"type": "object", "not": {"enum": [{}]}}, {"type": "object", "minProperties": 1}),
    ({"type": ["string", "null"], "not": {"type": "null"}}, TEXT),
    ({"enum": ["a", "b", None], "not": {"const": "b"}}, {"enum": ["a", None]}),
    (
        {"oneOf": [{"const": "a", "title": "A"}, {"const": "b"}]},
        {"oneOf": [{"const": "a", "title": "A"}, {"const": "b"}]},
    ),
    ({"oneOf": [TEXT, WHOLE]}, {"oneOf": [TEXT, WHOLE]}),
    (
        {"oneOf": [thing("k", k={"const": 1}, a=TEXT), thing("k", k={"const": 2}, a=TEXT)]},
        {"anyOf": [thing("k", k={"const": 1}, a=TEXT), thing("k", k={"const": 2}, a=TEXT)]},
    ),
    ({"oneOf": [thing("a", a=TEXT), thing("b", b=TEXT)]}, {"anyOf": [thing("a", a=TEXT), thing("b", b=TEXT)]}),
    (
        {**thing(a=TEXT, b=TEXT), "anyOf": [{"required": ["a"]}, {"required": ["b"]}]},
        {"anyOf": [{"required": ["a"], **thing(a=TEXT, b=TEXT)}, {"required": ["b"], **thing(a=TEXT, b=TEXT)}]},
    ),
    ({"nullable": True, **TEXT}, {"nullable": True, **TEXT}),
    ({**TEXT, "example": "ab"}, {**TEXT, "examples": ["ab"]}),
    ({**TEXT, "contentMediaType": "text/html"}, {**TEXT, "contentMediaType": "text/html"}),
    (True, {}),
    (False, None),
]


@pytest.mark.parametrize(("schema", "expected"), EXACT, ids=lambda value: json.dumps(value)[:60])
def test_what_a_grammar_can_hold_is_kept_without_a_word(schema: Any, expected: Any) -> None:
    found, notes = read(schema, **{"a/b%": {**TEXT, "title": "Odd"}, "here": {**WHOLE, "$anchor": "here"}})
    assert found == expected
    assert notes == ()


NO_VALUE = "no value is known that"
TIGHTER: list[tuple[Any, Any, str]] = [
    ({**TEXT, "pattern": r"^\p{Lu}$"}, {**TEXT, "pattern": "^[A-Z]$"}, "read as '^[A-Z]$'"),
    ({**TEXT, "pattern": r"^(.)\1$", "examples": ["aa", "ab"]}, {**TEXT, "enum": ["aa"]}, "only the examples given"),
    ({**TEXT, "pattern": r"^(.)\1$"}, None, "cannot be decoded, and no example matches it"),
    ({"type": "array", "contains": {"const": 1}}, {"items": {"const": 1}, "minItems": 1}, "demanded of every element"),
    ({**thing(a=TEXT, b=TEXT), "dependentRequired": {"a": ["b"]}}, thing(b=TEXT), "left out: it needs b"),
    ({**thing("a", a=TEXT, b=TEXT), "dependencies": {"a": ["b"]}}, thing("a", "b", a=TEXT, b=TEXT), ""),
    (
        {**thing(a=TEXT, b=TEXT), "dependentSchemas": {"a": thing("c", c=WHOLE)}},
        thing(b=TEXT),
        f"left out: {NO_VALUE}",
    ),
    (
        {"allOf": [thing(a=TEXT, b=TEXT), {"dependentSchemas": {"a": {"required": ["b"]}}}]},
        thing(b=TEXT),
        f"left out: {NO_VALUE}",
    ),
    (
        {"allOf": [thing("a", a=TEXT, b=TEXT), {"dependencies": {"a": {"required": ["b"]}}}]},
        thing("a", "b", a=TEXT, b=TEXT),
        "always demanded, as with a",
    ),
    (
        {**thing(a={"enum": [1, 2]}, b=TEXT), "if": thing(a={"const": 1}), "then": {"required": ["b"]}},
        thing("b", a={"enum": [1, 2]}, b=TEXT),
        "what either case demands is always demanded",
    ),
    (
        {**thing("a", a={"enum": [1, 2]}), "if": thing(a={"const": 1}), "then": thing(b=TEXT), "else": thing(b=False)},
        thing("a", a={"enum": [1, 2]}),
        "what either case demands",
    ),
    ({**thing(a=TEXT, b=TEXT), "not": {"required": ["b"]}}, thing(a=TEXT), f"left out: {NO_VALUE}"),
    ({**WHOLE, "minimum": 0, "not": {"const": 0}}, {**WHOLE, "minimum": 0, "exclusiveMinimum": 0}, "only above 0"),
    ({"oneOf": [WHOLE, {"type": "number"}, TEXT]}, TEXT, "alternative 0 is left out"),
    ({"anyOf": [TEXT, {"type": "string", "pattern": r"(.)\1"}]}, TEXT, "alternative 1 is left out"),
    ({**thing(a=TEXT), "properteis": {}}, {**thing(a=TEXT), "properteis": {}}, "is no keyword of JSON Schema"),
    (thing("a", a={**WHOLE, "minimum": 5, "maximum": 3}), None, f"left out: {NO_VALUE}"),
    (
        thing(a={"type": ["string", "number"], "minLength": 3, "maxLength": 2}),
        thing(a={"type": "number", "minLength": 3, "maxLength": 2}),
        "never string",
    ),
    ({"type": "array", "minItems": 101}, None, f"left out: {NO_VALUE}"),
    ({"type": ["boolean", "null"], "not": {"const": None}}, {"type": "boolean"}, "never null"),
    ({"enum": []}, {"enum": []}, "lists no value"),
    ({**WHOLE, "enum": ["1", "2"]}, {**WHOLE, "enum": ["1", "2"]}, "lists no value of its type"),
]


@pytest.mark.parametrize(("schema", "expected", "note"), TIGHTER, ids=lambda value: json.dumps(value)[:60])
def test_what_it_cannot_hold_is_tightened_and_noted(schema: Any, expected: Any, note: str) -> None:
    found, notes = read(schema)
    if expected is None:
        assert found is None
    else:
        assert {key: found.get(key) for key in expected} == expected
        assert found.get("properties", {}).keys() == expected.get("properties", {}).keys()
    said = [f"{each.keyword} {each.done}" for each in notes]
    assert any(note in each for each in said) if note else not said
    assert all(each.tool == "t" and each.place.startswith(".x") for each in notes)


def test_of_many_alternatives_of_which_exactly_one_may_hold_all_are_looked_at() -> None:
    found, notes = read({"oneOf": [*({"const": n} for n in range(40)), {**WHOLE, "minimum": 3}]})
    assert [part["const"] for part in found["anyOf"]] == [0, 1, 2]
    assert notes[-1].done.startswith("only the first")


A, B, C = (thing(name, **{name: TEXT}) for name in "abc")
OVERLAPPING = [
    [{**A, "anyOf": [B, C]}, thing("b", a=TEXT, b=TEXT)],
    [{**A, "dependentSchemas": {"a": B}}, thing("b", a=TEXT, b=TEXT)],
    [A, thing("b", b=TEXT), thing(b=WHOLE)],
]


@pytest.mark.parametrize("parts", OVERLAPPING)
def test_exactly_one_holds_where_alternatives_have_choices_of_their_own(parts: list[Any]) -> None:
    found, _ = read({"oneOf": parts})
    judge, rng = Draft202012Validator({"oneOf": parts}), Random(0)
    drawn = [value for value in (drawn_value(found, rng) for _ in range(40)) if value is not ...]
    assert drawn and [value for value in drawn if not judge.is_valid(value)] == []


def test_a_recursive_schema_is_cut() -> None:
    node = thing(
        "name", name=TEXT, parts={"type": "array", "items": {"$ref": "#/$defs/node"}}, next={"$ref": "#/$defs/node"}
    )
    found, notes = read({"$ref": "#/$defs/node"}, node=node)
    assert found["properties"]["next"] == thing("name", name=TEXT, parts={"type": "array", "maxItems": 0})
    assert [note.place for note in notes if note.keyword == "$ref"][:1] == [".x.parts[].parts[]"]


def inputs_of(**schema: Any) -> tuple[Any, list[str]]:
    result = tightened_inputs({"type": "object", **schema}, tool="t", where="tool 't'")
    return result.schema, [f"{note.keyword} {note.done}" for note in result.notes]


def test_alternatives_of_the_arguments_that_list_different_values_are_joined() -> None:
    now, later = thing("when", when={"const": "now"}), thing("when", when={"enum": ["later", "never"]})
    found, notes = inputs_of(properties={"post": TEXT}, required=["post"], oneOf=[now, later])
    assert found["properties"]["when"] == {"enum": ["now", "later", "never"]}
    assert found["required"] == ["when", "post"] and len(notes) == 1


def test_of_other_alternatives_the_richest_is_used() -> None:
    by_id, by_name = thing("id", id=TEXT), thing("name", name=TEXT, city=TEXT)
    found, notes = inputs_of(anyOf=[by_id, by_name])
    assert found["properties"].keys() == {"name", "city"} and found["required"] == ["name"]
    assert notes == ["anyOf one of 2 alternatives is used: that with name"]
    found, _ = inputs_of(properties={"id": TEXT, "name": TEXT}, oneOf=[{"required": ["id"]}, {"required": ["name"]}])
    assert found["properties"].keys() == {"id"} and found["required"] == ["id"]


def test_limits_on_the_number_of_arguments() -> None:
    found, notes = inputs_of(properties={"a": TEXT, "b": TEXT}, minProperties=1)
    assert found["required"] == ["a"] and notes == ["minProperties always with a"]
    found, notes = inputs_of(properties={"a": TEXT, "b": TEXT}, maxProperties=1)
    assert found["properties"] == {"a": TEXT} and notes == ["maxProperties only with a"]


def test_an_output_is_never_refused() -> None:
    output = thing(
        a={"type": "strnig"},
        b={"$ref": "https://example.org/schema"},
        c={**TEXT, "pattern": r"\p{L}"},
        d={"oneOf": [WHOLE, {"type": "number"}]},
        e={"$ref": "#"},
        f={"allOf": [thing(x=TEXT), thing(y=TEXT)]},
        g={**thing(x=TEXT, y=TEXT), "not": {"required": ["x"]}, "minProperties": 1},
    )
    result = loosened(output, tool="t", where="tool 't'")
    assert result.schema is not None and not result.faults
    found = result.schema["properties"]
    assert found["a"] == found["b"] == {} and found["c"] == TEXT
    assert found["d"] == {"oneOf": [WHOLE, {"type": "number"}]}
    assert found["e"]["properties"]["e"] == {} or found["e"]["properties"]["e"]["properties"]["e"] == {}
    assert found["f"] == thing(x=TEXT, y=TEXT) and found["g"]["properties"].keys() == {"x", "y"}
    said = {note.place: note.done for note in result.notes}
    assert "unknown type 'strnig'" in said[" output.a"] and "not defined here" in said[" output.b"]


@pytest.mark.parametrize("seed", range(60))
def test_random_schemas_give_only_what_their_server_takes(seed: int) -> None:
    """And what was read is read again as it is."""
    rng = Random(seed)
    schema = random_inputs(rng)
    try:
        reading = tools_from_json([{"name": "t", "inputSchema": schema}])
    except CatalogueError:
        return
    (tool,) = reading.catalogue.tools
    again = tools_from_json(reading.catalogue.to_json())
    assert again.catalogue.fingerprint == reading.catalogue.fingerprint
    assert all(note.done.startswith("lists no value") for note in again.notes)
    judge = Judge({"t": schema})
    for _ in range(4):
        drawn = {argument.name: drawn_value(argument.schema, rng) for argument in tool.arguments}
        given = {
            a.name: drawn[a.name]
            for a in tool.arguments
            if drawn[a.name] is not ... and (a.required or rng.random() < 0.6)
        }
        if all(argument.name in given for argument in tool.arguments if argument.required):
            assert judge.problems(Plan((Step("t", given),))) == []


def drawn_value(schema: Any, rng: Random) -> Any:
    """A random value that the grammar of the schema derives; … if there is none, or if it would be too long."""
    rules = Rules()
    name = Literals(rules).rule(schema, "test")
    text = name and random_text(f"start : {name}\n{rules.lark()}", rng, limit=400)
    value = json.loads(text) if text else ...
    return ... if text and literal_problem(schema, value) else value  # equal elements are forbidden elsewhere
