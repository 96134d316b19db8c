"""Grammar rules for the literals of a schema, as Lark for llguidance: what may stand as a value, in canonical JSON.

Text is what `json.dumps(…, ensure_ascii=False)` writes: one space after `,` and `:`, no needless escape. Everything
that the rules derive is allowed by the schema, but for two equal elements or keys, which `platypus.walk` forbids.
Some allowed literals are left out: keys beside an object's declared ones, text with `"` or `\\` where there is a
pattern or format, numbers with more than 15 digits on a side, arrays of more than 100 elements, nesting in "anything"
beyond 6 levels. Knows no references.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache, reduce
from math import inf
from typing import Any

from llguidance import LLMatcher, LLTokenizer, TokenizerWrapper, regex_to_lark

from platypus.errors import CatalogueError
from platypus.plan import MARK
from platypus.schema import Schema, literal_problem, variants

MAX_ITEMS = 100
MAX_SHAPED = 100
MAX_ANY_DEPTH = 6
MAX_SCHEMA_DEPTH = 20  # with the depth of "anything" still below the 32 that a plan allows

_CHARACTER = r'([^"\\\x00-\x1f]|\\(["\\bfnrt]|u00(0[0-7bef]|1[0-9a-f])))'
_PLAIN = r'[^"\\\x00-\x1f$]|\$[^"\\\x00-\x1f$]'  # no escapes, no two dollars
_PLAIN_ASCII = r"[ !#%-\[\]-~]|\$[ !#%-\[\]-~]"
_UNMARKED = rf"~/(?s:.*){re.escape(MARK)}(?s:.*)/"
_INTEGER = r"-?[1-9][0-9]{0,14}|0"
_FRACTION = r"(0|[0-9]{0,14}[1-9])"
_EXPONENT = r"e(-(0[5-9]|[1-9][0-9]|[12][0-9]{2})|\+(1[6-9]|[2-9][0-9]|[12][0-9]{2}))"
_NUMBER = rf"0|-?(0\.{_FRACTION}|[1-9][0-9]{{0,14}}(\.{_FRACTION})?)|-?[1-9](\.[0-9]{{0,14}}[1-9])?{_EXPONENT}"

_YEAR = r"[1-9][0-9]{3}"
_LEAP = r"([1-9][0-9](0[48]|[2468][048]|[13579][26])|([13579][26]|[2468][048])00)"
_DATE = (
    rf"({_YEAR}-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)"
    rf"|02-(0[1-9]|1[0-9]|2[0-8]))|{_LEAP}-02-29)"
)
_HOUR_MINUTE = r"([01][0-9]|2[0-3]):[0-5][0-9]"
_BYTE = r"(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
FORMATS: Mapping[str, str] = {
    "date": _DATE,
    "date-time": rf"{_DATE}([T ]{_HOUR_MINUTE}(:[0-5][0-9](\.([0-9]{{3}}){{1,2}})?)?(Z|[+-]{_HOUR_MINUTE})?)?",
    "time": rf"{_HOUR_MINUTE}:[0-5][0-9]",
    "email": r"[^@ ]+@[^@ ]+",
    "ipv4": rf"({_BYTE}\.){{3}}{_BYTE}",
    "ipv6": r"([0-9a-f]{1,4}:){7}[0-9a-f]{1,4}|([0-9a-f]{1,4}:){1,6}(:[0-9a-f]{1,4})|::1?",
    "uuid": r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
}
_OF_STRINGS = ("pattern", "minLength", "maxLength", "format")
_OF_ARRAYS = ("minItems", "maxItems", "uniqueItems")
_OF_NUMBERS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf")
_SAID = ("title", "description", "default", "examples", "readOnly", "writeOnly", "deprecated", "$comment")


class Rules:
    """The rules of a grammar under construction; the same body is written once."""

    SELF = "\0"  # stands for the rule's own name in its body

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._counted: set[str] = set()

    def add(self, kind: str, body: str, *, counted: bool = False) -> str:
        """The name of the rule, or of the terminal if `kind` is upper case, with this body.

        A counted rule has a parameter, `_` in its body.
        """
        name = self._names.setdefault(body, f"{kind}{len(self._names)}")
        if counted:
            self._counted.add(name)
        return name

    def define(self, name: str, body: str) -> str:
        """A counted rule of a chosen name, that other rules may use before."""
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
    """The schema without what it says to people."""
    return {key: value for key, value in schema.items() if key not in _SAID}


class Literals:
    """The literals of schemas, as rules added to a grammar."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._known: dict[str, str | None] = {}

    def rule(self, schema: Schema, where: str, *, depth: int = 0) -> str | None:
        """The rule of the schema's literals; None when there are none.

        Raises CatalogueError for a schema that no grammar can hold to.
        """
        if depth > MAX_SCHEMA_DEPTH:
            raise CatalogueError(f"is nested deeper than {MAX_SCHEMA_DEPTH}", where=where, remedy="Make it flatter.")
        key = json.dumps(meaning(schema), sort_keys=True)
        if key not in self._known:
            choices = dict.fromkeys(self._choices(schema, where, depth))
            self._known[key] = self._rules.add("v", " | ".join(choices)) if choices else None
        return self._known[key]

    def items(self, schema: Schema, element: str | None) -> str | None:
        """An array of such elements, within the schema's limits; `element` may be a rule with a parameter."""
        least, most = schema.get("minItems", 0), min(schema.get("maxItems", MAX_ITEMS), MAX_ITEMS)
        if least > most or (element is None and least):
            return None
        if schema.get("uniqueItems") and least > _capacity(schema.get("items", {})):
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
                texts = (json.dumps(v, ensure_ascii=False) for v in values if literal_problem(schema, v) is None)
                yield from (quoted(text) for text in texts if MARK not in text)
            else:
                rule = self._of_type(variant, where, depth)
                if rule is not None:
                    yield rule

    def _of_type(self, schema: Schema, where: str, depth: int) -> str | None:
        match _kind(schema):
            case "string":
                return self._string(schema, where)
            case "integer" | "number" as kind:
                return self._number(schema, kind)
            case "boolean":
                return '"true" | "false"'
            case "null":
                return '"null"'
            case "array":
                element = self.rule(schema.get("items", {}), f"{where}[]", depth=depth + 1)
                body = self.items(schema, element)
                return body and self._rules.add("v", body)
            case "object":
                return self._object(schema, where, depth)
            case _:
                return self._anything()

    def _string(self, schema: Schema, where: str) -> str | None:
        parts = []
        if "minLength" in schema or "maxLength" in schema:
            parts.append(f"/{_CHARACTER}{{{schema.get('minLength', 0)},{schema.get('maxLength', '')}}}/")
        if schema.get("format") in FORMATS:
            parts.append(f"/{FORMATS[schema['format']]}/")
        if "pattern" in schema:
            parts.append(f"/{_found(schema['pattern'])}/")
        if not parts:
            return self._text()
        if len(parts) > ("minLength" in schema or "maxLength" in schema):
            classes = re.search(r"\\[wWdDsSbB]", schema.get("pattern", ""))
            most = "" if "maxLength" in schema else f" & /(?s:.{{0,{MAX_SHAPED}}})/"  # so that every text has an end
            parts.insert(0, f"/({_PLAIN_ASCII if classes else _PLAIN})*/{most}")
        else:
            parts.append(_UNMARKED)
        terminal = rf'"\"" ({" & ".join(parts)}) "\""'
        return self._rules.add("TEXT", terminal) if _is_possible(terminal, where) else None

    def _number(self, schema: Schema, kind: str) -> str | None:
        limits = {key: schema[key] for key in _OF_NUMBERS if key in schema}
        if not limits:
            return self._rules.add("NUMBER", f"/{_INTEGER if kind == 'integer' else _NUMBER}/")
        least, most = ("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")
        for key, others, bound in (("minimum", least, -(10**15)), ("maximum", most, 10**15)):
            if not limits.keys() & set(others):
                limits[key] = bound
        if kind == "number":  # so that rounding does not move a text across a limit
            limits.setdefault("multipleOf", 0.000001)
        body = f"%json {json.dumps({'type': kind, **limits})}"
        return None if LLMatcher.validate_grammar(f"start: {body}") else self._rules.add("v", body)

    def _object(self, schema: Schema, where: str, depth: int) -> str | None:
        properties, required = schema.get("properties", {}), set(schema.get("required", ()))
        if not properties:
            return self._free_object(schema.get("additionalProperties", True), where, depth)
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
        if not fields:
            return '"{" "}"'
        keys = [f"{quoted(f'{json.dumps(name, ensure_ascii=False)}: ')} {rule}" for name, rule in fields]
        needed = [f"bit_set({i})" for i, (name, _) in enumerate(fields) if name in required]
        end = f'"" %if {conjunction(needed)}' if needed else '""'
        more = (f'", " {key} {Rules.SELF}::set_bit({i}) %if bit_clear({i})' for i, key in enumerate(keys))
        following = self._rules.add("f", " | ".join((end, *more)), counted=True)
        first = [f"{key} {following}::{1 << i}" for i, key in enumerate(keys)]
        begin = self._rules.add("f", " | ".join(first if needed else ['""', *first]))
        return self._rules.add("v", f'"{{" {begin} "}}"')

    def _free_object(self, values: Any, where: str, depth: int) -> str:
        """An object of any keys."""
        schema = values if isinstance(values, Mapping) else {} if values else None
        element = None if schema is None else self.rule(schema, where, depth=depth + 1)
        if element is None:
            return '"{" "}"'
        field = f'{self._text()} ": " {element}'
        return self._rules.add("v", f'"{{" ({field} (", " {field}){{0,{MAX_ITEMS}}})? "}}"')

    def _anything(self) -> str:
        """Any JSON value; the parameter counts how deep it is nested."""
        own, deeper = Rules.SELF, f"%if lt(_, {MAX_ANY_DEPTH})"
        text, number = self._text(), self._number({}, "number")
        elements = self._rules.add("e", f'any::_ | any::_ ", " {own}::_', counted=True)
        field = f'{text} ": " any::_'
        fields = self._rules.add("e", f'{field} | {field} ", " {own}::_', counted=True)
        nested = f'"[" {elements}::incr(_) "]" {deeper} | "{{" {fields}::incr(_) "}}" {deeper}'
        scalar = f'{text} | {number} | "true" | "false" | "null"'
        return self._rules.define("any", f'{scalar} | "[" "]" | "{{" "}}" | {nested}') + "::0"

    def _text(self) -> str:
        return self._rules.add("TEXT", rf'"\"" (/{_CHARACTER}*/ & {_UNMARKED}) "\""')


