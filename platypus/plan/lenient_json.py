"""JSON that is nearly right, read with every repair named. Of plans it knows only references."""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from platypus.plan.plan import MARK, MAX_DEPTH, REFERENCE, Malformed, parse_json
from platypus.strict_json import strict_json

NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w.])")
WORD = re.compile(r"[A-Za-z_][\w.-]*")
FENCE = re.compile(r"\s*```\w*\s*\n(.*?)\n?\s*```\s*", re.DOTALL)
CLOSES = re.compile(r"\s*(?:[,:\]}'\"{\[“‘]|$)")  # noqa: RUF001
CONSTANTS = {"true": True, "false": False, "null": None}
PYTHON_CONSTANTS = {"True": True, "False": False, "None": None}
QUOTES = {'"': '"', "'": "'", "“": "”", "‘": "’"}  # noqa: RUF001
ESCAPES = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


@dataclass(frozen=True)
class Read:
    """The data in a text, and each repair with its count: `trailing comma (2)`."""

    data: Any
    repairs: tuple[str, ...] = ()


class Element(NamedTuple):
    """One element of a list: the position of its first character in the text, its data and its repairs."""

    start: int
    read: Read


def read_loosely(text: str) -> Read:
    """The data of a text that is JSON, or nearly so. Otherwise the data is the Malformed of strict reading."""
    data = parse_json(text)
    if not isinstance(data, Malformed):
        return Read(data)
    reader = _Reader(text)
    try:
        repaired = reader.whole()
    except _Fault:
        return Read(data)
    return Read(repaired, counted(reader.repairs))


def read_list_loosely(text: str) -> list[Element]:
    """The elements of a list that is nearly JSON. Raises ValueError with line and column where it cannot be read."""
    reader = _Reader(text)
    try:
        return list(reader.elements())
    except _Fault as fault:
        raise ValueError(str(fault)) from fault


def counted(repairs: Mapping[str, int]) -> tuple[str, ...]:
    """`("single quotes (2)", "trailing comma (1)")`: each repair with its count, sorted by name."""
    return tuple(f"{name} ({count})" for name, count in sorted(repairs.items()) if count)


class _Fault(Exception):
    """The text cannot be read any further."""


class _Reader:
    """Reads one text from left to right and counts the repairs."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.repairs: Counter[str] = Counter()

    def whole(self) -> Any:
        """The only value of the text, which may stand in a code fence."""
        fenced = FENCE.fullmatch(self.text)
        if fenced:
            self.text = fenced[1]
            self.repairs["code fence"] += 1
        value = self._value(0)
        if self._peek():
            raise self._fault("text follows the value")
        return value

    def elements(self) -> Iterator[Element]:
        """The elements of the text, which must be a list."""
        if self._peek() != "[":
            raise self._fault("expected a list")
        self.at += 1
        while self._more("]"):
            start, self.repairs = self.at, Counter()
            value = self._value(1)
            self._comma("]")
            yield Element(start, Read(value, counted(self.repairs)))

    def _fault(self, what: str) -> _Fault:
        line = self.text.count("\n", 0, self.at) + 1
        column = self.at - self.text.rfind("\n", 0, self.at)
        return _Fault(f"{what}: line {line} column {column}")

    def _peek(self) -> str:
        while self.at < len(self.text) and self.text[self.at].isspace():
            self.at += 1
        return self.text[self.at : self.at + 1]

    def _value(self, depth: int) -> Any:
        first = self._peek()
        if depth > 4 * MAX_DEPTH:
            raise self._fault("arrays and objects are nested too deeply")
        if first == "{":
            return self._object(depth)
        if first == "[":
            self.at += 1
            return list(self._list(depth))
        if first in QUOTES and first:
            return self._string(first)
        return self._bare()

    def _list(self, depth: int) -> Iterator[Any]:
        while self._more("]"):
            yield self._value(depth + 1)
            self._comma("]")

    def _object(self, depth: int) -> dict[str, Any]:
        self.at += 1
        entries: dict[str, Any] = {}
        while self._more("}"):
            key = self._key()
            if key in entries:
                raise self._fault(f"key {key!r} stands twice in one object")
            if self._peek() != ":":
                raise self._fault("a colon is missing")
            self.at += 1
            entries[key] = self._value(depth + 1)
            self._comma("}")
        return entries

    def _more(self, end: str) -> bool:
        """Whether another element follows; the closing bracket is skipped."""
        if self._peek() == end:
            self.at += 1
            return False
        if not self._peek():
            raise self._fault(f"{end!r} is missing")
        return True

    def _comma(self, end: str) -> None:
        """Skip the comma after an element. It may be missing, and may stand after the last element."""
        if self._peek() == ",":
            self.at += 1
            self.repairs["trailing comma"] += self._peek() == end
        elif self._peek() not in (end, ""):
            self.repairs["missing comma"] += 1

    def _key(self) -> str:
        quote = self._peek()
        if quote in QUOTES:
            return self._string(quote)
        return str(self._match(WORD, "bare key", str, "expected a key"))

    def _bare(self) -> Any:
        """A value without quotes: a number, a constant of JSON or Python, a reference."""
        number = NUMBER.match(self.text, self.at)
        if number:
            try:
                value = strict_json(number[0])
            except ValueError as error:
                raise self._fault("the number is too large") from error
            self.at = number.end()
            return value
        if self.text.startswith(MARK, self.at):
            return self._match(REFERENCE, "bare reference", str, "expected a reference")
        word = WORD.match(self.text, self.at)
        if word and word[0] in CONSTANTS:
            self.at = word.end()
            return CONSTANTS[word[0]]
        if word and word[0] in PYTHON_CONSTANTS:
            return self._match(WORD, "Python constant", PYTHON_CONSTANTS.__getitem__, "")
        raise self._fault("expected a value")

    def _match(self, pattern: re.Pattern[str], repair: str, convert: Callable[[str], Any], fault: str) -> Any:
        match = pattern.match(self.text, self.at)
        if not match:
            raise self._fault(fault)
        self.at = match.end()
        self.repairs[repair] += 1
        return convert(match[0])

    def _string(self, quote: str) -> str:
        """A string in any kind of quotes. Single quotes may contain an apostrophe: 'What's new'."""
        if quote != '"':
            self.repairs["single quotes" if quote == "'" else "curly quotes"] += 1
        self.at += 1
        letters: list[str] = []
        while self.at < len(self.text):
            letter = self.text[self.at]
            if letter == "\\":
                letters.append(self._escape())
                continue
            self.at += 1
            if letter == QUOTES[quote] and (quote == '"' or CLOSES.match(self.text, self.at)):
                return "".join(letters)
            self.repairs["line break in a string"] += letter in "\n\r\t"
            letters.append(letter)
        raise self._fault("a string does not end")

    def _escape(self) -> str:
        r"""The characters that an escape stands for: `\n`, `\u00e9`, or a needless one such as `\$`."""
        letter = self.text[self.at + 1 : self.at + 2]
        if letter == "u":
            match = re.compile(r"(?:\\u[0-9a-fA-F]{4})+").match(self.text, self.at)
            if not match:
                raise self._fault("an escape is incomplete")
            self.at = match.end()
            return str(json.loads(f'"{match[0]}"'))
        if not letter:
            raise self._fault("a string does not end")
        self.at += 2
        if letter in ESCAPES:
            return ESCAPES[letter]
        self.repairs["escaped dollar" if letter == "$" else "needless escape"] += 1
        return letter
