"""A server's schema → the subset that a grammar can hold: the same values where that is possible, else fewer.

What is allowed by the result is allowed by the server. What had to be given up is a `Note`. References are written out,
`allOf` is merged, a condition becomes what holds in each case, and "exactly one of" becomes alternatives that exclude
each other. A recursive schema is cut at its second repetition. A part of which no allowed value is known is left out if
it is optional; else there is none of the whole. The schema of an *output* is read loosely instead: what cannot be read
there is anything. This module knows no tools.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from platypus.catalogue.drafts import ANNOTATIONS, APPLICATORS, faults, modern, resolve, unknown_keywords
from platypus.catalogue.intersection import (
    CHOICES,
    GROUPS,
    NO_VALUE,
    NOT_IN,
    Choice,
    both,
    evaluated,
    excludes,
    is_same,
    joined_values,
    listed_values,
    negations,
    with_evaluated,
)
from platypus.catalogue.kinds import MAX_ITEMS, Flat, KindReader, Note, Place
from platypus.catalogue.schema import TYPES, Schema, allowed_literals, literal_problem, types, variants
from platypus.errors import CatalogueError

MAX_DEPTH = 18
MAX_SCHEMAS = 3000
REPEATS = 2  # how often a reference may be followed on one way down
MAX_CASES = 32

_OF_KIND = {
    "object": ("required", "additionalProperties", "minProperties", "maxProperties", "propertyNames"),
    "array": ("prefixItems", "minItems", "maxItems", "uniqueItems", "contains"),
    "string": ("pattern", "minLength", "maxLength", "format"),
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
}


class Tightened(NamedTuple):
    """The schema in the subset (None: no allowed value is known), what is wrong with it, and what was given up."""

    schema: Flat | None
    faults: tuple[CatalogueError, ...]
    notes: tuple[Note, ...]


def tightened_inputs(schema: Any, *, tool: str, where: str) -> Tightened:
    """The schema of a tool's arguments as one object. Of several alternatives one is chosen, or they are joined."""
    reader = _Reader(schema, tool, where, loose=False)
    try:
        read = reader.inputs(schema)
    except RecursionError:
        reader.fault(Place(), "its schema refers to itself in too many ways", "Write it out, or make it flatter.")
        read = None
    return Tightened(read, tuple(reader.faults), reader.distinct_notes())


def loosened(schema: Any, *, tool: str, where: str) -> Tightened:
    """The schema of an output. It has no faults: what cannot be read is anything, and a note says so."""
    reader = _Reader(schema, tool, where, loose=True)
    try:
        read = reader.read(schema, Place(" output"))
    except RecursionError:
        read = {}
        reader.note(Place(" output"), "", "refers to itself in too many ways: anything")
    notes = [Note(tool, fault.where.removeprefix(where), "", f"{fault.what}: anything") for fault in reader.faults]
    return Tightened(read, (), (*reader.distinct_notes(), *notes))


