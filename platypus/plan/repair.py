r"""What `refine` forgives in other people's data: text that is nearly JSON, plans that are nearly canonical.

    {'plan': "[{\"tool_name\": \"whoami\" \"arguments\": {},}]"}
    single quotes, wrapped string, missing comma, dict arguments, trailing comma

Each repair has a name and is counted. Only what can be meant in one way is mended: text that is cut off, a key that
stands twice and NaN stay faults. Whether what comes out is a valid plan is not known here.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from platypus.catalogue.schema import Schema, allowed_values, array_items, literal_problem
from platypus.catalogue.tools import Catalogue, Tool
from platypus.plan.plan import MARK, MAX_DEPTH, REFERENCE, Malformed, parse_json

NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w.])")
WORD = re.compile(r"[A-Za-z_][\w.-]*")
FENCE = re.compile(r"\s*```\w*\s*\n(.*?)\n?\s*```\s*", re.DOTALL)
CLOSES = re.compile(r"\s*(?:[,:\]}'\"{\[“‘]|$)")  # noqa: RUF001
CONSTANTS = {"true": True, "false": False, "null": None}
PYTHONS = {"True": True, "False": False, "None": None}
QUOTES = {'"': '"', "'": "'", "“": "”", "‘": "’"}  # noqa: RUF001
ESCAPES = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
WRAPPED = 3  # how often a text may be wrapped in a string


@dataclass(frozen=True)
class Read:
    """What a text was read as, and the name and number of each repair: `trailing comma (2)`."""

    data: Any
    repairs: tuple[str, ...] = ()


class Element(NamedTuple):
    """One element of a list, where it begins in the text, and its repairs."""

    start: int
    read: Read


def read_loosely(text: str) -> Read:
    """JSON, or what is nearly JSON, mended. The data is Malformed, as strict reading found it, when it is neither."""
    data = parse_json(text)
    if not isinstance(data, Malformed):
        return Read(data)
    reader = _Reader(text)
    try:
        mended = reader.whole()
    except _Fault:
        return Read(data)
    return Read(mended, _named(reader.repairs))


def read_list_loosely(text: str) -> list[Element]:
    """The elements of a list that is nearly JSON. Raises ValueError with the place where even that ends."""
    reader = _Reader(text)
    try:
        return list(reader.elements())
    except _Fault as fault:
        raise ValueError(str(fault)) from fault


def mend_plan(data: Any, catalogue: Catalogue | None = None) -> Read:
    """Decoded data as a plan in the canonical form, as far as it was nearly one; with a catalogue, in its words.

    `[{"name": "search", "arguments": {"customer": "Globex"}}]` → `[{"tool_name": "search", "arguments": [
    {"argument_name": "customer", "argument_value": "Globex"}]}]`
    """
    repairs: Counter[str] = Counter()
    data = _unwrapped(data, repairs)
    if isinstance(data, Mapping) and data.keys() & {"tool_name", "name", "function"}:
        repairs["step that is no list"] += 1
        data = [data]
    if isinstance(data, list):
        data = [_step(entry, repairs) if isinstance(entry, Mapping) else entry for entry in data]
    if isinstance(data, list) and catalogue is not None:
        data = [_fitted(entry, catalogue, repairs) if isinstance(entry, Mapping) else entry for entry in data]
    return Read(data, _named(repairs))


def _named(repairs: Mapping[str, int]) -> tuple[str, ...]:
    return tuple(f"{name} ({count})" for name, count in sorted(repairs.items()) if count)


# ---------------------------------------------------------------- plans


def _unwrapped(data: Any, repairs: Counter[str]) -> Any:
    """The list or object that is wrapped in a text, perhaps in a text again."""
    for depth in range(WRAPPED):
        if not isinstance(data, str):
            break
        read = read_loosely(data)
        if not isinstance(read.data, list | dict | str):
            break
        repairs["wrapped string"] += depth > 0  # a plan may be a text: that is a form, not a fault
        for repair in read.repairs:
            name, _, count = repair.rpartition(" (")
            repairs[name] += int(count[:-1])
        data = read.data
    return data


def _step(step: Mapping[str, Any], repairs: Counter[str]) -> Mapping[str, Any]:
    if isinstance(step.get("function"), Mapping):
        step = step["function"]
        repairs["function call"] += 1
    if "tool_name" not in step and isinstance(step.get("name"), str):
        step = {"tool_name" if key == "name" else key: value for key, value in step.items()}
        repairs["tool under `name`"] += 1
    if step.keys() == {"tool_name"}:
        step = {**step, "arguments": []}
        repairs["missing arguments"] += 1
    arguments = step.get("arguments")
    if isinstance(arguments, str):
        arguments = read_loosely(arguments).data
        repairs["wrapped string"] += 1
    if isinstance(arguments, Mapping):
        arguments = [{"argument_name": name, "argument_value": value} for name, value in arguments.items()]
        repairs["dict arguments"] += 1
    if not isinstance(arguments, list):
        return step
    return {**step, "arguments": [_argument(argument, repairs) for argument in arguments]}


def _argument(argument: Any, repairs: Counter[str]) -> Any:
    if not isinstance(argument, Mapping):
        return argument
    if argument.keys() == {"name", "value"}:
        argument = {f"argument_{key}": value for key, value in argument.items()}
        repairs["argument under `name`"] += 1
    return {key: _bare(value, repairs) for key, value in argument.items()}


def _bare(value: Any, repairs: Counter[str]) -> Any:
    r"""The value without the backslash of `\$$PREV[0]`."""
    if isinstance(value, list):
        return [_bare(element, repairs) for element in value]
    if isinstance(value, str) and value.startswith("\\" + MARK):
        repairs["escaped dollar"] += 1
        return value[1:]
    return value


# ---------------------------------------------------------------- plans and their tools


def _fitted(step: Mapping[str, Any], catalogue: Catalogue, repairs: Counter[str]) -> Mapping[str, Any]:
    """The step with the tool's own names, and values of the asked types, where that can be meant in one way."""
    name = _spelt(step.get("tool_name"), [tool.name for tool in catalogue], "tool name", repairs)
    tool = catalogue.tool(name) if isinstance(name, str) else None
    arguments = step.get("arguments")
    if tool is None or not isinstance(arguments, list):
        return step
    given = {argument.get("argument_name") for argument in arguments if isinstance(argument, Mapping)}
    free = [argument.name for argument in tool.arguments if argument.name not in given]
    return {**step, "tool_name": name, "arguments": [_of_tool(one, tool, free, repairs) for one in arguments]}


