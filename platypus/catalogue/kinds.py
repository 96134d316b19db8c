"""Objects, arrays, texts and numbers of a schema without references → the subset, one kind at a time.

The methods return the schema with the keywords of their kind rewritten, or None if no allowed value of the kind is
known. How parts are read is left to `platypus.catalogue.tightening`, which also says what is read loosely.
"""

import re
from abc import ABC, abstractmethod
from typing import Any, NamedTuple

from platypus.catalogue.drafts import is_marked_required
from platypus.catalogue.intersection import NOT_IN, by_pattern
from platypus.catalogue.patterns import both, is_decodable, is_found, none_of, readable
from platypus.catalogue.schema import literal_problem

MAX_FIELDS = 64
MAX_ITEMS = 100

Flat = dict[str, Any]


class Note(NamedTuple):
    """What was given up of a tool's schema: the tool, the place in it, the keyword, and what was done."""

    tool: str
    place: str
    keyword: str
    done: str


class Place(NamedTuple):
    """A place in a schema: how it is written in messages, the references that led to it, and its depth."""

    path: str = ""
    open: tuple[str, ...] = ()
    depth: int = 0

    def inside(self, name: str) -> "Place":
        """The place of a part."""
        return Place(self.path + name, self.open, self.depth + 1)


class KindReader(ABC):
    """Reads schemas of one kind, and collects notes. Read `loose`ly, nothing is given up."""

    def __init__(self, tool: str, *, loose: bool) -> None:
        self.tool, self.loose = tool, loose
        self.notes: list[Note] = []

    @abstractmethod
    def read(self, raw: Any, place: Place) -> Flat | None:
        """A schema in the subset, or None if no allowed value is known."""

    def note(self, place: Place, keyword: str, done: str) -> None:
        """Note what is given up."""
        self.notes.append(Note(self.tool, place.path, keyword, done))

    def object(self, flat: Flat, place: Place) -> Flat | None:
        """An object: only declared properties, or any keys if none is declared."""
        names = flat.get("propertyNames", True)
        if not flat.get("properties") and isinstance(names, dict) and "enum" in names and not self.loose:
            listed = [name for name in names["enum"] if isinstance(name, str)]
            flat = {**flat, "properties": dict.fromkeys(listed, flat.get("additionalProperties", True))}
        if not flat.get("properties") and flat.get("required") and not self.loose:
            flat = {**flat, "properties": dict.fromkeys(flat["required"], flat.get("additionalProperties", True))}
        return self._declared(flat, place) if flat.get("properties") else self._free(flat, place)

    def _declared(self, flat: Flat, place: Place) -> Flat | None:
        declared, properties = flat["properties"], {}
        required = [*flat.get("required", ())]
        required += [name for name, part in declared.items() if is_marked_required(part) and name not in required]
        for name in required:
            if name not in declared:  # it may be anything that other properties may be
                declared = {**declared, name: flat.get("additionalProperties", True)}
        for name, part in declared.items():
            read = self._property(flat, name, part, place)
            if read is not None:
                properties[name] = read
        result = _without(flat, "patternProperties", "propertyNames", "dependentRequired")
        if isinstance(flat.get("additionalProperties"), dict):
            extra = self.silent(flat["additionalProperties"], place)
            result["additionalProperties"] = False if extra is None else extra
        if self.loose:
            return {**result, "properties": properties}
        self._drop_dependent(flat, properties, required, place)
        if not set(required) <= properties.keys():
            return None
        result = _without(result, "minProperties", "maxProperties")
        least, most = flat.get("minProperties", 0), flat.get("maxProperties", len(properties))
        if least > len(properties) or len(required) > min(most, MAX_FIELDS if place.path else len(properties)):
            return None
        if not place.path:
            self._count_arguments(least, most, properties, required)
        else:
            self._few(properties, required, place)
            result |= {"minProperties": least} if least > len(required) else {}
            result |= {"maxProperties": most} if most < len(properties) else {}
        result["properties"] = properties
        if required or "required" in flat:
            result["required"] = required
        return {**_without(result, "properties"), "additionalProperties": False} if not properties else result

    def _property(self, flat: Flat, name: str, part: Any, place: Place) -> Flat | None:
        """A property as all keywords that concern it allow it. A note says so if an optional one is left out."""
        rules = by_pattern(flat, name)
        read = self.read({"allOf": [part, *rules]} if rules else part, place.inside(f".{name}"))
        names = flat.get("propertyNames", True)
        if read is not None and names is not True and not self.loose:
            allowed = self.read(names, place)
            read = read if allowed is not None and literal_problem(allowed, name) is None else None
        if read is None and part is not False and name not in flat.get("required", ()):
            self.note(place.inside(f".{name}"), "", "left out: no value is known that the tool allows")
        return read

    def _drop_dependent(self, flat: Flat, properties: Flat, required: list[str], place: Place) -> None:
        """Make what a required property needs required too; drop optional ones that need what is optional."""
        for _ in flat.get("dependentRequired", {}):
            for name, needed in flat["dependentRequired"].items():
                missing = [other for other in needed if other not in required]
                if name in required:
                    required += [other for other in missing if other not in required]
                elif missing and name in properties:
                    del properties[name]
                    self.note(place.inside(f".{name}"), "dependentRequired", f"left out: it needs {', '.join(missing)}")

    def _count_arguments(self, least: int, most: int, properties: Flat, required: list[str]) -> None:
        """Keep the number of a tool's arguments within limits, which a plan's grammar cannot count."""
        optional = [name for name in properties if name not in required]
        if most < len(properties):
            for name in optional[most - len(required) :]:
                del properties[name]
            self.note(Place(), "maxProperties", f"only with {', '.join(properties)}")
        if least > len(required):
            more = optional[: least - len(required)]
            required += more
            self.note(Place(), "minProperties", f"always with {', '.join(more)}")

    def _few(self, properties: Flat, required: list[str], place: Place) -> None:
        """Drop optional properties beyond what a grammar can count."""
        optional = [name for name in properties if name not in required]
        if (count := len(properties)) > MAX_FIELDS:
            for name in optional[MAX_FIELDS - len(required) :]:
                del properties[name]
            self.note(place, "properties", f"only {MAX_FIELDS} of {count} are used")

    def _free(self, flat: Flat, place: Place) -> Flat | None:
        """An object with any keys, or with keys that a rule allows."""
        patterns, rest = flat.get("patternProperties", {}), flat.get("additionalProperties", True)
        result = _without(flat, "patternProperties", "propertyNames", "dependentRequired")
        if self.loose:
            return {**result, "additionalProperties": True} if patterns or rest is not True else result
        keys = [flat["propertyNames"]] if flat.get("propertyNames", True) is not True else []
        if patterns:
            rules = [*patterns.values(), *([rest] if isinstance(rest, dict) else [])]
            keys += [{"pattern": "|".join(patterns)}] if rest is False else []
            rest = rules[0] if len(rules) == 1 else {"allOf": rules}
        values = rest if isinstance(rest, bool) else self.read(rest, place.inside(".*"))
        names = self.read({"type": "string", "allOf": keys}, place.inside(" (keys)")) if keys else {"type": "string"}
        if values is None or values is False or names is None or flat.get("maxProperties") == 0:
            result = {**_without(result, "minProperties", "maxProperties"), "additionalProperties": False}
            return None if flat.get("minProperties") else result
        if flat.get("minProperties", 0) > min(flat.get("maxProperties", MAX_ITEMS), MAX_ITEMS):
            return None
        if rest is not True or "additionalProperties" in flat:
            result["additionalProperties"] = values
        return result if names == {"type": "string"} else {**result, "propertyNames": names}

    def array(self, flat: Flat, place: Place) -> Flat | None:
        """An array of elements of one schema, or of one schema for each position."""
        flat = self._with_contained(flat, place)
        prefix, rest = flat.get("prefixItems", []), flat.get("items", True)
        result = _without(flat, "prefixItems", "contains", "minContains", "maxContains")
        positions = [self.read(part, place.inside(f"[{i}]")) for i, part in enumerate(prefix)]
        if None in positions:
            positions, rest = positions[: positions.index(None)], False
        least, most = flat.get("minItems", 0), min(flat.get("maxItems", MAX_ITEMS), MAX_ITEMS)
        items = True if rest is True else None if rest is False else self.read(rest, place.inside("[]"))
        if not prefix:
            return self._list(
                {**result, "items": items} if rest is not True or "items" in flat else result, least, most
            )
        equal = bool(positions) and all(part == positions[0] for part in positions)
        if self.loose or (equal and items == positions[0]):
            return self._list({**result, "items": positions[0] if equal else True}, least, most)
        most = min(most, len(positions))
        whole = {**_without(result, "items"), "minItems": least if equal and least else most, "maxItems": most}
        if least > most or (flat.get("uniqueItems") and most > 1 and not equal):
            return None
        return {**whole, "items": positions[0]} if equal else {**whole, "prefixItems": positions} if most else whole

    def _list(self, result: Flat, least: int, most: int) -> Flat | None:
        items = result.get("items", True)
        if items is None:
            result, most = {"type": "array", **_without(result, "items"), "maxItems": 0}, 0
        elif items is True:
            result = {**result, "items": {}} if "items" in result else result
        return result if self.loose or least <= most else None

    def _with_contained(self, flat: Flat, place: Place) -> Flat:
        """Elements that must be in an array are demanded of every element."""
        least = flat.get("minContains", 1)
        if "contains" not in flat or self.loose:
            return flat
        if least == 0 and "maxContains" not in flat:
            return flat
        self.note(place, "contains", "demanded of every element")

        def held(part: Any) -> Any:
            return False if part is False else {"allOf": [part, flat["contains"]]}

        prefix = {"prefixItems": list(map(held, flat["prefixItems"]))} if "prefixItems" in flat else {}
        least = max(flat.get("minItems", 0), least)
        most = min(flat.get("maxContains", MAX_ITEMS), flat.get("maxItems", MAX_ITEMS))
        return {**flat, **prefix, "items": held(flat.get("items", True)), "minItems": least, "maxItems": most}

    def string(self, flat: Flat, place: Place) -> Flat | None:
        """A text whose pattern Python can read and a grammar can decode."""
        if flat.get("minLength", 0) > flat.get("maxLength", flat.get("minLength", 0)) and not self.loose:
            return None
        pattern = flat.get("pattern")
        excluded = [value for value in flat.get(NOT_IN, ()) if isinstance(value, str)]
        if excluded == [""]:
            flat = {**flat, "minLength": max(1, flat.get("minLength", 0))}
        elif excluded:
            others = none_of(f"^(?:{'|'.join(map(re.escape, excluded))})$")
            pattern = others if pattern is None else both(pattern, others)
        if pattern is None:
            return flat
        translated = readable(pattern)
        if self.loose:
            return {**flat, "pattern": translated} if translated == pattern else _without(flat, "pattern")
        if translated is not None and is_decodable(translated):
            if translated != pattern:
                self.note(place, "pattern", f"read as {translated!r}")
            return {**flat, "pattern": translated}
        return self._of_examples(flat, translated, place)

    def _of_examples(self, flat: Flat, pattern: str | None, place: Place) -> Flat | None:
        """The examples that match a pattern that no grammar can hold; None if there is none."""
        given = [*flat.get("examples", ()), *([flat["default"]] if "default" in flat else [])]
        rest = _without(flat, "pattern", "examples", NOT_IN)
        texts = [text for text in dict.fromkeys(filter(_is_text, given)) if pattern and is_found(pattern, text)]
        texts = [text for text in texts if literal_problem({**rest, "type": "string"}, text) is None]
        if not texts:
            self.note(place, "pattern", "cannot be decoded, and no example matches it: no value is known")
            return None
        self.note(place, "pattern", "cannot be decoded: only the examples given are used")
        return {**rest, "enum": texts}

    def number(self, flat: Flat, place: Place) -> Flat | None:
        """A number within its limits."""
        excluded = [
            value for value in flat.get(NOT_IN, ()) if isinstance(value, int | float) and not isinstance(value, bool)
        ]
        least, most = flat.get("minimum", float("-inf")), flat.get("maximum", float("inf"))
        excluded = [value for value in excluded if least <= value <= most]
        if excluded:
            if max(excluded) < min(most, flat.get("exclusiveMaximum", most)):
                flat = {**flat, "exclusiveMinimum": max(*excluded, flat.get("exclusiveMinimum", max(excluded)))}
                self.note(place, "not", f"only above {max(excluded)}")
            else:
                flat = {**flat, "exclusiveMaximum": min(*excluded, flat.get("exclusiveMaximum", min(excluded)))}
                self.note(place, "not", f"only below {min(excluded)}")
        return flat if self.loose or least <= most else None

    def silent(self, raw: Any, place: Place) -> Flat | None:
        """Read a part whose values are never made: without notes."""
        before = len(self.notes)
        read = self.read(raw, place)
        del self.notes[before:]
        return read


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _without(flat: Flat, *keys: str) -> Flat:
    return {key: value for key, value in flat.items() if key not in keys}
