"""What a grammar cannot check: that elements of a set and keys of an object differ, and which markers exist.

`UniquenessTracker` reads the text of a plan as it grows and reports two equal elements or keys. It assumes that the
catalogue's grammar allows the text. Elements are equal as in JSON Schema: 1 and 1.0 are equal, 1 and true are not. If a
value may be one of several kinds of array, its elements must differ as soon as one of these kinds requires it. A marker
counts as the text of the request that it stands for; any other marker is refused.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import NamedTuple, Self

from platypus.catalogue.schema import Schema, variants
from platypus.catalogue.tools import Catalogue
from platypus.plan.equality import plain_numbers
from platypus.plan.notation import Notation

_QUOTE, _BACKSLASH, _COLON, _COMMA, _EQUALS, _ARRAY, _OBJECT, _CALL, _MARKER, _END = b'"\\:,=[{(<>'
_CLOSING = b"]})"


class _Frame(NamedTuple):
    """An open bracket: its kind, whether its parts must differ, where the current part starts, and the parts so far.

    `schemas` are the possible schemas of the value, none if it may be anything. It has at least `least` elements.
    """

    kind: int
    distinct: bool
    start: int
    schemas: tuple[Schema, ...] = ()
    least: int = 0
    seen: frozenset[str] = frozenset()
    key: bool = True  # whether the next string in an object is a key


class UniquenessTracker:
    """Reads the text of a growing plan byte by byte."""

    def __init__(self, catalogue: Catalogue, notation: Notation) -> None:
        self._schemas: Mapping[tuple[str, str], Schema] = {
            (tool.name, argument.name): argument.schema for tool in catalogue for argument in tool.arguments
        }
        self._json = notation == "json"
        self._base = 4 if self._json else 1  # open brackets around an argument's value
        self._text = bytearray()
        self._frames: list[_Frame] = []
        self._in_string = self._escaped = False
        self._string = 0  # where the last string begins
        self._before = ""  # the string before the last one
        self._tool = self._argument = ""
        self._named: Sequence[str] = ()
        self._number: int | None = None  # the digits so far of an open marker

    def copy(self) -> Self:
        """An independent copy."""
        new = object.__new__(type(self))
        new.__dict__.update(self.__dict__)
        new._text, new._frames = self._text.copy(), self._frames.copy()
        return new

    def of(self, named: Sequence[str]) -> Self:
        """A copy for a request whose markers stand for the texts `named`."""
        new = self.copy()
        new._named = named
        return new

    @cached_property
    def compares(self) -> bool:
        """Whether some values of the catalogue have parts that must differ."""
        return any(map(_has_parts_that_differ, self._schemas.values()))

    @property
    def is_settled(self) -> bool:
        """Whether everything that is begun can be completed without a repetition.

        True where nothing has to differ, and before the next element of a set that still has too few: the grammar only
        has sets with enough different values.
        """
        watched = [frame for frame in self._frames if frame.distinct and frame.key]
        if not watched:
            return True
        frame = self._frames[-1]
        return watched[0] is frame and len(frame.seen) < frame.least and not self._text[frame.start :].strip()

    @property
    def seen(self) -> int:
        """The number of elements and keys from which the current ones must differ."""
        return sum(len(frame.seen) for frame in self._frames if frame.distinct and frame.key)

    @property
    def in_text(self) -> bool:
        """Whether the text is inside a string."""
        return self._in_string

    def read(self, more: bytes) -> bool:
        """Read these bytes; False at an unknown marker, or once two elements of a set or two keys are equal."""
        return all(self._byte(byte) for byte in more)

    def _byte(self, byte: int) -> bool:
        self._text.append(byte)
        if self._in_string:
            if self._escaped or byte == _BACKSLASH:
                self._escaped = not self._escaped
            elif byte == _QUOTE:
                self._in_string = False
                return self._end_string()
        elif byte == _QUOTE:
            self._in_string, self._string = True, len(self._text) - 1
        elif byte == _MARKER or self._number is not None:
            return self._mark(byte)
        elif byte in (_ARRAY, _OBJECT, _CALL):
            self._open(byte)
        elif byte == _COMMA or byte in _CLOSING:
            return self._end_part(byte)
        elif byte == _EQUALS and len(self._frames) == 1:
            self._argument = _name(self._text[self._frames[-1].start : -1])
        return True

    def _mark(self, byte: int) -> bool:
        """Read one byte of a marker. At its end, the text that it stands for takes its place."""
        if byte == _MARKER:
            self._number, self._string = 0, len(self._text) - 1
            return bool(self._named)
        number = self._number or 0
        if byte != _END:
            self._number = 10 * number + int(chr(byte))
            return self._number <= len(self._named)
        self._number = None
        self._text[self._string :] = json.dumps(self._named[number - 1], ensure_ascii=False).encode()
        return self._end_string()

    def _end_string(self) -> bool:
        string = self._text[self._string :].decode()
        if self._json and len(self._frames) == 2 and self._before == '"tool_name"':
            self._tool = json.loads(string)
        elif self._json and len(self._frames) == 4 and self._before == '"argument_name"':
            self._argument = json.loads(string)
        self._before = string
        frame = self._frames[-1] if self._frames else None
        if frame is None or not frame.distinct or not frame.key:
            return True
        if frame.kind == _OBJECT:
            self._frames[-1] = frame._replace(seen=frame.seen | {string}, key=False)
        return string not in frame.seen

    def _open(self, kind: int) -> None:
        depth = len(self._frames)
        if kind == _CALL:
            self._tool = _name(self._text[:-1].rpartition(b"\n")[2])
        schemas: tuple[Schema, ...] = ()
        if depth == self._base:
            schemas = tuple(filter(None, [self._schemas.get((self._tool, self._argument))]))
        elif depth > self._base and self._frames[-1].schemas:
            key = json.loads(self._before) if self._frames[-1].kind == _OBJECT else None
            schemas = tuple(part for schema in self._frames[-1].schemas for part in _parts(schema, key))
        sets = [variant for schema in schemas for variant in variants(schema) if variant.get("uniqueItems")]
        distinct = depth >= self._base and (kind == _OBJECT or bool(sets))
        least = min((variant.get("minItems", 0) for variant in sets), default=0) if kind == _ARRAY else 0
        self._frames.append(_Frame(kind, distinct, len(self._text), schemas, least))

    def _end_part(self, byte: int) -> bool:
        if not self._frames:
            return True  # the text before the plan
        frame = self._frames.pop()
        if frame.kind == _ARRAY and frame.distinct:
            part = _canonical(self._text[frame.start : -1].decode().strip())
            if part in frame.seen:
                return False
            frame = frame._replace(seen=frame.seen | {part})
        if byte == _COMMA:
            self._frames.append(frame._replace(start=len(self._text), key=True))
        return True


def _canonical(element: str) -> str:
    """The same text for equal values; numbers and objects can be written in more than one way."""
    if element[:1] in ("{", "["):
        return json.dumps(plain_numbers(json.loads(element)), sort_keys=True)
    return str(plain_numbers(json.loads(element))) if element[:1] in "-0123456789" and element else element


def _name(text: bytearray) -> str:
    name = text.decode().strip()
    return str(json.loads(name)) if name.startswith('"') else name


def _has_parts_that_differ(schema: Schema) -> bool:
    """Whether a value of this schema may be or hold a set, or an object, whose keys differ."""
    return any(
        variant.get("type") in (None, "object")
        or bool(variant.get("uniqueItems"))
        or (
            variant["type"] == "array"
            and ("items" not in variant or any(map(_has_parts_that_differ, _parts(variant, None))))
        )
        for variant in variants(schema)
    )


def _parts(schema: Schema, key: str | None) -> Iterator[Schema]:
    """The possible schemas of an object's field, or, if `key` is None, of an array's element."""
    for variant in variants(schema):
        field = variant.get("properties", {}).get(key, variant.get("additionalProperties"))
        parts = [variant.get("items"), *variant.get("prefixItems", ())] if key is None else [field]
        yield from (part for part in parts if isinstance(part, Mapping))
