"""Made-up values of a schema, for dry runs: examples and constants where the schema has them, else the plainest value.

The same schema always gives the same value. A pattern is not followed unless an example shows how.
"""

from typing import Any

from platypus.catalogue.schema import Schema, literal_problem, variants

TEXTS = {
    "date": "2026-01-31",
    "date-time": "2026-01-31T12:00:00Z",
    "time": "12:00:00Z",
    "email": "someone@example.org",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "uri": "https://example.org/",
}
DEEPEST = 8


def mock_value(schema: Schema, depth: int = 0) -> Any:
    """A value of the schema."""
    for key in ("examples", "enum"):
        if schema.get(key):
            return schema[key][0]
    for key in ("const", "default"):
        if key in schema:
            return schema[key]
    variant = next((one for one in variants(schema) if one.get("type") != "null"), schema)
    if variant.get("enum") or variant.get("examples"):
        return (variant.get("examples") or variant["enum"])[0]
    match variant.get("type"):
        case "object":
            return _object(variant, depth)
        case "array":
            return _array(variant, depth)
        case "boolean":
            return True
        case "integer" | "number":
            return _number(variant)
        case "null":
            return None
        case _:
            return _text(variant)


def _object(schema: Schema, depth: int) -> dict[str, Any]:
    properties = schema.get("properties", {})
    wanted = properties if depth < DEEPEST else [name for name in schema.get("required", ()) if name in properties]
    return {name: mock_value(properties[name], depth + 1) for name in wanted}


def _array(schema: Schema, depth: int) -> list[Any]:
    if "prefixItems" in schema:
        return [mock_value(item, depth + 1) for item in schema["prefixItems"]]
    items = schema.get("items", {})
    count = max(1, schema.get("minItems", 1)) if depth < DEEPEST else schema.get("minItems", 0)
    if not schema.get("uniqueItems"):
        return [mock_value(items, depth + 1)] * count
    listed = [*items.get("examples", ()), *items.get("enum", ())]
    known = [value for place, value in enumerate(listed) if value not in listed[:place]][:count]
    return known if len(known) == count else [mock_value(items, depth + 1)]


def _number(schema: Schema) -> int | float:
    candidates: list[int | float] = [
        1,
        0,
        *(schema[key] for key in ("minimum", "maximum", "multipleOf") if key in schema),
    ]
    candidates += [
        schema[key] + sign for key, sign in (("exclusiveMinimum", 1), ("exclusiveMaximum", -1)) if key in schema
    ]
    return next((value for value in candidates if literal_problem(schema, value) is None), candidates[0])


def _text(schema: Schema) -> str:
    text = TEXTS.get(schema.get("format", ""), "made up")
    text = text.ljust(schema.get("minLength", 0), ".")
    return text[: schema["maxLength"]] if "maxLength" in schema else text
