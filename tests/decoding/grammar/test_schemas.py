"""The exported schema takes a catalogue's plans, in words that servers without llguidance keep."""

import json
import re
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from llguidance import LLMatcher

from platypus.catalogue.reading import catalogue_from_json, read_catalogue
from platypus.catalogue.schema import literal_problem
from platypus.decoding.grammar.schemas import LIMITS, plan_schema, served_schema, whole_pattern
from platypus.generation.catalogues.random_catalogue import random_catalogue
from platypus.generation.plans.sampler import Sampler
from platypus.plan.notation import read_plan
from platypus.plan.plan import Plan
from tests.support.command import CRM, ROOT


def test_the_schema_accepts_every_plan_of_a_catalogue() -> None:
    for seed in range(12):
        rng = Random(seed)
        catalogue = random_catalogue(rng, tools=rng.randint(3, 12))
        validator, sampler = Draft202012Validator(plan_schema(catalogue, max_steps=8)), Sampler(catalogue, 5)
        for _ in range(20):
            plan = sampler.plan(rng, goals=rng.choice((1, 2)))
            assert validator.is_valid(plan.to_json()), (seed, str(plan))
        assert validator.is_valid([])


def test_the_schema_refuses_most_mistakes_and_misses_the_documented_ones() -> None:
    tools = catalogue_from_json(
        [
            {"name": "me", "outputSchema": {"type": "string", "format": "user-id"}},
            {
                "name": "list",
                "inputSchema": {
                    "properties": {"limit": {"type": "integer"}, "of": {"type": "string"}},
                    "required": ["of"],
                },
            },
        ]
    )
    validator = Draft202012Validator(plan_schema(tools, max_steps=2))

    def taken(text: str) -> bool:
        plan = read_plan(text, "calls", None)
        assert isinstance(plan, Plan)
        return validator.is_valid(plan.to_json())

    assert taken('list(limit=3, of="x")') and taken("me()\nlist(of=$0)") and taken("me()\nlist(limit=$0.age, of=$0)")
    for wrong in ("fly()", "list()", 'list(limit="many")', 'list(of="x", by=3)', "me()\nme()\nme()"):
        assert not taken(wrong), wrong
    assert taken("list(limit=3)")  # it knows how many arguments are required, not which


# ---------------------------------------------------------------- words that servers keep


