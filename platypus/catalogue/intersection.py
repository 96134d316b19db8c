"""What two schemas allow together, and what one schema forbids, in schemas without references.

`both` joins the keywords of two schemas; parts of theirs are joined by `allOf`, to be read later. `negations` gives
schemas that each exclude all that a schema allows, so that `not` and "exactly one of" become schemas that a grammar
can hold. `excludes` says whether an object that has only the properties it declares can meet another schema. This
module knows no references and no grammar.
"""

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from math import lcm
from typing import Any, NamedTuple

from platypus.catalogue.drafts import ANNOTATIONS
from platypus.catalogue.patterns import both as both_patterns
from platypus.catalogue.patterns import is_found, none_of, readable
from platypus.catalogue.schema import ASSERTED, TYPES, Schema, literal_problem, types

CHOICES = "\0choices"  # a list of `Choice`s
GROUPS = "\0groups"  # the alternatives of `anyOf` and `oneOf`: a list of pairs of a keyword and its schemas
NOT_IN = "\0not in"  # values that are excluded
NO_VALUE = "\0no value"  # whether the schema, as it was written, lists values and none of them is of its type
_LEAST = {"minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties", "minContains"}
_MOST = {"maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties", "maxContains"}


class Choice(NamedTuple):
    """Schemas of which one is to hold as well, the first that can; what a note says of each.

    If there is a `forbidden` schema, each of them excludes it.
    """

    keyword: str
    candidates: Sequence[Any]
    notes: tuple[str, ...] = ()
    forbidden: Mapping[str, Any] | None = None


def both(first: Schema, second: Schema) -> dict[str, Any] | None:
    """What both schemas allow; None if that is nothing. Of annotations, those of the first go before the second's."""
    one, other = _with_parts_of(first, second), _with_parts_of(second, first)
    for key, value in other.items():
        if key not in one:
            one[key] = value
        elif key not in ANNOTATIONS and one[key] != value:
            one[key] = _joined(key, one[key], value)
            if one[key] is None:
                return None
    if "const" in one and "enum" in one and not any(is_same(one["const"], value) for value in one.pop("enum")):
        return None
    return one


def _with_parts_of(schema: Schema, other: Schema) -> dict[str, Any]:
    """The schema with the parts that the other one declares, as this one's rules for the rest allow them."""
    result = dict(schema)
    own, rest = schema.get("properties", {}), schema.get("additionalProperties", True)
    if rest is not True:
        foreign = [name for name in other.get("properties", {}) if name not in own and not by_pattern(schema, name)]
        result |= {"properties": {**own, **dict.fromkeys(foreign, rest)}} if foreign else {}
    prefix, count = schema.get("prefixItems", []), len(other.get("prefixItems", []))
    if len(prefix) < count:
        result["prefixItems"] = [*prefix, *[schema.get("items", True)] * (count - len(prefix))]
    return result


def by_pattern(schema: Schema, name: str) -> list[Any]:
    """The schemas of `patternProperties` that hold for a property of this name, or may hold."""
    found = {pattern: readable(pattern) for pattern in schema.get("patternProperties", {})}
    return [
        schema["patternProperties"][pattern]
        for pattern, expression in found.items()
        if expression is None or expression != pattern or is_found(expression, name)
    ]


def _joined(key: str, one: Any, other: Any) -> Any:
    """The value of a keyword that says what both say; None if nothing does."""
    if key in _LEAST:
        return max(one, other)
    if key in _MOST:
        return min(one, other)
    match key:
        case "type":
            return _common_types(one, other)
        case "enum":
            return [value for value in one if any(is_same(value, v) for v in other)] or None
        case "const":
            return None
        case "multipleOf":
            a, b = Fraction(str(one)), Fraction(str(other))
            step = Fraction(
                lcm(a.numerator * b.denominator, b.numerator * a.denominator), a.denominator * b.denominator
            )
            return int(step) if step.denominator == 1 else float(step)
        case "pattern":
            return both_patterns(one, other)
        case "format":
            if one in ASSERTED and other in ASSERTED:
                return None
            return other if other in ASSERTED else one
        case "uniqueItems":
            return True
        case "required":
            return list(dict.fromkeys((*one, *other)))
        case "properties" | "patternProperties":
            return {**one, **{name: _all(one[name], part) if name in one else part for name, part in other.items()}}
        case "dependentRequired":
            return {**one, **{name: [*one.get(name, ()), *more] for name, more in other.items()}}
        case _ if key in (CHOICES, GROUPS, NOT_IN):
            return [*one, *other]
        case "prefixItems":
            return [_all(a, b) for a, b in zip(one, other, strict=True)]
        case "items" | "contains" | "propertyNames" | "additionalProperties":
            return _all(one, other)
        case _:
            return one


def _all(one: Any, other: Any) -> Any:
    if one is True or one == other:
        return other
    return one if other is True else {"allOf": [one, other]}


def _common_types(one: Any, other: Any) -> Any:
    common = _with_integers(one) & _with_integers(other)
    names = [name for name in TYPES if name in common and not (name == "integer" and "number" in common)]
    return None if not names else names[0] if len(names) == 1 else names


def _with_integers(names: Any) -> set[str]:
    found = set(types({"type": names}))
    return found | {"integer"} if "number" in found else found