def conjunction(conditions: Sequence[str]) -> str:
    """All of the conditions (at least one), as llguidance writes it."""
    return reduce(lambda joined, more: f"and({joined}, {more})", conditions)


def disjunction(conditions: Sequence[str]) -> str:
    """Any of the conditions (at least one), as llguidance writes it."""
    return reduce(lambda joined, more: f"or({joined}, {more})", conditions)


def _kind(schema: Schema) -> str | None:
    """The type of a variant, or the one that its limits speak of."""
    if "type" in schema:
        return str(schema["type"])
    if any(key in schema for key in _OF_STRINGS):
        return "string"
    if any(key in schema for key in _OF_NUMBERS):
        return "number"
    return "array" if any(key in schema for key in _OF_ARRAYS) else None


def _exclusive(schema: Schema, where: str) -> list[Schema]:
    """The variants; of a `oneOf` those whose type no other has, because a value must fit one alone.

    Raises CatalogueError where a variant contradicts what stands beside `anyOf`, since both would hold.
    """
    branches = schema.get("anyOf") or schema.get("oneOf") or ()
    outer = {key: value for key, value in meaning(schema).items() if key not in ("anyOf", "oneOf")}
    for branch in branches:
        twice = [key for key in outer if key != "type" and branch.get(key, outer[key]) != outer[key]]
        if twice or branch.get("type", outer.get("type")) != outer.get("type", branch.get("type")):
            raise CatalogueError(
                f"{(twice or ['type'])[0]!r} stands beside anyOf and differs within it",
                where=where,
                remedy="Write it within the alternatives only.",
            )
    found = list(variants(schema))
    if "oneOf" not in schema or "anyOf" in schema:
        return found
    kinds = ["number" if _kind(variant) == "integer" else _kind(variant) for variant in found]
    alone = [v for v, kind in zip(found, kinds, strict=True) if kinds.count(kind) == 1 and None not in kinds]
    return [v for v in found if v in alone or "enum" in v or "const" in v]  # listed values are checked one by one


