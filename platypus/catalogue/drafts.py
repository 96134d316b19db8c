"""The drafts and dialects of JSON Schema → the words of draft 2020-12: one schema at a time, and what a `$ref` means.

    {"minimum": 0, "exclusiveMinimum": true}    draft 4    →  {"exclusiveMinimum": 0}
    {"items": [{}], "additionalItems": false}   draft 7    →  {"prefixItems": [{}], "items": false}
    {"dependencies": {"card": ["cvc"]}}         draft 7    →  {"dependentRequired": {"card": ["cvc"]}}
    {"minItems": 1.0}                           draft 6    →  {"minItems": 1}

This module knows no types and does not look into the parts of a schema.
"""

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from platypus.catalogue.schema import TYPES, Schema, types

IDENTITY = (
    "$schema",
    "$id",
    "id",
    "$anchor",
    "$vocabulary",
    "$defs",
    "definitions",
    "$dynamicAnchor",
    "$recursiveAnchor",
)
APPLICATORS = {  # keywords that hold schemas
    *("items", "prefixItems", "contains", "properties", "patternProperties", "additionalProperties", "propertyNames"),
    *("anyOf", "oneOf", "allOf", "not", "if", "then", "else", "dependentSchemas"),
    *("unevaluatedProperties", "unevaluatedItems"),
}
PROSE = {"title", "description", "default", "examples"}
COUNTS = {  # limits that are integers
    *("minLength", "maxLength", "minItems", "maxItems", "minContains", "maxContains", "minProperties", "maxProperties"),
}
LIMITS = {
    *("type", "enum", "const", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
    *("pattern", "format", "uniqueItems", "required", "dependentRequired"),
    *COUNTS,
}
ANNOTATIONS = {
    *PROSE,
    *("$comment", "deprecated", "readOnly", "writeOnly", "contentEncoding", "contentMediaType", "contentSchema"),
    *("discriminator", "xml", "externalDocs", "example", "nullable", "optional", "enumDescriptions"),
    *("markdownDescription", "errorMessage", "propertyOrdering", "enumNames", "strict"),
}
_LIMITS = Draft202012Validator({"$ref": "https://json-schema.org/draft/2020-12/meta/validation"})


def modern(schema: Schema) -> dict[str, Any]:
    """One schema in the words of draft 2020-12, without its name and definitions; its parts stay as they are."""
    plain = {key: value for key, value in schema.items() if key not in IDENTITY}
    for bound, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        if isinstance(plain.get(exclusive), bool) and plain.pop(exclusive) and bound in plain:
            plain[exclusive] = plain.pop(bound)
    for key in COUNTS & plain.keys():
        if isinstance(plain[key], float) and plain[key].is_integer():
            plain[key] = int(plain[key])
    if isinstance(plain.get("items"), list):
        plain["prefixItems"] = plain.pop("items")
        if "additionalItems" in plain:
            plain["items"] = plain["additionalItems"]
    plain.pop("additionalItems", None)
    if isinstance(plain.get("dependencies"), Mapping):
        for name, needed in plain.pop("dependencies").items():
            key = "dependentRequired" if isinstance(needed, list) else "dependentSchemas"
            plain[key] = {**plain.get(key, {}), name: needed}
    if "example" in plain:
        plain.setdefault("examples", [plain["example"]])
        del plain["example"]
    if isinstance(plain.get("required"), bool):  # draft 3: said by the property, read by `is_marked_required`
        del plain["required"]
    return plain


def is_marked_required(schema: Any) -> bool:
    """Whether a property says of itself that it is required, as in draft 3."""
    return isinstance(schema, Mapping) and schema.get("required") is True


def unknown_keywords(schema: Schema) -> Iterator[str]:
    """The keywords that no draft knows; extensions (`x-…`) and keywords of OpenAPI are known."""
    known = APPLICATORS | LIMITS | ANNOTATIONS
    yield from (key for key in schema if key not in known and not key.lower().startswith(("x-", "x_", "$", "\0")))


def faults(schema: Schema) -> Iterator[tuple[str, str]]:
    """What is wrong with the keywords of one schema, each with a remedy."""
    declared = schema.get("type", ())
    if not isinstance(declared, str) and not (isinstance(declared, list | tuple) and all(map(_is_text, declared))):
        yield f"not a valid schema: 'type' is {declared!r}", f"Write one of {', '.join(TYPES)}, or a list of them."
        return
    for name in types(schema):
        if name not in TYPES:
            yield f"unknown type {name!r}", f"Known types: {', '.join(TYPES)}."
            return
    own = {key: value for key, value in schema.items() if key in LIMITS and key != "pattern"}
    if (fault := _fault(json.dumps(own, default=str))) is not None:
        yield f"not a valid schema: {fault}", "Correct it by JSON Schema, draft 2020-12."
    for key in ("properties", "patternProperties", "dependentSchemas"):
        if not isinstance(schema.get(key, {}), Mapping):
            yield f"not a valid schema: {key!r} is not an object", "Write each property under its name."
    for key in ("anyOf", "oneOf", "allOf", "prefixItems"):
        if not isinstance(schema.get(key, []), list):
            yield f"not a valid schema: {key!r} is not a list", "Write a list of schemas."
    for key in ("pattern", "format"):
        if not isinstance(schema.get(key, ""), str):
            yield f"not a valid schema: {key!r} is not text", "Write a text."


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


@lru_cache(maxsize=4096)
def _fault(schema: str) -> str | None:
    """What is wrong with the limits of a schema (JSON text), or None. Cached: many arguments share a few schemas."""
    error = best_match(_LIMITS.iter_errors(json.loads(schema)))
    return error.message if error is not None else None


def resolve(reference: str, root: Any) -> Any:
    """What a `$ref` points to in the whole schema. Raises LookupError if there is nothing, or if it is elsewhere.

    JSON pointers (`#/properties/first`, `#/definitions/a~1b%25`), anchors, and names by `$id`.
    """
    address, _, fragment = reference.partition("#")
    if address and address not in (root.get("$id"), root.get("id")):
        found = _named(root, address)
        if found is None:
            raise LookupError(reference)
        root = found
    if fragment and not fragment.startswith("/"):
        found = _named(root, fragment)
        if found is None:
            raise LookupError(reference)
        return found
    for step in unquote(fragment).split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        if isinstance(root, Mapping) and name in root:
            root = root[name]
        elif isinstance(root, list) and name.isdecimal() and int(name) < len(root):
            root = root[int(name)]
        else:
            raise LookupError(reference)
    return root


def _named(data: Any, name: str) -> Any:
    """The schema anywhere in the data whose anchor or `$id` is this name; None if there is none."""
    if isinstance(data, Mapping):
        if data.get("$anchor") == name or any(data.get(key) in (name, f"#{name}") for key in ("$id", "id")):
            return data
        data = list(data.values())
    parts = (_named(part, name) for part in data) if isinstance(data, list) else ()
    return next((part for part in parts if part is not None), None)
