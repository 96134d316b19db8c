"""The subset of JSON Schema that describes arguments and outputs: check, inline, find parts, compare.

`{}` means *anything* and `{"type": "null"}` *nothing*. A string's `format` may name a domain type ("sprint-id"). Two
formats agree if they are equal or if one is missing. Whether an output fits an argument is decided from schemas alone;
what a tool really returns is not known here.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from fractions import Fraction
from functools import lru_cache
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import SchemaError, ValidationError
from jsonschema.validators import extend

from platypus.errors import CatalogueError

Schema = Mapping[str, Any]

TYPES = ("string", "integer", "number", "boolean", "array", "object", "null")
UNSUPPORTED = {
    *("allOf", "not", "if", "then", "else", "$dynamicRef", "dependentRequired", "dependentSchemas"),
    *("prefixItems", "contains", "minContains", "maxContains", "unevaluatedItems"),
    *("patternProperties", "propertyNames", "minProperties", "maxProperties", "unevaluatedProperties"),
}
_FORMATS = FormatChecker(("date", "time", "email", "ipv4", "ipv6", "uuid"))


@_FORMATS.checks("date-time", ValueError)
def _is_date_time(value: object) -> bool:
    return not isinstance(value, str) or bool(datetime.fromisoformat(value))


def inline(
    schema: Any, *, where: str, definitions: Schema | None = None, _open: tuple[str, ...] = ()
) -> dict[str, Any]:
    """The schema with local `$ref`s replaced by their definitions, every keyword checked.

    Raises CatalogueError, naming `where`, for a keyword, type or reference that is not supported.
    """
    if schema is True:
        return {}
    if not isinstance(schema, Mapping):
        raise CatalogueError(f"a schema must be an object, not {schema!r}", where=where)
    known = definitions or schema.get("$defs") or schema.get("definitions") or {}
    if "$ref" in schema:
        name = str(schema["$ref"]).removeprefix("#/$defs/").removeprefix("#/definitions/")
        if name not in known or name in _open:
            fault = "is recursive" if name in _open else "is not defined here"
            raise CatalogueError(f"$ref {schema['$ref']!r} {fault}", where=where, remedy="Write the schema out.")
        rest = {key: value for key, value in schema.items() if key not in ("$ref", "$defs", "definitions")}
        return inline({**known[name], **rest}, where=where, definitions=known, _open=(*_open, name))
    if len(schema.get("allOf", ())) == 1:  # pydantic's form of a reference with a description
        rest = {key: value for key, value in schema.items() if key != "allOf"}
        return inline({**schema["allOf"][0], **rest}, where=where, definitions=known, _open=_open)
    plain = {key: value for key, value in schema.items() if key not in ("$defs", "definitions")}
    _check_keywords(plain, where)

    def inner(part: Any, name: str) -> dict[str, Any]:
        return inline(part, where=f"{where}{name}", definitions=known, _open=_open)

    if "items" in plain:
        plain["items"] = inner(plain["items"], "[]")
    if "properties" in plain:
        plain["properties"] = {name: inner(part, f".{name}") for name, part in plain["properties"].items()}
        check_required(plain, where)
    for key in ("anyOf", "oneOf"):
        if key in plain:
            plain[key] = [inner(part, f" ({key} {i})") for i, part in enumerate(plain[key])]
    return plain


def check_required(schema: Schema, where: str) -> None:
    """Raise CatalogueError, naming `where`, if the schema requires a property that it does not define."""
    undefined = [name for name in schema.get("required", ()) if name not in schema.get("properties", {})]
    if undefined:
        raise CatalogueError(
            f"{undefined[0]!r} is required but not defined",
            where=where,
            remedy="Define it under `properties`, or take it out of `required`.",
        )


def _check_keywords(schema: Schema, where: str) -> None:
    unsupported = [key for key in schema if key in UNSUPPORTED]
    if unsupported:
        raise CatalogueError(
            f"schema keyword {unsupported[0]!r} is not supported",
            where=where,
            remedy="Use type, enum, items, properties, required, anyOf, or limits on the value.",
        )
    for name in _types(schema):
        if name not in TYPES:
            raise CatalogueError(f"unknown type {name!r}", where=where, remedy=f"Known types: {', '.join(TYPES)}.")
    checked_elsewhere = ("items", "properties", "anyOf", "oneOf", "title", "description", "default", "examples")
    fault = _fault(json.dumps({key: value for key, value in schema.items() if key not in checked_elsewhere}))
    if fault:
        raise CatalogueError(
            f"not a valid schema: {fault}", where=where, remedy="Correct it by JSON Schema, draft 2020-12."
        )


@lru_cache(maxsize=4096)
def _fault(schema: str) -> str | None:
    """What is wrong with a schema (JSON text), or None. Cached: most arguments of a catalogue share a few schemas."""
    try:
        Draft202012Validator.check_schema(json.loads(schema))
    except SchemaError as error:
        return error.message
    return None


def _types(schema: Schema) -> tuple[str, ...]:
    declared = schema.get("type", ())
    return (declared,) if isinstance(declared, str) else tuple(declared)


def variants(schema: Schema) -> Iterator[Schema]:
    """The schema as alternatives that each have at most one type: `{"type": ["string", "null"]}` gives two."""
    branches = schema.get("anyOf") or schema.get("oneOf")
    if branches:
        outer = {key: value for key, value in schema.items() if key not in ("anyOf", "oneOf")}
        for branch in branches:
            yield from variants({**outer, **branch})
        return
    names = _types(schema)
    if not names and "properties" in schema:
        names = ("object",)
    elif not names and "items" in schema:
        names = ("array",)
    if not names:
        yield schema
    for name in names:
        yield {**schema, "type": name}


def is_nothing(schema: Schema) -> bool:
    """Whether a tool with this output returns nothing that a later step could use."""
    return all(variant.get("type") == "null" for variant in variants(schema))


def array_items(schema: Schema) -> Schema | None:
    """The schema of an element of this array (`{}`: anything), or None if the value cannot be an array."""
    for variant in variants(schema):
        if variant.get("type", "array") == "array" and not {"enum", "const"} & variant.keys():
            items: Schema = variant.get("items", {})
            return items
    return None


def part(schema: Schema, path: Sequence[str]) -> Schema | None:
    """The schema of `output.field.0`, given the output's; None if there is no such part."""
    if not path:
        return schema
    head, rest = path[0], path[1:]
    for variant in variants(schema):
        kind = variant.get("type")
        if kind is None:
            return {}
        if kind == "array" and head.isdecimal():
            return part(variant.get("items", {}), rest)
        if kind == "object":
            properties = variant.get("properties", {})
            if head in properties:
                return part(properties[head], rest)
            if not properties or variant.get("additionalProperties"):
                return {}
    return None