def is_same(one: Any, other: Any) -> bool:
    """Whether two JSON values are equal: 1 and 1.0 are, 1 and true are not."""
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)


def listed_values(schema: Schema) -> list[Any] | None:
    """The values of an enum or constant; None if the schema has none."""
    return [schema["const"]] if "const" in schema else schema.get("enum")


def excludes(schema: Schema, other: Schema) -> bool:
    """Whether nothing that is made by the first schema meets the second, for certain.

    What is made has only properties that the schema declares.
    """
    if "type" in schema and "type" in other and _common_types(schema["type"], other["type"]) is None:
        return True
    values, others = listed_values(schema), listed_values(other)
    if values is not None:
        unlisted = others is not None and not any(is_same(value, o) for value in values for o in others)
        return unlisted or not any(literal_problem(_own(other), value) is None for value in values)
    if others is not None and not any(literal_problem(_own(schema), value) is None for value in others):
        return True
    if schema.get("type") != "object" or not schema.get("properties"):
        return False
    own, required = schema["properties"], schema.get("required", ())
    if any(own.get(name, name in required) is False for name in other.get("required", ())):
        return True
    theirs = other.get("properties", {})
    return any(
        theirs[name] is False
        or (_is_plain(own[name]) and _is_plain(theirs[name]) and excludes(own[name], theirs[name]))
        for name in required
        if name in theirs and name in own
    )


def _own(schema: Schema) -> dict[str, Any]:
    """The keywords of a schema that can be checked without its parts."""
    return {key: schema[key] for key in ("type", "minLength", "maxLength", "minimum", "maximum") if key in schema}


def _is_plain(schema: Any) -> bool:
    return isinstance(schema, Mapping) and not schema.keys() & {"$ref", "allOf", "anyOf", "oneOf", "not"}


_OPPOSITE = {  # keyword → type, the opposite keyword, and what to add to its value
    "minLength": ("string", "maxLength", -1),
    "maxLength": ("string", "minLength", 1),
    "minItems": ("array", "maxItems", -1),
    "maxItems": ("array", "minItems", 1),
    "minProperties": ("object", "maxProperties", -1),
    "maxProperties": ("object", "minProperties", 1),
    "minimum": ("number", "exclusiveMaximum", 0),
    "maximum": ("number", "exclusiveMinimum", 0),
    "exclusiveMinimum": ("number", "maximum", 0),
    "exclusiveMaximum": ("number", "minimum", 0),
}


def negations(schema: Schema) -> Iterator[dict[str, Any]]:
    """Schemas that each allow nothing of what the schema allows; those that lose least come first."""
    values = listed_values(schema)
    if values is not None:
        yield {NOT_IN: values}
    for key, (kind, opposite, more) in _OPPOSITE.items():
        if key in schema and (kind == "number" or schema[key] + more >= 0):
            yield {"type": kind, opposite: schema[key] + more}
    if "pattern" in schema:
        yield {"type": "string", "pattern": none_of(schema["pattern"])}
    for name in reversed(schema.get("required", ())):
        yield {"type": "object", "properties": {name: False}}
    for name, part in schema.get("properties", {}).items():
        yield {"type": "object", "required": [name], "properties": {name: {"not": part}}}
    for _, alternatives in schema.get(GROUPS, ()):
        yield {"allOf": [{"not": part} for part in alternatives]}
    named = _with_integers(schema.get("type", TYPES))
    others = [name for name in TYPES if name not in named and not (name == "number" and "integer" in named)]
    if others:
        yield {"type": others}


def joined_values(name: str, richest: Schema, found: Sequence[tuple[Schema, Schema, Any]]) -> list[Any]:
    """The listed values of an argument that tells alternatives apart, of those that take what the richest one has.

    An alternative is a schema with all keywords that hold for it, and the same in the subset.
    """
    values: list[Any] = []
    for merged, read, _ in found:
        own, theirs = richest["properties"], read.get("properties", {})
        listed = listed_values(theirs.get(name, {})) if name in read.get("required", ()) else None
        if listed is None or any(is_same(value, other) for value in listed for other in values):
            return []
        is_open = not merged.keys() & {"additionalProperties", "patternProperties", "propertyNames", "maxProperties"}
        same = all(
            theirs[key] == part if key in theirs else is_open and key not in merged.get("properties", {})
            for key, part in own.items()
            if key != name
        )
        if read is richest or (
            same and set(read.get("required", ())) <= set(richest["required"]) and CHOICES not in merged
        ):
            values += listed
    return values


def with_evaluated(schema: Schema, key: str) -> dict[str, Any]:
    """A schema with `unevaluatedProperties` moved into its alternatives, whose properties count as evaluated."""
    outer = {name: value for name, value in schema.items() if name not in (key, *ANNOTATIONS, "unevaluatedProperties")}
    rest = {"unevaluatedProperties": schema["unevaluatedProperties"]}
    inner = [{"allOf": [part, outer], **rest} for part in schema[key]]
    return {**{name: value for name, value in schema.items() if name in ANNOTATIONS}, key: inner}


def evaluated(merged: dict[str, Any]) -> dict[str, Any]:
    """A merged schema in which what is not evaluated is what is not declared."""
    for key, plain in (("unevaluatedProperties", "additionalProperties"), ("unevaluatedItems", "items")):
        if key in merged:
            rest = merged.pop(key)
            merged.setdefault(plain, rest)
    return merged
