"""A plan as text in two lossless notations: `json`, the canonical form, and `calls`, one call per line.

    works_list(stage.name=["testing"], owned_by=[$0])
    summarize_objects(objects=$1)

In `calls` values are JSON, and `$1.title.0` is the reference `$$PREV[1].title.0`; `<2>` is the second text that
has a marker in the request (`platypus.prompt.markers`). Names that are not plain words are JSON strings. The empty plan
is `[]` in both. Text that cannot be read gives `Malformed` with the position, never an error.
"""

import json
import re
from collections.abc import Sequence
from contextlib import suppress
from typing import Literal, Self, cast

from platypus.catalogue.tools import Catalogue
from platypus.plan.plan import MAX_DEPTH, Malformed, Plan, Problem, Reference, Step, Value, checked_plan, parse_plan

Notation = Literal["json", "calls"]

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.:/-]*")
MARKER = "<[1-9][0-9]?>"

_MARKER = re.compile(MARKER)
_SPACE = re.compile(r"[ \t\r\n]*")
_LINE_END = re.compile(r"[ \t\r]*\n[ \t\r\n]*")
_REFERENCE = re.compile(r"\$(0|[1-9][0-9]{0,5})((?:\.[\w$-]+(?: [\w$-]+)*)*)")  # the paths of platypus.plan.plan
_BEGUN_NAME = re.compile(r'"tool_name": ("(?:[^"\\]|\\.)*|)$')
_EMPTY = re.compile(r"\[[ \t\r\n]*\]")
_JSON = json.JSONDecoder()  # also accepts NaN and Infinity, which no Plan can contain


class MarkedText(str):
    """A value that `calls` writes as the marker that the text has in the request."""

    number: int

    def __new__(cls, text: str, number: int) -> Self:
        """The text with this marker number."""
        marked = super().__new__(cls, text)
        marked.number = number
        return marked


def print_plan(plan: Plan, notation: Notation) -> str:
    """The plan in this notation, as the model learns to write it."""
    if notation == "json" or not plan.steps:
        return str(plan)
    return "\n".join(map(print_step, plan.steps))


def read_plan(
    text: str, notation: Notation, catalogue: Catalogue | None, named: Sequence[str] = ()
) -> Plan | Malformed:
    """The plan in the text; with a catalogue, only if it is valid for it. Strict except for white space.

    `named` are the texts that markers 1, 2, … stand for.
    """
    return parse_plan(text, catalogue) if notation == "json" else _read_calls(text, catalogue, named)


def read_begun(text: str, notation: Notation, catalogue: Catalogue | None, named: Sequence[str] = ()) -> Plan:
    """The complete steps in the beginning of a plan's text; no steps if the text does not begin a plan."""
    complete = text.rpartition("\n")[0] if notation == "calls" else _complete_steps(text)
    plan = read_plan(complete or "[]", notation, catalogue, named)
    return plan if isinstance(plan, Plan) else Plan()


def begun_tool_name(text: str, notation: Notation) -> str | None:
    """What is written so far of a tool's name, as `tool_beginning` writes it; None if none is begun or comes next."""
    if notation == "json":
        begun = _BEGUN_NAME.search(text)
        return begun[1] if begun else None
    line = text.rpartition("\n")[2]
    return None if "(" in line or "]" in line else line


def tool_beginning(name: str, notation: Notation) -> str:
    """A tool's name as a plan writes it, up to where it surely ends."""
    return json.dumps(name, ensure_ascii=False) if notation == "json" else f"{print_name(name)}("


def _complete_steps(text: str) -> str:
    """The list of the complete elements in the beginning of a JSON list."""
    end = at = 1
    with suppress(ValueError):
        while True:
            _, end = _JSON.raw_decode(text, at)
            at = end + len(", ")
    return text[:end] + "]" if text else ""


def print_step(step: Step) -> str:
    """One step in `calls`."""
    arguments = ", ".join(f"{print_name(name)}={_print_value(value)}" for name, value in step.arguments.items())
    return f"{print_name(step.tool)}({arguments})"


def print_name(name: str) -> str:
    """The name of a tool or argument in `calls`: in quotes unless it is a plain word."""
    return name if NAME.fullmatch(name) else json.dumps(name, ensure_ascii=False)


def _print_value(value: Value) -> str:
    match value:
        case MarkedText():
            return f"<{value.number}>"
        case Reference():
            return ".".join((f"${value.step}", *value.path))
        case list():
            return f"[{', '.join(map(_print_value, value))}]"
        case dict():
            entries = (f"{json.dumps(key, ensure_ascii=False)}: {_print_value(entry)}" for key, entry in value.items())
            return f"{{{', '.join(entries)}}}"
        case _:
            return json.dumps(value, ensure_ascii=False)


def read_step(text: str) -> Step | Malformed:
    """The one step in a line of `calls`, its references unchecked. Never raises."""
    reader = _Reader(text, ())
    try:
        step = reader.step()
        reader.take(_SPACE)
        if reader.at < len(text):
            raise reader.expected("the end of the line")
    except _Unreadable as error:
        return Malformed(text, (Problem("calls", f"not a call: {error}", position=error.position),))
    return step


