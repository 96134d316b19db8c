"""References → values: what earlier steps returned, put into the arguments of a step, and checked.

A reference is followed by its path in the structured content of a result, or in its text if there is none and that is
JSON. What arrives must be allowed by the argument's schema. Nothing is converted: a text that looks like a number stays
a text. Where that does not lead to a value that fits, two other readings are tried: the text itself, if it only happens
to be JSON; and what stands alone under `result`, which SDKs put around what is not an object, or the JSON in it.
"""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from platypus.catalogue.schema import Schema, array_items, literal_problem
from platypus.catalogue.tools import Argument, Tool
from platypus.execution.masking import MASK
from platypus.execution.mock_values import mock_value
from platypus.execution.results import MISSING, ToolResult
from platypus.plan.plan import Malformed, Reference, Step, Value, parse_json
from platypus.reports import shortened

SHOWN = 120  # letters of a value or schema in a message


class Misfit(Exception):
    """What arrives at an argument is not what it asks for: the step (from 0), the argument, expected and found."""

    def __init__(self, step: int, tool: str, argument: str, expected: str, found: str) -> None:
        self.step, self.tool, self.argument, self.expected, self.found = step, tool, argument, expected, found
        super().__init__(f"step {step + 1} ({tool}), argument {argument!r}: expected {expected}, found {found}")


def resolve(number: int, step: Step, tool: Tool, results: Mapping[int, ToolResult]) -> dict[str, Any]:
    """The arguments of a step with the values of earlier results. Raises Misfit."""
    arguments: dict[str, Any] = {}
    for name, value in step.arguments.items():
        argument = tool.argument(name) or Argument(name, {}, False)
        try:
            arguments[name] = _filled(value, argument.schema, results)
        except _NoFit as error:
            raise Misfit(number, step.tool, name, error.expected, error.found) from error
    return arguments


def is_whole(reference: Reference, result: ToolResult) -> bool:
    """Whether nothing is masked in what a reference leads to in a result from a trace."""
    try:
        return MASK not in json.dumps(_candidates(reference, result, ""))
    except _NoFit:
        return False


class _NoFit(Exception):
    def __init__(self, expected: str, found: str) -> None:
        super().__init__(expected)
        self.expected, self.found = expected, found


def _filled(value: Value, schema: Schema, results: Mapping[int, ToolResult]) -> Any:
    if isinstance(value, Reference):
        return _value(value, schema, results[value.step])
    if not isinstance(value, list) or not any(isinstance(one, Reference) for one in value):
        return value
    items = array_items(schema) or {}
    filled = [_value(one, items, results[one.step]) if isinstance(one, Reference) else one for one in value]
    return _checked(filled, schema, "the whole list")


def _value(reference: Reference, schema: Schema, result: ToolResult) -> Any:
    """The value of a reference, allowed by the schema."""
    found = f"in the result of step {reference.step + 1}"
    try:
        candidates = _candidates(reference, result, found)
    except _NoFit as error:
        if result.is_mock:
            return mock_value(schema)
        raise _NoFit(_expected(schema), error.found) from error
    fitting = next((value for value in candidates if literal_problem(schema, value) is None), MISSING)
    if fitting is MISSING:
        return mock_value(schema) if result.is_mock else _checked(candidates[0], schema, found)
    return fitting


def _candidates(reference: Reference, result: ToolResult, found: str) -> list[Any]:
    """What the reference may mean, likeliest first."""
    if result.structured is MISSING and not result.text and result.others:
        raise _NoFit("", f"only {', '.join(result.others)} {found}")
    readings = _read(result.text) if result.structured is MISSING else [result.structured]
    if isinstance(readings[0], Mapping) and readings[0].keys() == {"result"}:
        inner = readings[0]["result"]
        readings += reversed(_read(inner)) if isinstance(inner, str) else [inner]
    if not reference.path:
        return readings
    parts = []
    for reading in readings:
        with suppress(_NoFit):
            parts.append(_part(reading, reference.path, found))
    return parts or [_part(readings[0], reference.path, found)]


def _read(text: str) -> list[Any]:
    """The JSON in a text, if it is that, and the text."""
    read = parse_json(text)
    return [text] if isinstance(read, Malformed) else [read, text]


def _part(data: Any, path: Sequence[str], found: str) -> Any:
    for at, name in enumerate(path):
        if isinstance(data, Mapping) and name in data:
            data = data[name]
        elif isinstance(data, list) and name.isdecimal() and int(name) < len(data):
            data = data[int(name)]
        else:
            raise _NoFit("", f"no {'.'.join(path[: at + 1])!r} {found}: {_cut(data)}")
    return data


def _checked(value: Any, schema: Schema, found: str) -> Any:
    problem = literal_problem(schema, value)
    if problem is not None:
        raise _NoFit(_expected(schema), f"{_kind(value)} {found}: {_cut(value)}")
    return value


def _expected(schema: Schema) -> str:
    told = {key: part for key, part in schema.items() if key not in ("description", "title", "examples", "default")}
    if told.keys() <= {"type", "format"} and isinstance(told.get("type"), str):
        return " ".join(filter(None, (told["type"], told.get("format") and f"({told['format']})")))
    return _cut(told)


def _kind(value: Any) -> str:
    names = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object"}
    return "null" if value is None else names[type(value)]


def _cut(value: Any) -> str:
    return shortened(json.dumps(value, ensure_ascii=False), SHOWN)
