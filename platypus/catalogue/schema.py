"""The subset of JSON Schema that describes arguments and outputs: find parts, compare, check values.

`{}` means *anything* and `{"type": "null"}` *nothing*. A string's `format` may name a domain type ("sprint-id"). Two
formats agree if they are equal or if one is missing. Whether an output fits an argument is decided from schemas alone;
what a tool really returns is not known here.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from fractions import Fraction
from functools import lru_cache
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import ValidationError
from jsonschema.validators import extend

from platypus.catalogue.patterns import is_found

Schema = Mapping[str, Any]

TYPES = ("string", "integer", "number", "boolean", "array", "object", "null")
ASSERTED = ("date", "date-time", "time", "email", "ipv4", "ipv6", "uuid")  # formats that values must have
_FORMATS = FormatChecker([name for name in ASSERTED if name != "date-time"])


@_FORMATS.checks("date-time", ValueError)
def _is_date_time(value: object) -> bool:
    return not isinstance(value, str) or bool(datetime.fromisoformat(value))


def types(schema: Schema) -> tuple[str, ...]:
    """The types that the schema declares; none if it declares none."""
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
    names = types(schema)
    if len(names) == 1:
        yield {**schema, "type": names[0]} if schema["type"] != names[0] else schema
        return
    if not names and "properties" in schema:
        names = ("object",)
    elif not names and {"items", "prefixItems"} & schema.keys():
        names = ("array",)
    if not names:
        yield schema
    for name in names:
        yield {**schema, "type": name}


def is_nothing(schema: Schema) -> bool:
    """Whether a tool with this output returns nothing that a later step could use."""
    return all(variant.get("type") == "null" for variant in variants(schema))


def array_items(schema: Schema) -> Schema | None:
    """The schema of every element of this array (`{}`: anything), or None if there is none: no array, or a tuple."""
    for variant in variants(schema):
        if variant.get("type", "array") == "array" and not {"enum", "const", "prefixItems"} & variant.keys():
            items: Schema = variant.get("items", {})
            return items
    return None


def is_set(schema: Schema) -> bool:
    """Whether an array of this schema is a set: one of its alternatives is an array with `uniqueItems`."""
    return any(bool(one.get("uniqueItems")) and one.get("type", "array") == "array" for one in variants(schema))


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
            positions = variant.get("prefixItems", ())
            return part(positions[int(head)] if int(head) < len(positions) else variant.get("items", {}), rest)
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
        of_output, of_argument = (schema.get("prefixItems", [schema.get("items", {})]) for schema in (output, argument))
        return len(of_output) == len(of_argument) and all(map(fits, of_output, of_argument))
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


def _enum(validator: Any, listed: list[Any], instance: Any, schema: Schema) -> Iterator[ValidationError]:
    """As in jsonschema, but quick for texts and numbers, of which there may be thousands."""
    number = isinstance(instance, int | float) and not isinstance(instance, bool)
    if number and any(value == instance and not isinstance(value, bool) for value in listed):
        return
    if not (isinstance(instance, str) and instance in listed):
        yield from Draft202012Validator.VALIDATORS["enum"](validator, listed, instance, schema) or ()


def _pattern(validator: Any, pattern: str, value: Any, schema: Schema) -> Iterator[ValidationError]:
    """As in jsonschema, but a search that takes too long finds nothing."""
    if isinstance(value, str) and not is_found(pattern, value):
        yield ValidationError(f"{value!r} does not match {pattern!r}")


_Validator = extend(  # type: ignore[no-untyped-call]
    Draft202012Validator, {"multipleOf": _multiple_of, "enum": _enum, "pattern": _pattern}
)


@lru_cache(maxsize=4096)
def _validator(schema: str) -> Any:
    return _Validator(json.loads(schema), format_checker=_FORMATS)


def literal_problem(schema: Schema, value: Any) -> str | None:
    """Why the schema does not allow the literal, or None if it does."""
    error = next(_validator(json.dumps(schema)).iter_errors(value), None)
    return error.message if error else None


def allowed_literals(schema: Schema, values: Iterable[Any]) -> list[Any]:
    """Those of these values that the schema allows."""
    validator = _validator(json.dumps(schema))
    return [value for value in values if validator.is_valid(value)]


def takes_any_text(schema: Schema) -> bool:
    """Whether one of the schema's types is text without any limits."""
    limits = {"enum", "const", "pattern", "minLength", "maxLength"}
    return any(
        variant.get("type") == "string" and not limits & variant.keys() and variant.get("format") not in ASSERTED
        for variant in variants(schema)
    )


def allowed_values(schema: Schema) -> tuple[Any, ...]:
    """The values of an enum or constant, in order; empty if the schema has none."""
    for variant in variants(schema):
        if "enum" in variant or "const" in variant:
            return tuple(variant["enum"]) if "enum" in variant else (variant["const"],)
    return ()
