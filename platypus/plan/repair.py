r"""Repairs of plans in other people's data that are nearly in the canonical form.

    {'plan': "[{\"tool_name\": \"whoami\" \"arguments\": {},}]"}
    single quotes, wrapped string, missing comma, dict arguments, trailing comma

Each repair has a name and is counted. Something is repaired only if it can be meant in just one way: text that is cut
off, repeated keys and NaN remain errors. Whether the result is a valid plan is not checked here.
"""

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

from platypus.catalogue.schema import Schema, allowed_values, array_items, literal_problem
from platypus.catalogue.tools import Catalogue, Tool
from platypus.plan.lenient_json import Read, counted, read_loosely
from platypus.plan.plan import MARK, REFERENCE, Malformed

WRAPPED = 3  # levels of strings in strings


def mend_plan(data: Any, catalogue: Catalogue | None = None) -> Read:
    """Decoded data in a plan's canonical form, as far as it can be repaired; with a catalogue, also names and types.

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
        data = [_fitted_step(entry, catalogue, repairs) if isinstance(entry, Mapping) else entry for entry in data]
    return Read(data, counted(repairs))


# ---------------------------------------------------------------- plans


def _unwrapped(data: Any, repairs: Counter[str]) -> Any:
    """The list or object in a string, which may itself be in a string."""
    for depth in range(WRAPPED):
        if not isinstance(data, str):
            break
        read = read_loosely(data)
        if not isinstance(read.data, list | dict | str):
            break
        repairs["wrapped string"] += depth > 0  # one string around a plan is allowed, so not a repair
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
    return {key: _without_backslash(value, repairs) for key, value in argument.items()}


def _without_backslash(value: Any, repairs: Counter[str]) -> Any:
    r"""The value without the backslash of `\$$PREV[0]`."""
    if isinstance(value, list):
        return [_without_backslash(element, repairs) for element in value]
    if isinstance(value, str) and value.startswith("\\" + MARK):
        repairs["escaped dollar"] += 1
        return value[1:]
    return value


# ---------------------------------------------------------------- plans and their tools


def _fitted_step(step: Mapping[str, Any], catalogue: Catalogue, repairs: Counter[str]) -> Mapping[str, Any]:
    """The step with the names and types that its tool has, where it can be meant in just one way."""
    name = _known_name(step.get("tool_name"), [tool.name for tool in catalogue], "tool name", repairs)
    tool = catalogue.tool(name) if isinstance(name, str) else None
    arguments = step.get("arguments")
    if tool is None or not isinstance(arguments, list):
        return step
    present = [argument.get("argument_name") for argument in arguments if isinstance(argument, Mapping)]
    unused = [argument.name for argument in tool.arguments if argument.name not in present]
    return {**step, "tool_name": name, "arguments": [_fitted_argument(one, tool, unused, repairs) for one in arguments]}


def _fitted_argument(argument: Any, tool: Tool, unused: list[str], repairs: Counter[str]) -> Any:
    if not isinstance(argument, Mapping) or argument.keys() != {"argument_name", "argument_value"}:
        return argument
    name = argument["argument_name"]
    if tool.argument(name) is None:
        name = _known_name(name, unused, "argument name", repairs)
    known = tool.argument(name) if isinstance(name, str) else None
    value = argument["argument_value"]
    return {"argument_name": name, "argument_value": _typed(value, known.schema, repairs) if known else value}


def _known_name(name: Any, known: list[str], repair: str, repairs: Counter[str]) -> Any:
    """The known name that differs only in case, punctuation or a plural s: `sprint_ids` → `sprint_id`."""
    if name in known or not isinstance(name, str):
        return name
    matches = [one for one in known if _letters(one) == _letters(name)]
    repairs[repair] += len(matches) == 1
    return matches[0] if len(matches) == 1 else name


def _letters(name: str) -> str:
    return re.sub(r"[\W_]", "", name.casefold()).removesuffix("s")


def _typed(value: Any, schema: Schema, repairs: Counter[str]) -> Any:
    """The value as its schema requires, if one repair is enough: `"p0"` → `["p0"]`, `"['a']"` → `["a"]`, `"5"` → 5."""
    if (isinstance(value, str) and REFERENCE.fullmatch(value)) or not literal_problem(schema, value):
        return value
    items = array_items(schema)
    if isinstance(value, list) and items is not None:
        return [_typed(element, items, repairs) for element in value]
    inner = read_loosely(value).data if isinstance(value, str) else value
    candidates: list[tuple[str, Any]] = [("value in quotes", inner), ("lone value", [value])]
    folded = value.casefold() if isinstance(value, str) else value
    allowed = allowed_values(schema) or allowed_values(items or {})
    for one in (one for one in allowed if isinstance(one, str) and one.casefold() == folded):
        candidates += [("case of a value", one), ("case of a value", [one])]
    for repair, candidate in candidates:
        if not isinstance(candidate, Malformed) and not literal_problem(schema, candidate):
            repairs[repair] += 1
            return candidate
    return value
