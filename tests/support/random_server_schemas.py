"""Random schemas as servers write them: every keyword, in combinations that may contradict one another."""

from random import Random
from typing import Any

NAMES = ("id", "kind", "due", "size")
PATTERNS = (
    *(
        "^[a-c]+$",
        "b",
        r"^\p{L}+$",
        r"^(?=.*\d)[a-z\d]{2,6}$",
        "^(?!x)",
        r"^\S+@\S+$",
        r"^(a)\1$",
        "^$|^ab",
        r"[^\p{L}]",
    ),
)
SCALARS: tuple[dict[str, Any], ...] = (
    {"type": "string"},
    {"type": "string", "minLength": 1, "maxLength": 5},
    *({"type": "string", "pattern": pattern} for pattern in PATTERNS),
    {"type": "string", "format": "date", "pattern": r"^\d{4}-0"},
    {"type": "string", "format": "starts_with", "pattern": "^ab.*"},
    {"enum": ["a", "b", "", None, 1]},
    {"const": "a"},
    {"const": "b", "type": "string"},
    {"type": "integer"},
    {"type": "integer", "minimum": -9007199254740991, "maximum": 9007199254740991},
    {"type": "number", "exclusiveMinimum": 0, "maximum": 3},
    {"type": "number", "multipleOf": 0.5, "minimum": 1},
    {"type": "boolean"},
    {"type": ["string", "null"]},
    {"type": ["integer", "string", "array"], "minimum": 3, "minLength": 2, "minItems": 1},
    {"minLength": 2},
    {},
)


def random_schema(rng: Random, depth: int = 3) -> Any:
    """A schema, or true or false."""
    if rng.random() < 0.03:
        return rng.random() < 0.6
    if depth == 0 or rng.random() < 0.3:
        return dict(rng.choice(SCALARS))
    kinds = (_object, _object, _array, _alternatives, _all_of, _not, _reference, _free)
    return rng.choice(kinds)(rng, depth - 1)


def random_inputs(rng: Random) -> dict[str, Any]:
    """The schema of a tool's arguments."""
    schema = _object(rng, 3)
    if rng.random() < 0.3:
        schema |= {rng.choice(("oneOf", "anyOf")): [_object(rng, 2) for _ in range(rng.randint(1, 3))]}
    return schema | {"$defs": {"Tree": _object(rng, 2), "a/b%c": random_schema(rng, 1)}}


def _object(rng: Random, depth: int) -> dict[str, Any]:
    names = rng.sample(NAMES, rng.randint(1, 4))
    schema: dict[str, Any] = {"type": "object", "properties": {name: random_schema(rng, depth) for name in names}}
    schema["required"] = rng.sample(names, rng.randint(0, min(2, len(names))))
    if rng.random() < 0.35:
        one, other = rng.choice(names), rng.choice(names)
        schema |= rng.choice(
            (
                {"minProperties": rng.randint(1, 3)},
                {"maxProperties": rng.randint(1, 3)},
                {"additionalProperties": rng.choice((False, {"type": "string"}))},
                {"dependentRequired": {one: [other]}},
                {"dependencies": {one: [other], other: {"properties": {one: random_schema(rng, 0)}}}},
                {"dependentSchemas": {one: {"required": [other]}}},
                {"if": {"properties": {one: random_schema(rng, 0)}}, "then": {"required": [other]}},
                {
                    "if": {"required": [one]},
                    "then": {"properties": {other: random_schema(rng, 0)}},
                    "else": {"properties": {other: random_schema(rng, 0)}},
                },
                {"propertyNames": {"pattern": "^[^s]"}},
                {"patternProperties": {"^[ik]": random_schema(rng, 0)}, "additionalProperties": rng.random() < 0.7},
                {"unevaluatedProperties": False},
                {"not": {"required": [one]}},
                {"not": {"required": [one], "properties": {one: random_schema(rng, 0)}}},
                {"anyOf": [{"required": [one]}, {"required": [other]}]},
                {"oneOf": [{"required": [one]}, {"required": [other]}]},
            )
        )
    return schema


def _free(rng: Random, depth: int) -> dict[str, Any]:
    values = random_schema(rng, depth)
    return rng.choice(
        (
            {"type": "object", "additionalProperties": values},
            {"type": "object", "patternProperties": {"^[a-z]+$": values}, "additionalProperties": False},
            {"type": "object", "patternProperties": {"^x-": values, "y": {}}},
            {"type": "object", "propertyNames": {"pattern": "^[A-Z]{2}$"}, "additionalProperties": values},
            {"type": "object", "propertyNames": {"enum": ["de", "en"]}, "additionalProperties": values},
            {"type": "object", "minProperties": rng.randint(0, 2), "maxProperties": 2},
            {"type": "object", "required": ["any"]},
            {"type": "object", "unevaluatedProperties": values},
        )
    )


def _array(rng: Random, depth: int) -> dict[str, Any]:
    parts = [random_schema(rng, depth) for _ in range(rng.randint(1, 3))]
    schema = rng.choice(
        (
            {"type": "array", "items": parts[0]},
            {"items": parts[0]},
            {"type": "array", "prefixItems": parts, "items": rng.choice((False, True, parts[0]))},
            {"type": "array", "prefixItems": parts, "minItems": len(parts), "maxItems": len(parts)},
            {"type": "array", "contains": parts[0], "maxContains": 2},
            {"type": "array", "items": parts[0], "contains": parts[-1], "uniqueItems": True},
            {"type": "array", "uniqueItems": True, "maxItems": 2, "unevaluatedItems": False},
        )
    )
    return schema | ({"minItems": rng.randint(0, 2)} if "minItems" not in schema and rng.random() < 0.4 else {})


def _alternatives(rng: Random, depth: int) -> dict[str, Any]:
    outer = rng.choice(({}, {}, {"type": "string"}, {"description": "x"}, {"type": "object"}))
    return outer | {rng.choice(("anyOf", "oneOf")): [random_schema(rng, depth) for _ in range(rng.randint(1, 3))]}


def _all_of(rng: Random, depth: int) -> dict[str, Any]:
    return {"allOf": [random_schema(rng, depth) for _ in range(rng.randint(1, 3))], **rng.choice(({}, {"title": "x"}))}


def _not(rng: Random, depth: int) -> dict[str, Any]:
    return dict(rng.choice(SCALARS)) | {"not": random_schema(rng, rng.choice((0, 0, depth)))}


def _reference(rng: Random, depth: int) -> dict[str, Any]:
    target = rng.choice(("#/$defs/Tree", "#/$defs/Tree", "#/$defs/a~1b%25c", "#/properties/id", "#"))
    return {"$ref": target, **rng.choice(({}, {"description": "x"}, {"minProperties": 1}))}
