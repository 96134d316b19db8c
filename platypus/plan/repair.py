r"""What `refine` forgives in other people's data: text that is nearly JSON, plans that are nearly canonical.

    {'plan': "[{\"tool_name\": \"whoami\" \"arguments\": {},}]"}
    single quotes, wrapped string, missing comma, dict arguments, trailing comma

Each repair has a name and is counted. Only what can be meant in one way is mended: text that is cut off, a key that
stands twice and NaN stay faults. Whether what comes out is a valid plan is not known here.
"""

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

from platypus.catalogue.schema import Schema, allowed_values, array_items, literal_problem
from platypus.catalogue.tools import Catalogue, Tool
from platypus.plan.lenient_json import Read, counted, read_loosely
from platypus.plan.plan import MARK, REFERENCE, Malformed

WRAPPED = 3  # how often a text may be wrapped in a string


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
    return Read(data, counted(repairs))


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
