"""The JSON Schema of plans, in words that other servers keep.

Servers without llguidance (XGrammar, Outlines, lm-format-enforcer) refuse some keywords and drop others without a word:
formats, `uniqueItems`, limits beside `anyOf` or `enum`. They match a pattern with the whole text, where JSON Schema
searches for it. So values are described by few keywords: one type for each alternative, listed values alone, and
patterns of whole texts in place of formats.

Measured with XGrammar 0.2.9, outlines-core 0.2.14 and lm-format-enforcer 0.11.3.
"""

from collections.abc import Mapping
from typing import Any

from platypus.catalogue.patterns import alternatives
from platypus.catalogue.schema import Schema, allowed_literals, array_items, variants
from platypus.catalogue.tools import Catalogue
from platypus.decoding.grammar.strings import FORMATS

TEXT = r'[^"\\\x00-\x1f]'  # a letter that needs no escape in JSON: some servers take any other for raw text
LIMITS: Mapping[str, tuple[str, ...]] = {  # keywords that are kept, by type
    "string": ("minLength", "maxLength"),
    "integer": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
    "array": ("minItems", "maxItems"),
}
_EMAIL_LETTER = r'[^@ "\\\x00-\x1f]'


def plan_schema(catalogue: Catalogue, *, max_steps: int) -> dict[str, Any]:
    """The JSON Schema of plans in `json`, for servers that know no parametric grammar.

    It promises known tools and arguments, allowed literals, and as many arguments as are required. It cannot promise
    which ones, that none occurs twice, or that a reference is to an earlier step whose output fits: read its answers
    with `platypus.plan.plan.parse_plan`.
    """
    steps = "|".join(map(str, range(max(1, max_steps - 1))))
    reference = {"type": "string", "pattern": rf'^\$\$PREV\[({steps})\](\.[^."\\\x00-\x1f]+)*$'}

    def value(schema: Schema) -> dict[str, Any]:
        served = served_schema(schema)
        choices = served.get("anyOf", [served])
        if schema.get("type") == "array" and not {"anyOf", "oneOf", "enum", "const"} & schema.keys():
            items = served_schema(array_items(schema) or {})
            choices = [{**choices[0], "items": {"anyOf": [items, reference]}}]
        return {"anyOf": [*choices, reference]}

    def entry(**properties: Any) -> dict[str, Any]:
        required = list(properties)
        return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}

    calls = []
    for tool in catalogue:
        given = [entry(argument_name={"const": a.name}, argument_value=value(a.schema)) for a in tool.arguments]
        least = sum(argument.required for argument in tool.arguments)
        arguments: dict[str, Any] = {"type": "array", "minItems": least, "maxItems": len(given)}
        if given:
            arguments["items"] = {"anyOf": given}
        calls.append(entry(tool_name={"const": tool.name}, arguments=arguments))
    return {"type": "array", "items": {"anyOf": calls}, "maxItems": max_steps}


def served_schema(schema: Schema) -> dict[str, Any]:
    """The schema of a value, in words that servers keep. It allows what the schema allows, and in places more.

    `{"type": ["string", "null"], "format": "part-id", "title": "Part"}` becomes
    `{"anyOf": [{"type": "string"}, {"type": "null"}]}`.
    """
    found: list[dict[str, Any]] = []
    for variant in variants(schema):
        served = _one_type(schema, variant)
        if served is not None and served not in found:
            found.append(served)
    return found[0] if len(found) == 1 else {"anyOf": found} if found else {"enum": [None]}


def _one_type(schema: Schema, variant: Schema) -> dict[str, Any] | None:
    """One alternative of the schema; None if it allows nothing."""
    if "enum" in variant or "const" in variant:
        values = variant["enum"] if "enum" in variant else [variant["const"]]
        allowed = allowed_literals(schema, values)
        return {"enum": allowed} if allowed else None
    kind = variant.get("type")
    if kind is None:
        return {}
    served: dict[str, Any] = {"type": kind, **{key: variant[key] for key in LIMITS.get(kind, ()) if key in variant}}
    if kind == "string" and (pattern := _pattern(variant)):
        return {"type": kind, "pattern": pattern}  # servers refuse or drop lengths beside it
    if kind == "array" and "items" in variant:
        served["items"] = served_schema(variant["items"])
    if kind == "object":
        served |= _properties(variant)
    return served


def _properties(schema: Schema) -> dict[str, Any]:
    served: dict[str, Any] = {}
    if "properties" in schema:
        served["properties"] = {name: served_schema(part) for name, part in schema["properties"].items()}
    if schema.get("required"):
        served["required"] = list(schema["required"])
    extra = schema.get("additionalProperties")
    if extra is not None:
        served["additionalProperties"] = served_schema(extra) if isinstance(extra, Mapping) else extra
    return served


def _pattern(schema: Schema) -> str | None:
    if "pattern" in schema:
        return whole_pattern(schema["pattern"])
    if schema.get("format") == "email":
        return f"^{_EMAIL_LETTER}+@{_EMAIL_LETTER}+$"
    return whole_pattern(f"^({FORMATS[schema['format']]})$") if schema.get("format") in FORMATS else None


def whole_pattern(pattern: str) -> str:
    """The pattern of all texts in which a pattern is found: `^a|b` becomes `^((a)…*|…*(b)…*)$`, of letters `…`."""
    parts = []
    for part in alternatives(pattern):
        begins, ends = part.startswith("^"), part.endswith("$") and not part.endswith("\\$")
        inner = part[begins : len(part) - ends]
        if begins and ends:
            parts.append(inner)
        else:
            parts.append(f"{'' if begins else f'{TEXT}*'}({inner}){'' if ends else f'{TEXT}*'}")
    return f"^{parts[0]}$" if len(parts) == 1 else f"^({'|'.join(parts)})$"