class _Reader(KindReader):
    """Reads the parts of one schema, which is the root of its references."""

    def __init__(self, root: Any, tool: str, where: str, *, loose: bool) -> None:
        super().__init__(tool, loose=loose)
        self.root, self.where, self.count = root, where, 0
        self.faults: list[CatalogueError] = []

    def distinct_notes(self) -> tuple[Note, ...]:
        """The notes, each once."""
        return tuple(dict.fromkeys(self.notes))

    def fault(self, place: Place, what: str, remedy: str) -> None:
        """Record a mistake in the schema, once."""
        error = CatalogueError(what, where=f"{self.where}{place.path}", remedy=remedy)
        if str(error) not in map(str, self.faults):
            self.faults.append(error)

    def read(self, raw: Any, place: Place) -> Flat | None:
        """A schema in the subset; None if no allowed value is known (never if it is read loosely)."""
        self.count += 1
        if place.depth > MAX_DEPTH or self.count > MAX_SCHEMAS:
            self.note(place, "", "cut here: it is too deep or too large")
            return {} if self.loose else None
        flat, place = self.flat(raw, place)
        result = None if flat is None else self.finished(flat, place)
        return {} if result is None and self.loose else result

    # ------------------------------------------------------------ one level: references, allOf, conditions

    def flat(self, raw: Any, place: Place) -> tuple[Flat | None, Place]:
        """The schema with its references and `allOf` merged, and its place with the references that were followed."""
        if isinstance(raw, bool):
            return ({} if raw else None), place
        if not isinstance(raw, Mapping):
            self.fault(place, f"a schema must be an object, not {raw!r}", "Write an object, or true.")
            return {}, place
        schema = modern(raw)
        if found := list(faults(schema)):
            for what, remedy in found:
                self.fault(place, what, remedy)
            return {}, place
        for key in unknown_keywords(schema):
            self.note(place, key, "is no keyword of JSON Schema, and is not used")
        for key in ("anyOf", "oneOf"):
            if key in schema and "unevaluatedProperties" in schema:
                schema = with_evaluated(schema, key)
        values = listed_values(schema)
        if values and "type" in schema and all(literal_problem({"type": schema["type"]}, value) for value in values):
            schema[NO_VALUE] = True
        parts = schema.pop("allOf", [])
        references = [schema.pop(key) for key in ("$ref", "$dynamicRef", "$recursiveRef") if key in schema]
        for reference in references:
            target, place = self._target(str(reference), place)
            parts = [target, *parts]
        self._set_apart(schema, place)
        merged: Flat | None = schema
        for part in parts:
            other, place = self.flat(part, place)
            merged = both(merged, other) if merged is not None and other is not None else None
        return merged and evaluated(merged), place

    def _target(self, reference: str, place: Place) -> tuple[Any, Place]:
        if place.open.count(reference) >= REPEATS:
            self.note(place, "$ref", f"{reference} is recursive: cut here")
            return self.loose, place
        try:
            return resolve(reference, self.root), place._replace(open=(*place.open, reference))
        except LookupError:
            self.fault(place, f"$ref {reference!r} is not defined here", "Write the schema out.")
            return True, place

    def _set_apart(self, schema: Flat, place: Place) -> None:
        """Move what needs a choice out of the keywords: alternatives, conditions, what is forbidden."""
        groups = [(key, schema.pop(key)) for key in ("anyOf", "oneOf") if key in schema]
        choices: list[Choice] = []
        case = {key: schema.pop(key) for key in ("if", "then", "else") if key in schema}
        if "if" in case and len(case) > 1:
            met, unmet = case.get("then", True), case.get("else", True)
            cases = [{"allOf": [met, unmet]}, {"allOf": [case["if"], met]}, {"allOf": [{"not": case["if"]}, unmet]}]
            choices.append(
                Choice("if", cases, ("what either case demands is always demanded", "only `then`", "only `else`"))
            )
        for name, part in schema.pop("dependentSchemas", {}).items():
            either: list[Schema] = [{"properties": {name: False}}, part]
            choices.append(Choice("dependentSchemas", either, ("", f"always demanded, as with {name}")))
        if "not" in schema:
            forbidden, _ = self.flat(schema.pop("not"), place)
            choices += [self._outside("not", forbidden)] if forbidden is not None else []
        schema |= {GROUPS: groups} if groups else {}
        schema |= {CHOICES: choices} if choices and not self.loose else {}

    def _outside(self, keyword: str, forbidden: Flat) -> Choice:
        return Choice(keyword, list(negations(forbidden)), forbidden=forbidden)

    # ------------------------------------------------------------ choices and alternatives

    def finished(self, flat: Flat, place: Place) -> Flat | None:
        """A merged schema in the subset; None if no allowed value is known."""
        if GROUPS in flat:
            return self._alternatives(flat, place)
        if CHOICES in flat:
            return self._chosen(flat, place)
        return self._plain(flat, place)

    def _chosen(self, flat: Flat, place: Place) -> Flat | None:
        """The schema with the first choice that leaves an allowed value. What is forbidden is looked at last.

        What is excluded as it is stays a choice until all are, since what another one declares may bring it back.
        """
        base, choices = {key: value for key, value in flat.items() if key != CHOICES}, flat[CHOICES]
        needed = [one for one in choices if one.forbidden is None or not excludes(base, one.forbidden)]
        if not needed:
            return self.finished(base, place)
        choice = min(needed, key=lambda one: one.forbidden is not None)
        rest = [one for one in choices if one is not choice]
        base |= {CHOICES: rest} if rest else {}
        for i, candidate in enumerate(choice.candidates):
            notes, found = len(self.notes), len(self.faults)
            other, inside = self.flat(candidate, place)
            merged = None if other is None else both(base, other)
            read = None if merged is None else self.finished(merged, inside)
            if read is not None:
                if choice.notes[i : i + 1] != ("",) and choice.notes:
                    self.note(place, choice.keyword, choice.notes[i])
                return read
            del self.notes[notes:], self.faults[found:]
        self.note(place, choice.keyword, "no value is known that it allows")
        return None

    def branches(self, flat: Flat, place: Place) -> list[tuple[Flat, Flat, Place]]:
        """The alternatives of the first group, each with all other keywords, as they are and in the subset."""
        (keyword, parts), *groups = flat[GROUPS]
        outer = {key: value for key, value in flat.items() if key not in ANNOTATIONS and key != GROUPS}
        outer |= {GROUPS: groups} if groups else {}
        flats = [self.flat(part, place) for part in parts]
        found = []
        for i, (own, inside) in enumerate(flats[:MAX_CASES]):
            merged = None if own is None else both(own, outer)
            if merged is not None and keyword == "oneOf" and not self.loose:
                others = [other for j, (other, _) in enumerate(flats) if j != i and other is not None]
                is_whole = not {GROUPS, CHOICES} & merged.keys()  # else more may be declared than `excludes` sees
                if not is_whole or not all(excludes(merged, other) for other in others):
                    apart = [self._outside(keyword, other) for other in others]
                    merged[CHOICES] = [*merged.get(CHOICES, []), *apart]
            notes = len(self.notes)
            read = None if merged is None else self.finished(merged, inside)
            if read is not None and merged is not None:
                found.append((merged, read, inside))
            elif parts[i] is not False:
                del self.notes[notes:]
                self.note(place, keyword, f"alternative {i} is left out: no value is known that the tool allows")
        if len(parts) > MAX_CASES:
            self.note(place, keyword, f"only the first {MAX_CASES} alternatives are used")
        return found

    def _alternatives(self, flat: Flat, place: Place) -> Flat | None:
        (keyword, parts), *_ = flat[GROUPS]
        read = [read for _, read, _ in self.branches(flat, place)]
        annotations = {key: value for key, value in flat.items() if key in ANNOTATIONS}
        if self.loose and len(read) < len(parts):
            return {}
        if len(read) < 2:
            return {**read[0], **annotations} if read else None
        nested = [inner for part in read for inner in _written_out(part)]
        kept = self.loose or (keyword == "oneOf" and len(read) == len(parts) and _apart(read))
        return {**annotations, keyword: read} if kept else {**annotations, "anyOf": nested}

    # ------------------------------------------------------------ without choices

    def _plain(self, flat: Flat, place: Place) -> Flat | None:
        """A schema without alternatives, by its kinds."""
        values = listed_values(flat)
        if values is not None:
            return self._listed(flat, values, place)
        names, excluded = list(types(flat)), flat.get(NOT_IN, ())
        if not names:
            names = _implied(flat)
            is_unclear = names in (["object"], ["array"]) and not {"properties", "items"} & flat.keys()
            if excluded and not names:
                names = [name for name in TYPES if all(literal_problem({"type": name}, value) for value in excluded)]
            flat = {"type": names if excluded else names[0], **flat} if is_unclear or excluded else flat
        kept: list[str] = []
        for name in names:
            read = self._of_kind(name, flat, place)
            if read is not None:
                kept, flat = [*kept, name], read
        flat = {key: value for key, value in flat.items() if key != NOT_IN}
        if names and not kept:
            return None
        if len(kept) < len(types(flat)):
            self.note(place, "type", f"never {' or '.join(name for name in types(flat) if name not in kept)}")
            flat["type"] = kept if len(kept) > 1 else kept[0]
        return flat

    def _of_kind(self, kind: str, flat: Flat, place: Place) -> Flat | None:
        match kind:
            case "null" if None in flat.get(NOT_IN, ()):
                return None
            case "object":
                return self.object(_not_empty(flat, {}, "minProperties"), place)
            case "array":
                return self.array(_not_empty(flat, [], "minItems"), place)
            case "string":
                return self.string(flat, place)
            case "integer" | "number":
                return self.number(flat, place)
            case "boolean" if any(isinstance(value, bool) for value in flat.get(NOT_IN, ())):
                return {**flat, "enum": [value for value in (True, False) if value not in flat[NOT_IN]]}
        return flat

    def _listed(self, flat: Flat, values: Sequence[Any], place: Place) -> Flat | None:
        """A schema whose values are listed: those that all of its keywords allow."""
        internal = (*APPLICATORS, NOT_IN, NO_VALUE, "required", "pattern")
        result = {key: value for key, value in flat.items() if key not in internal}
        if not values or NO_VALUE in flat:
            self.note(place, "enum", "lists no value of its type: only the output of another tool can be given")
            return result
        excluded = flat.get(NOT_IN, ())
        listed = [value for value in values if not any(is_same(value, other) for other in excluded)]
        if result.keys() != flat.keys():
            rest = self._plain(
                {key: value for key, value in flat.items() if key not in ("enum", "const", NOT_IN)}, place
            )
            listed = [] if rest is None else allowed_literals(rest, listed)
        if not allowed_literals(result, listed):
            return {} if self.loose else None
        if len(listed) < len(values):
            result = {**{key: value for key, value in result.items() if key != "const"}, "enum": listed}
        return result

    # ------------------------------------------------------------ a tool's arguments

    def inputs(self, raw: Any) -> Flat | None:
        """The schema of arguments: one object, with no alternatives."""
        place = Place()
        flat, place = self.flat(raw, place)
        flat = None if flat is None else both(flat, {"type": "object"})
        if flat is None:
            self.fault(place, "the arguments are no object", 'Write a schema of `"type": "object"`.')
            return None
        while GROUPS in flat:
            (keyword, _), *groups = flat[GROUPS]
            found = self.branches({**flat, GROUPS: flat[GROUPS][:1]}, place)
            if not found:
                return None
            flat = {**self._one_of(keyword, found), **({GROUPS: groups} if groups else {})}
        for name in flat.get("required", ()):
            if name not in flat.get("properties", {}):
                remedy = "Define it under `properties`, or take it out of `required`."
                self.fault(place, f"{name!r} is required but not defined", remedy)
        return self.finished(flat, place)

    def _one_of(self, keyword: str, found: Sequence[tuple[Flat, Flat, Place]]) -> Flat:
        """The alternative with the most arguments, joined with those that differ from it in listed values only."""
        richest = max(found, key=lambda b: (len(b[1].get("properties", {})), -len(b[1].get("required", ()))))[1]
        if len(found) == 1:
            return richest
        for name in richest.get("required", ()):
            values = joined_values(name, richest, found)
            if len(values) > 1:
                self.note(Place(), keyword, "alternatives are joined: every argument of the largest is demanded")
                part = {k: v for k, v in richest["properties"][name].items() if k != "const"}
                return {**richest, "properties": {**richest["properties"], name: {**part, "enum": values}}}
        names = ", ".join(richest.get("required", ())) or "no required argument"
        self.note(Place(), keyword, f"one of {len(found)} alternatives is used: that with {names}")
        return richest


