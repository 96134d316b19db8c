"""Grammar rules for the literals that a schema allows, as Lark for llguidance, in canonical JSON.

Text is what `json.dumps(…, ensure_ascii=False)` writes: one space after `,` and `:`, no needless escape. The schema
allows all that the rules derive, except two equal elements or keys, which `platypus.decoding.constraint` forbids.
Some allowed literals are left out: keys that an object does not declare, text with `"` or `\\` if it has a pattern or
format, numbers with more than 15 digits before or 20 after the point, arrays of more than 100 elements, nesting in
"anything" beyond 6 levels. This module knows no references.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from functools import reduce
from math import ceil, floor, prod
from typing import Any

from llguidance import LLMatcher

from platypus.catalogue.schema import Schema, allowed_literals, variants
from platypus.decoding.grammar.numbers import number_terminal
from platypus.decoding.grammar.strings import CHARACTER, UNMARKED, count_texts, is_possible, text_terminal
from platypus.errors import CatalogueError
from platypus.plan.notation import MARKER
from platypus.plan.plan import MARK

MAX_ITEMS = 100
MAX_ANY_DEPTH = 6
MAX_LISTED = 500  # more values become one terminal: the parser takes only so many alternatives side by side
LARGEST = 10**15
MAX_SCHEMA_DEPTH = 20  # with the nesting of "anything", still below the 32 levels that a plan allows

_INTEGER = r"-?[1-9][0-9]{0,14}|0"
_OF_STRINGS = ("pattern", "minLength", "maxLength", "format")
_OF_ARRAYS = ("minItems", "maxItems", "uniqueItems")
_OF_NUMBERS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf")
_ANNOTATIONS = ("title", "description", "default", "examples", "readOnly", "writeOnly", "deprecated", "$comment")


class Rules:
    """The rules of a grammar under construction; equal bodies share one rule."""

    SELF = "\0"  # stands for the rule's own name in its body

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._counted: set[str] = set()

    def add(self, kind: str, body: str, *, counted: bool = False) -> str:
        """The name of the rule with this body, or of the terminal if `kind` is upper case.

        A `counted` rule has a parameter, written `_` in its body.
        """
        name = self._names.setdefault(body, f"{kind}{len(self._names)}")
        if counted:
            self._counted.add(name)
        return name

    def define(self, name: str, body: str) -> str:
        """Add a counted rule with a fixed name, which other rules may already use; returns the name."""
        self._counted.add(name)
        return self._names.setdefault(body, name)

    def lark(self) -> str:
        """All rules as Lark."""
        return "".join(
            f"{name}{'::_' if name in self._counted else ''} : {body.replace(self.SELF, name)}\n"
            for body, name in self._names.items()
        )


def quoted(text: str) -> str:
    """The text as a terminal in Lark."""
    return json.dumps(text, ensure_ascii=False)


def meaning(schema: Schema) -> dict[str, Any]:
    """The schema without its annotations, such as `title` and `description`."""
    return {key: value for key, value in schema.items() if key not in _ANNOTATIONS}


class Literals:
    """Adds the literals of schemas to a grammar. With `markers`, a marker may stand in place of free text."""

    def __init__(self, rules: Rules, *, markers: bool = False) -> None:
        self._rules, self._markers = rules, markers
        self._known: dict[str, str | None] = {}

    def rule(self, schema: Schema, where: str, *, depth: int = 0) -> str | None:
        """The name of the rule for the schema's literals; None if there are none.

        Raises CatalogueError for a schema that a grammar cannot express.
        """
        if depth > MAX_SCHEMA_DEPTH:
            raise CatalogueError(f"is nested deeper than {MAX_SCHEMA_DEPTH}", where=where, remedy="Make it flatter.")
        key = json.dumps(meaning(schema), sort_keys=True)
        if key not in self._known:
            choices = dict.fromkeys(self._choices(schema, where, depth))
            self._known[key] = self._rules.add("v", " | ".join(choices)) if choices else None
        return self._known[key]

    def items(self, schema: Schema, element: str | None) -> str | None:
        """The body of an array of `element`s within the schema's limits, or None; `element` may have a parameter."""
        least, most = schema.get("minItems", 0), min(schema.get("maxItems", MAX_ITEMS), MAX_ITEMS)
        if least > most or (element is None and least):
            return None
        if schema.get("uniqueItems") and least > 1 and least > _capacity(schema.get("items", {}), least):
            return None
        if element is None or not most:
            return '"[" "]"'
        more = f' (", " {element}){{{max(least, 1) - 1},{most - 1}}}' if most > 1 else ""
        filled = f"{element}{more}"
        return f'"[" {filled} "]"' if least else f'"[" ({filled})? "]"'

    def _choices(self, schema: Schema, where: str, depth: int) -> Iterator[str]:
        for variant in _exclusive(schema, where):
            if "enum" in variant or "const" in variant:
                values = variant["enum"] if "enum" in variant else [variant["const"]]
                texts = (json.dumps(value, ensure_ascii=False) for value in allowed_literals(schema, values))
                literals = [quoted(text) for text in texts if MARK not in text]
                yield from (
                    literals if len(literals) <= MAX_LISTED else [self._rules.add("LISTED", " | ".join(literals))]
                )
            else:
                rule = self._of_type(variant, where, depth)
                if rule is not None:
                    yield rule

    def _of_type(self, schema: Schema, where: str, depth: int) -> str | None:
        match _kind(schema):
            case "string":
                return self._string(schema, where)
            case "integer" | "number" as kind:
                return self._number(schema, kind, where)
            case "boolean":
                return '"true" | "false"'
            case "null":
                return '"null"'
            case "array":
                if "prefixItems" in schema:
                    return self._tuple(schema["prefixItems"], where, depth)
                element = self.rule(schema.get("items", {}), f"{where}[]", depth=depth + 1)
                body = self.items(schema, element)
                return body and self._rules.add("v", body)
            case "object":
                return self._object(schema, where, depth)
            case _:
                return self._anything()

    def _string(self, schema: Schema, where: str) -> str | None:
        terminal = text_terminal(schema)
        if terminal is None:
            marker = self._rules.add("MARKER", f"/{MARKER}/") if self._markers else None
            return " | ".join(filter(None, (self._text(), marker)))
        return self._rules.add("TEXT", terminal) if is_possible(terminal, where) else None

    def _number(self, schema: Schema, kind: str, where: str = "") -> str | None:
        limits = {key: schema[key] for key in _OF_NUMBERS if key in schema}
        if kind == "number" and "multipleOf" not in limits:
            terminal = number_terminal(limits)
            return self._rules.add("NUMBER", terminal) if not limits or is_possible(terminal, where) else None
        if not limits:
            return self._rules.add("NUMBER", f"/{_INTEGER}/")
        least, most = ("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")
        for key, others, bound in (("minimum", least, -LARGEST), ("maximum", most, LARGEST)):
            if not limits.keys() & set(others):
                limits[key] = bound
        body = f"%json {json.dumps({'type': kind, **limits})}"
        return None if LLMatcher.validate_grammar(f"start: {body}") else self._rules.add("v", body)

    def _tuple(self, positions: Sequence[Schema], where: str, depth: int) -> str | None:
        """The rule of an array with an element for each position."""
        elements = [self.rule(part, f"{where}[{i}]", depth=depth + 1) for i, part in enumerate(positions)]
        present = [element for element in elements if element is not None]
        body = ' ", " '.join(present)
        return self._rules.add("v", f'"[" {body} "]"') if len(present) == len(elements) else None

    def _object(self, schema: Schema, where: str, depth: int) -> str | None:
        properties, required = schema.get("properties", {}), set(schema.get("required", ()))
        if not properties:
            return self._free_object(schema, where, depth)
        fields: list[tuple[str, str]] = []
        for name, part in properties.items():
            rule = self.rule(part, f"{where}.{name}", depth=depth + 1)
            if rule is None and name in required:
                return None
            if rule is not None and MARK not in name:
                fields.append((name, rule))
        if len(fields) > 64:
            raise CatalogueError(
                f"is an object of {len(fields)} fields; a grammar counts up to 64", where=where, remedy="Split it."
            )
        least, most = schema.get("minProperties", 0), schema.get("maxProperties", len(fields))
        if least > len(fields) or most < len(required):
            return None
        if not fields:
            return '"{" "}"'
        keys = [f"{quoted(f'{json.dumps(name, ensure_ascii=False)}: ')} {rule}" for name, rule in fields]
        needed = [f"bit_set({i})" for i, (name, _) in enumerate(fields) if name in required]
        needed += [f"bit_count_ge(_, {least})"] if least > len(needed) else []
        needed += [f"bit_count_le(_, {most})"] if most < len(fields) else []
        end = f'"" %if {conjunction(needed)}' if needed else '""'
        more = (f'", " {key} {Rules.SELF}::set_bit({i}) %if bit_clear({i})' for i, key in enumerate(keys))
        following = self._rules.add("f", " | ".join((end, *more)), counted=True)
        first = [f"{key} {following}::{1 << i}" for i, key in enumerate(keys)]
        begin = self._rules.add("f", " | ".join(first if required or least else ['""', *first]))
        return self._rules.add("v", f'"{{" {begin} "}}"')

    def _free_object(self, schema: Schema, where: str, depth: int) -> str | None:
        """The rule of an object with any keys; None if there is none."""
        values = schema.get("additionalProperties", True)
        inner = values if isinstance(values, Mapping) else {} if values else None
        element = None if inner is None else self.rule(inner, where, depth=depth + 1)
        names = schema.get("propertyNames")
        key = self._text() if names is None else self.rule({"type": "string", **names}, where, depth=depth + 1)
        least, most = schema.get("minProperties", 0), min(schema.get("maxProperties", MAX_ITEMS), MAX_ITEMS)
        if element is None or key is None or not most:
            return None if least else '"{" "}"'
        if least > most or (names is not None and least > 1 and least > _capacity({"type": "string", **names}, least)):
            return None
        field = f'{key} ": " {element}'
        more = f' (", " {field}){{{max(least, 1) - 1},{most - 1}}}' if most > 1 else ""
        fields = f"{field}{more}" if least else f"({field}{more})?"
        return self._rules.add("v", f'"{{" {fields} "}}"')

    def _anything(self) -> str:
        """The rule of any JSON value; its parameter counts the nesting."""
        own, deeper = Rules.SELF, f"%if lt(_, {MAX_ANY_DEPTH})"
        text, number = self._text(), self._number({}, "number")
        elements = self._rules.add("e", f'any::_ | any::_ ", " {own}::_', counted=True)
        field = f'{text} ": " any::_'
        fields = self._rules.add("e", f'{field} | {field} ", " {own}::_', counted=True)
        nested = f'"[" {elements}::incr(_) "]" {deeper} | "{{" {fields}::incr(_) "}}" {deeper}'
        scalar = f'{text} | {number} | "true" | "false" | "null"'
        return self._rules.define("any", f'{scalar} | "[" "]" | "{{" "}}" | {nested}') + "::0"

    def _text(self) -> str:
        return self._rules.add("TEXT", rf'"\"" (/{CHARACTER}*/ & {UNMARKED}) "\""')