def fits(output: Schema, argument: Schema) -> bool:
    """Whether a value described by `output` may be used as a value of `argument`."""
    return any(_fits_one(o, a) for o in variants(output) for a in variants(argument))


def _fits_one(output: Schema, argument: Schema) -> bool:
    output_type, argument_type = output.get("type"), argument.get("type")
    if output_type == "null":
        return False
    if output_type is None:
        return True
    if argument_type is None:
        return not is_nothing(output)
    if output_type != argument_type and (output_type, argument_type) != ("integer", "number"):
        return False
    if "enum" in argument and any(value not in argument["enum"] for value in output.get("enum", (None,))):
        return False
    if output.get("format", argument.get("format")) != argument.get("format", output.get("format")):
        return False
    if argument_type == "array":
        return fits(output.get("items", {}), argument.get("items", {}))
    if argument_type == "object" and output.get("properties"):
        properties = output["properties"]
        needed = argument.get("properties", {})
        return all(
            name in properties and fits(properties[name], needed.get(name, {})) for name in argument.get("required", ())
        )
    return True


def _multiple_of(validator: Any, factor: Any, value: Any, schema: Any) -> Iterator[ValidationError]:
    """`multipleOf` in decimal arithmetic: 0.3 is a multiple of 0.1, which it is not as a binary fraction."""
    if validator.is_type(value, "number") and Fraction(str(value)) % Fraction(str(factor)):
        yield ValidationError(f"{value!r} is not a multiple of {factor}")


_Validator = extend(Draft202012Validator, {"multipleOf": _multiple_of})  # type: ignore[no-untyped-call]


@lru_cache(maxsize=4096)
def _validator(schema: str) -> Any:
    return _Validator(json.loads(schema), format_checker=_FORMATS)


def literal_problem(schema: Schema, value: Any) -> str | None:
    """Why the schema does not allow the literal, or None if it does."""
    error = next(_validator(json.dumps(schema)).iter_errors(value), None)
    return error.message if error else None


def takes_any_text(schema: Schema) -> bool:
    """Whether one of the schema's types is text without any limits."""
    limits = {"enum", "const", "pattern", "minLength", "maxLength"}
    return any(
        variant.get("type") == "string"
        and not limits & variant.keys()
        and variant.get("format") not in _FORMATS.checkers
        for variant in variants(schema)
    )


def allowed_values(schema: Schema) -> tuple[Any, ...]:
    """The values of an enum or constant, in order; empty if the schema has none."""
    for variant in variants(schema):
        if "enum" in variant or "const" in variant:
            return tuple(variant["enum"]) if "enum" in variant else (variant["const"],)
    return ()