def _of_tool(argument: Any, tool: Tool, free: list[str], repairs: Counter[str]) -> Any:
    if not isinstance(argument, Mapping) or argument.keys() != {"argument_name", "argument_value"}:
        return argument
    name = argument["argument_name"]
    if tool.argument(name) is None:
        name = _spelt(name, free, "argument name", repairs)
    known = tool.argument(name) if isinstance(name, str) else None
    value = argument["argument_value"]
    return {"argument_name": name, "argument_value": _typed(value, known.schema, repairs) if known else value}


def _spelt(name: Any, known: list[str], repair: str, repairs: Counter[str]) -> Any:
    """The known name that differs in case, punctuation or a plural only: `sprint_ids` → `sprint_id`."""
    if name in known or not isinstance(name, str):
        return name
    near = [one for one in known if _letters(one) == _letters(name)]
    repairs[repair] += len(near) == 1
    return near[0] if len(near) == 1 else name


def _letters(name: str) -> str:
    return re.sub(r"[\W_]", "", name.casefold()).removesuffix("s")


def _typed(value: Any, schema: Schema, repairs: Counter[str]) -> Any:
    """The value as its schema asks, where one repair does it: `"p0"` → `["p0"]`, `"['a']"` → `["a"]`, `"5"` → 5."""
    if (isinstance(value, str) and REFERENCE.fullmatch(value)) or not literal_problem(schema, value):
        return value
    items = array_items(schema)
    if isinstance(value, list) and items is not None:
        return [_typed(element, items, repairs) for element in value]
    inner = read_loosely(value).data if isinstance(value, str) else value
    tries: list[tuple[str, Any]] = [("value in quotes", inner), ("lone value", [value])]
    folded = value.casefold() if isinstance(value, str) else value
    allowed = allowed_values(schema) or allowed_values(items or {})
    for one in (one for one in allowed if isinstance(one, str) and one.casefold() == folded):
        tries += [("case of a value", one), ("case of a value", [one])]
    for repair, tried in tries:
        if not isinstance(tried, Malformed) and not literal_problem(schema, tried):
            repairs[repair] += 1
            return tried
    return value