def conjunction(conditions: Sequence[str]) -> str:
    """All of the conditions (at least one), as llguidance writes it."""
    return reduce(lambda joined, more: f"and({joined}, {more})", conditions)


def disjunction(conditions: Sequence[str]) -> str:
    """Any of the conditions (at least one), as llguidance writes it."""
    return reduce(lambda joined, more: f"or({joined}, {more})", conditions)


def _kind(schema: Schema) -> str | None:
    """The type of a variant, or the type that its limits imply."""
    if "type" in schema:
        return str(schema["type"])
    if any(key in schema for key in _OF_STRINGS):
        return "string"
    if any(key in schema for key in _OF_NUMBERS):
        return "number"
    return "array" if any(key in schema for key in _OF_ARRAYS) else None


def _exclusive(schema: Schema, where: str) -> list[Schema]:
    """The variants; of a `oneOf`, only those whose type no other variant has, because a value must fit exactly one.

    Raises CatalogueError where a variant contradicts a key beside `anyOf`, since both would apply.
    """
    branches = schema.get("anyOf") or schema.get("oneOf") or ()
    outer = {key: value for key, value in meaning(schema).items() if key not in ("anyOf", "oneOf")}
    for branch in branches:
        contradicting = [key for key in outer if key != "type" and branch.get(key, outer[key]) != outer[key]]
        if contradicting or branch.get("type", outer.get("type")) != outer.get("type", branch.get("type")):
            raise CatalogueError(
                f"{(contradicting or ['type'])[0]!r} differs between anyOf and the schema around it",
                where=where,
                remedy="Write it only within the alternatives.",
            )
    all_variants = list(variants(schema))
    if "oneOf" not in schema or "anyOf" in schema:
        return all_variants
    kinds = ["number" if _kind(variant) == "integer" else _kind(variant) for variant in all_variants]
    alone = [v for v, kind in zip(all_variants, kinds, strict=True) if kinds.count(kind) == 1 and None not in kinds]
    # listed values are checked one by one elsewhere
    return [v for v in all_variants if v in alone or "enum" in v or "const" in v]