def _capacity(schema: Schema) -> float:
    """How many different values there are at least; text is taken to have no end of them."""
    found = 0.0
    for variant in variants(schema):
        if "enum" in variant or "const" in variant:
            values = variant["enum"] if "enum" in variant else [variant["const"]]
            found += sum(literal_problem(schema, value) is None for value in values)
            continue
        match _kind(variant):
            case "boolean" | "null" as kind:
                found += 2 if kind == "boolean" else 1
            case "integer":
                low, high = (variant.get(key, variant.get(f"exclusive{key.title()}")) for key in ("minimum", "maximum"))
                found += max(0, (high - low - 1) // variant.get("multipleOf", 1)) if None not in (low, high) else inf
            case "array":
                found += inf if variant.get("maxItems", 1) and _capacity(variant.get("items", {})) else 1
            case "object" if all(_capacity(part) <= 1 for part in variant.get("properties", {}).values()):
                found += 1 if variant.get("properties") or variant.get("additionalProperties") is False else inf
            case _:
                found += inf
    return found


def _found(pattern: str) -> str:
    """The regular expression of all text in which the pattern is found: `^a|b` gives `(a)[^"]*|[^"]*(b)[^"]*`."""
    parts, any_text = [], '[^"]*'
    for part in _alternatives(pattern):
        begins, ends = part.startswith("^"), part.endswith("$") and not part.endswith("\\$")
        inner = part[begins : len(part) - ends]
        parts.append(f"{'' if begins else any_text}({inner}){'' if ends else any_text}")
    return regex_to_lark("|".join(parts), "dws")


def _alternatives(pattern: str) -> list[str]:
    """The pattern cut at each `|` that is in no group, class or escape."""
    symbols = re.findall(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|.", pattern, re.DOTALL)
    parts, depth = [""], 0
    for symbol in symbols:
        depth += (symbol == "(") - (symbol == ")")
        if symbol == "|" and not depth:
            parts.append("")
        else:
            parts[-1] += symbol
    return parts


class _Bytes:
    """A tokenizer whose tokens are the 256 bytes, to ask a terminal whether it has any text."""

    eos_token_id, bos_token_id, special_token_ids = 256, None, (256,)
    tokens = (*(bytes([i]) for i in range(256)), b"</s>")

    def __call__(self, text: bytes) -> list[int]:
        return list(text)


@lru_cache(maxsize=1)
def byte_vocabulary() -> LLTokenizer:
    """The vocabulary of single bytes, with 256 as its end token."""
    return LLTokenizer(TokenizerWrapper(_Bytes()))


def _is_possible(terminal: str, where: str) -> bool:
    """Whether some text matches. Raises CatalogueError when llguidance does not know such an expression."""
    matcher = LLMatcher(byte_vocabulary(), f"start: T\nT: {terminal}", log_level=0)
    if matcher.is_error():
        fault = matcher.get_error().partition("\n")[0]
        raise CatalogueError(
            f"its pattern cannot be decoded by: {fault}",
            where=where,
            remedy="Write it without look-around, back-references and anchors within, or leave it out.",
        )
    matcher.compute_bitmask()
    return not matcher.is_error()