# ---------------------------------------------------------------- JSON


class _Fault(Exception):
    """Where nothing can be read any more."""


class _Reader:
    """Reads one text from left to right, counting what JSON would not have."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.repairs: Counter[str] = Counter()

    def whole(self) -> Any:
        """The only value of the text, perhaps within a code fence."""
        fenced = FENCE.fullmatch(self.text)
        if fenced:
            self.text = fenced[1]
            self.repairs["code fence"] += 1
        value = self._value(0)
        if self._peek():
            raise self._fault("more follows")
        return value

    def elements(self) -> Iterator[Element]:
        """The elements of the text, which is a list."""
        if self._peek() != "[":
            raise self._fault("no list")
        self.at += 1
        while self._more("]"):
            start, self.repairs = self.at, Counter()
            value = self._value(1)
            self._comma("]")
            yield Element(start, Read(value, _named(self.repairs)))

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
            raise self._fault("nested too deep")
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
        made: dict[str, Any] = {}
        while self._more("}"):
            key = self._key()
            if key in made:
                raise self._fault(f"key {key!r} stands twice in one object")
            if self._peek() != ":":
                raise self._fault("a colon is missing")
            self.at += 1
            made[key] = self._value(depth + 1)
            self._comma("}")
        return made

    def _more(self, end: str) -> bool:
        """Whether an element follows; the end is passed over."""
        if self._peek() == end:
            self.at += 1
            return False
        if not self._peek():
            raise self._fault(f"{end!r} is missing")
        return True

    def _comma(self, end: str) -> None:
        """Pass over the comma behind an element, which may be lacking or one too many."""
        if self._peek() == ",":
            self.at += 1
            self.repairs["trailing comma"] += self._peek() == end
        elif self._peek() not in (end, ""):
            self.repairs["missing comma"] += 1

    def _key(self) -> str:
        quote = self._peek()
        if quote in QUOTES:
            return self._string(quote)
        return str(self._match(WORD, "bare key", str, "no key"))

    def _bare(self) -> Any:
        """A value without quotes: a number, a constant of JSON or Python, a reference."""
        number = NUMBER.match(self.text, self.at)
        if number:
            self.at = number.end()
            return json.loads(number[0])
        if self.text.startswith(MARK, self.at):
            return self._match(REFERENCE, "bare reference", str, "no reference")
        word = WORD.match(self.text, self.at)
        if word and word[0] in CONSTANTS:
            self.at = word.end()
            return CONSTANTS[word[0]]
        if word and word[0] in PYTHONS:
            return self._match(WORD, "Python constant", PYTHONS.__getitem__, "")
        raise self._fault("no value")

    def _match(self, pattern: re.Pattern[str], repair: str, made: Callable[[str], Any], missing: str) -> Any:
        found = pattern.match(self.text, self.at)
        if not found:
            raise self._fault(missing)
        self.at = found.end()
        self.repairs[repair] += 1
        return made(found[0])

    def _string(self, quote: str) -> str:
        """A string in any quotes. In single ones an apostrophe may stand for itself: 'What's new'."""
        if quote != '"':
            self.repairs["single quotes" if quote == "'" else "curly quotes"] += 1
        self.at += 1
        made: list[str] = []
        while self.at < len(self.text):
            letter = self.text[self.at]
            if letter == "\\":
                made.append(self._escape())
                continue
            self.at += 1
            if letter == QUOTES[quote] and (quote == '"' or CLOSES.match(self.text, self.at)):
                return "".join(made)
            self.repairs["line break in a string"] += letter in "\n\r\t"
            made.append(letter)
        raise self._fault("a string does not end")

    def _escape(self) -> str:
        r"""What `\n`, `\u00e9` or a needless `\$` says."""
        letter = self.text[self.at + 1 : self.at + 2]
        if letter == "u":
            found = re.compile(r"(?:\\u[0-9a-fA-F]{4})+").match(self.text, self.at)
            if not found:
                raise self._fault("a broken escape")
            self.at = found.end()
            return str(json.loads(f'"{found[0]}"'))
        if not letter:
            raise self._fault("a string does not end")
        self.at += 2
        if letter in ESCAPES:
            return ESCAPES[letter]
        self.repairs["escaped dollar" if letter == "$" else "needless escape"] += 1
        return letter