def _capacity(schema: Schema, wanted: int) -> int:
    """A lower bound on the number of different values, at most `wanted`."""
    by_kind: dict[str, int] = {}
    for variant in _exclusive(schema, ""):
        kind = _kind(variant) or "anything"
        if "enum" in variant or "const" in variant:
            values = variant["enum"] if "enum" in variant else [variant["const"]]
            plain = [float(value) if type(value) is int else value for value in values]
            allowed = {json.dumps(value, sort_keys=True) for value in allowed_literals(schema, plain)}
            count = sum(MARK not in text for text in allowed)
        else:
            count = _capacity_of(variant, kind, wanted)
        kind = "number" if kind == "integer" else kind
        by_kind[kind] = max(by_kind.get(kind, 0), count)  # alternatives of one type may share values
    return min(sum(by_kind.values()), wanted)


def _capacity_of(schema: Schema, kind: str, wanted: int) -> int:
    """The same for a schema of one type without listed values."""
    match kind:
        case "boolean" | "null":
            return 2 if kind == "boolean" else 1
        case "integer" | "number":
            return _multiples(schema, whole=kind == "integer", most=wanted)
        case "string":
            terminal = text_terminal(schema)
            return wanted if terminal is None else count_texts(terminal, wanted)
        case "array" if "prefixItems" in schema:
            return min(prod(_capacity(part, wanted) for part in schema["prefixItems"]), wanted)
        case "array":
            least, most = schema.get("minItems", 0), min(schema.get("maxItems", MAX_ITEMS), MAX_ITEMS)
            items, total, arrays = _capacity(schema.get("items", {}), wanted), 0, 1
            for length in range(most + 1):
                total += arrays if length >= least else 0
                arrays = min(arrays * max(0, items - length if schema.get("uniqueItems") else items), wanted)
            return total
        case "object" if schema.get("properties"):
            if "minProperties" in schema or "maxProperties" in schema:
                return 1
            optional = schema["properties"].keys() - set(schema.get("required", ()))
            fields = [_capacity(part, wanted) + (name in optional) for name, part in schema["properties"].items()]
            return min(prod(fields), wanted)
        case "object":
            values = schema.get("additionalProperties", True)
            return (
                wanted if "propertyNames" not in schema and (values is True or (values and _capacity(values, 1))) else 1
            )
        case _:
            return wanted


def _multiples(schema: Schema, *, whole: bool, most: int) -> int:
    """How many numbers are within the limits, at most `most`."""
    step = Fraction(str(schema.get("multipleOf", 1 if whole else 0.000001)))
    step = Fraction(step.numerator) if whole else step

    def limits(inclusive: str, exclusive: str, sign: int) -> Iterator[int]:
        if exclusive in schema:
            yield ceil(sign * Fraction(str(schema[exclusive])) / step) - 1
        if inclusive in schema or exclusive not in schema:
            yield floor(sign * Fraction(str(schema.get(inclusive, sign * LARGEST))) / step)

    highest, lowest = min(limits("maximum", "exclusiveMaximum", 1)), -min(limits("minimum", "exclusiveMinimum", -1))
    return min(max(0, highest - lowest + 1), most)