def _read_calls(text: str, catalogue: Catalogue | None, named: Sequence[str]) -> Plan | Malformed:
    try:
        steps = _Reader(text, named).steps()
    except _Unreadable as error:
        return Malformed(text, (Problem("calls", f"not a call: {error}", position=error.position),))
    return checked_plan(steps, catalogue, text=text)


class _Unreadable(Exception):
    def __init__(self, what: str, position: int) -> None:
        super().__init__(what)
        self.position = position


class _Reader:
    """A cursor over text in the `calls` notation.

    White space is allowed between any two symbols. There must be a line break between two calls.
    """

    def __init__(self, text: str, named: Sequence[str]) -> None:
        self.text, self.named = text, named
        self.at = 0

    def steps(self) -> list[Step]:
        self.take(_SPACE)
        steps: list[Step] = []
        if not self.take(_EMPTY):
            steps.append(self.step())
            while self.take(_LINE_END) and self.at < len(self.text):
                steps.append(self.step())
        self.take(_SPACE)
        if self.at < len(self.text):
            raise self.expected("the end of the line" if steps else "nothing more")
        return steps

    def step(self) -> Step:
        tool = self.name("the name of a tool")
        arguments: dict[str, Value] = {}
        self.need("(")
        while not self.skip(")"):
            if arguments:
                self.need(",")
            self.take(_SPACE)
            start = self.at
            name = self.name("the name of an argument")
            if name in arguments:
                raise _Unreadable(f"argument {name!r} is given twice", start)
            self.need("=")
            arguments[name] = self.value(0)
        return Step(tool, arguments)

    def value(self, depth: int) -> Value:
        self.take(_SPACE)
        if depth > MAX_DEPTH:
            raise _Unreadable(f"more than {MAX_DEPTH} arrays and objects within one another", self.at)
        match self.text[self.at : self.at + 1]:
            case "$":
                return self.reference()
            case "<":
                return self.marked()
            case "[":
                return self.array(depth)
            case "{":
                return self.object(depth)
            case _:
                return self.scalar("a value (text in double quotes)")

    def reference(self) -> Reference:
        match = self.take(_REFERENCE)
        if not match:
            raise self.expected("a reference such as $0")
        return Reference(int(match[1]), tuple(match[2].split(".")[1:]))

    def marked(self) -> str:
        start, match = self.at, self.take(_MARKER)
        number = int(match[0][1:-1]) if match else 0
        if not 1 <= number <= len(self.named):
            self.at = start
            raise self.expected(f"a marker of the request, which has {len(self.named)}")
        return self.named[number - 1]

    def array(self, depth: int) -> list[Value]:
        values: list[Value] = []
        self.need("[")
        while not self.skip("]"):
            if values:
                self.need(",")
            values.append(self.value(depth + 1))
        return values

    def object(self, depth: int) -> dict[str, Value]:
        entries: dict[str, Value] = {}
        self.need("{")
        while not self.skip("}"):
            if entries:
                self.need(",")
            self.take(_SPACE)
            start = self.at
            key = self.string("a key")
            if key in entries:
                raise _Unreadable(f"the key {key!r} stands twice in one object", start)
            self.need(":")
            entries[key] = self.value(depth + 1)
        return entries

    def name(self, what: str) -> str:
        self.take(_SPACE)
        plain = self.take(NAME)
        return plain[0] if plain else self.string(what)

    def string(self, what: str) -> str:
        if not self.text.startswith('"', self.at):
            raise self.expected(f"{what} in double quotes")
        return str(self.scalar(f"{what} in double quotes"))

    def scalar(self, what: str) -> Value:
        try:
            value, self.at = _JSON.raw_decode(self.text, self.at)
        except ValueError as error:
            raise self.expected(what) from error
        return cast(Value, value)

    def take(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        """Match the pattern here and move past it."""
        match = pattern.match(self.text, self.at)
        if match:
            self.at = match.end()
        return match

    def skip(self, symbol: str) -> bool:
        """Whether the symbol comes next; if so, move past it."""
        self.take(_SPACE)
        comes_next = self.text.startswith(symbol, self.at)
        self.at += len(symbol) if comes_next else 0
        return comes_next

    def need(self, symbol: str) -> None:
        if not self.skip(symbol):
            raise self.expected(repr(symbol))

    def expected(self, what: str) -> _Unreadable:
        found = repr(self.text[self.at : self.at + 20]) if self.at < len(self.text) else "the end of the text"
        return _Unreadable(f"expected {what}, found {found}", self.at)


def readable(plan: Plan) -> str:
    """The plan for people: `1. who_am_i()`, then `2. works_list(owned_by = [output of step 1])`."""
    if not plan.steps:
        return "No plan: these tools cannot answer that."
    return "\n".join(f"{number}. {_readable_step(step)}" for number, step in enumerate(plan.steps, start=1))


def _readable_step(step: Step) -> str:
    return f"{step.tool}({', '.join(f'{name} = {_readable_value(value)}' for name, value in step.arguments.items())})"


def _readable_value(value: Value) -> str:
    if isinstance(value, Reference):
        part = f" at {'.'.join(value.path)}" if value.path else ""
        return f"output of step {value.step + 1}{part}"
    if isinstance(value, list):
        return f"[{', '.join(map(_readable_value, value))}]"
    return json.dumps(value, ensure_ascii=False)