def _not_empty(flat: Flat, empty: Any, least: str) -> Flat:
    """A schema of which the empty value is excluded; other values of its kind cannot be excluded."""
    excluded = [value for value in flat.get(NOT_IN, ()) if isinstance(value, type(empty))]
    if any(excluded):
        return {**flat, least: MAX_ITEMS + 1}  # nothing has as many
    return {**flat, least: max(1, flat.get(least, 0))} if excluded else flat


def _written_out(schema: Schema) -> list[Flat]:
    """The alternatives of a schema that has nothing else."""
    inner = schema.get("anyOf")
    return list(inner) if inner is not None and not schema.keys() - {"anyOf"} else [dict(schema)]


def _apart(read: Sequence[Schema]) -> bool:
    """Whether a grammar can tell that exactly one alternative holds: by types, or as all values are listed."""
    alone = [variant for part in read for variant in variants(part)]
    if all("enum" in variant or "const" in variant for variant in alone):
        return True
    kinds = ["number" if variant.get("type") == "integer" else variant.get("type") for variant in alone]
    return None not in kinds and len({*kinds}) == len(kinds)


def _implied(flat: Schema) -> list[str]:
    """The types that the keywords speak of, where no type is declared."""
    if "properties" in flat:
        return ["object"]
    if "items" in flat:
        return ["array"]
    return [kind for kind, keys in _OF_KIND.items() if any(key in flat for key in keys)][:1]