def parts(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The schema and all schemas in it."""
    yield schema
    inner = [*schema.get("anyOf", ()), *schema.get("properties", {}).values()]
    for part in (
        *inner,
        *(schema[key] for key in ("items", "additionalProperties") if isinstance(schema.get(key), dict)),
    ):
        yield from parts(part)


def problem(schema: dict[str, Any]) -> str | None:
    """What a server would refuse, or drop without a word."""
    for part in parts(schema):
        kinds = part.keys() & {"anyOf", "enum", "const", "type"}
        if part and (len(kinds) != 1 or (kinds != {"type"} and len(part) > 1)):
            return f"limits beside another keyword: {part}"
        kind = part.get("type", "")
        known = {"type", *LIMITS.get(kind, ()), "pattern", "items", "properties", "required", "additionalProperties"}
        if kinds == {"type"} and not (isinstance(kind, str) and part.keys() <= known):
            return f"an unknown keyword: {part}"
        if "pattern" in part and (not re.fullmatch(r"\^.*\$", part["pattern"]) or len(part) > 2):
            return f"not a pattern of whole texts, alone: {part}"
        if not set(part.get("required", ())) <= part.get("properties", {}).keys():
            return f"required and not declared: {part}"
    return LLMatcher.validate_grammar(LLMatcher.grammar_from_json_schema(json.dumps(schema))) or None


def test_schemas_of_catalogues_use_words_that_servers_keep() -> None:
    catalogues = [read_catalogue(CRM), read_catalogue(ROOT / "examples" / "worktracker" / "catalogue.json")]
    catalogues += [random_catalogue(Random(seed), tools=8) for seed in range(6)]
    for catalogue in catalogues:
        assert problem(plan_schema(catalogue, max_steps=5)) is None


@pytest.mark.parametrize(
    ("schema", "right", "wrong"),
    [
        ({"type": "string", "format": "part-id", "title": "Part"}, ["P-1", ""], [1]),
        ({"type": "string", "format": "date"}, ["2024-02-29"], ["2023-02-29", "2024-2-9", "x"]),
        ({"type": "string", "format": "ipv4"}, ["1.2.3.4"], ["1.2.3", "1.2.3.400"]),
        ({"type": "string", "format": "email"}, ["a@b.example"], ["a", "a b@c"]),
        ({"type": "string", "pattern": "[A-Z]{2}-[0-9]+"}, ["AB-1", "see AB-1."], ["ab-1"]),
        ({"type": "string", "pattern": "^DON-"}, ["DON-1"], ["x DON-1"]),
        ({"type": "string", "pattern": "^a|b$"}, ["ax", "xb"], ["xa", "bx"]),
        ({"type": "string", "pattern": "^[A-Z]+$", "minLength": 2}, ["AB"], ["ab"]),
        (
            {"type": "array", "items": {"type": "string", "format": "id"}, "uniqueItems": True, "minItems": 1},
            [["a"]],
            [[]],
        ),
        ({"enum": ["low", "high", 3], "type": "string"}, ["low"], [3, "mid"]),
        ({"type": ["integer", "null"], "minimum": 1}, [1, None], [0, "1"]),
        ({"anyOf": [{"maximum": 5}, {"minimum": 10}], "type": "integer"}, [3, 12], [7, 3.5]),
        ({"oneOf": [{"type": "string"}, {"type": "integer"}], "description": "x"}, ["a", 1], [None]),
        ({"properties": {"a": {"type": "string", "format": "b"}}, "required": ["a"]}, [{"a": "x"}], [{}, {"a": 1}]),
        ({"type": "object", "additionalProperties": {"type": "integer", "title": "N"}}, [{"n": 1}], [{"n": "x"}]),
        ({}, [1, "a", {"b": [None]}], []),
    ],
    ids=lambda value: json.dumps(value) if isinstance(value, dict) else "",
)
def test_a_value_is_described_by_few_words(schema: dict[str, Any], right: list[Any], wrong: list[Any]) -> None:
    served = served_schema(schema)
    assert problem(served) is None
    validator = Draft202012Validator(served)
    assert all(validator.is_valid(value) and literal_problem(schema, value) is None for value in right)
    assert not any(validator.is_valid(value) for value in wrong)


@pytest.mark.parametrize(
    "pattern", ["a", "^a", "a$", "^a$", "a|b", "^a|b$", "^(a|b)", "[|]x", r"a\|b", r"a\$", "^$", "a[b$]"]
)
def test_a_pattern_of_whole_texts_matches_where_the_pattern_is_found(pattern: str) -> None:
    whole = whole_pattern(pattern)
    assert whole.startswith("^") and whole.endswith("$")
    for text in ("", "a", "b", "ab", "ba", "xax", "xbx", "|x", "a|b", "a$", "xa$x", "ab"):
        found = re.search(pattern, text) is not None
        assert (re.search(whole, text) is not None) == found == (re.fullmatch(whole[1:-1], text) is not None), text


def test_plans_with_references_in_arrays_are_taken_within_the_limits_of_the_array() -> None:
    tools = catalogue_from_json(
        [
            {"name": "get", "outputSchema": {"type": "string", "format": "part-id"}},
            {
                "name": "put",
                "inputSchema": {
                    "properties": {
                        "parts": {
                            "type": "array",
                            "items": {"type": "string", "format": "part-id"},
                            "minItems": 1,
                            "maxItems": 2,
                            "uniqueItems": True,
                        }
                    }
                },
            },
        ]
    )
    schema = plan_schema(tools, max_steps=3)
    assert problem(schema) is None
    validator = Draft202012Validator(schema)

    def taken(text: str) -> bool:
        plan = read_plan(text, "calls", None)
        assert isinstance(plan, Plan)
        return validator.is_valid(plan.to_json())

    assert taken('get()\nput(parts=[$0, "P-1"])') and taken('put(parts=["P-1"])')
    assert not taken("put(parts=[])") and not taken('put(parts=["a", "b", "c"])') and not taken("put(parts=[1])")
