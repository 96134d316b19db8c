"""Calls and tools as public data sets write them: JSON, texts that hold JSON, Python literals, names with spaces.

A call is `{"name": …, "arguments": …}`, alone or under `function`; its arguments are an object, or a text with one.
Whether a tool has such arguments is not checked here.
"""

import ast
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from platypus.catalogue.reading import INPUTS, TOOL_NAME
from platypus.catalogue.sources.tool_lists import TOOL_LISTS
from platypus.errors import DatasetError
from platypus.plan.lenient_json import read_loosely
from platypus.plan.plan import Malformed, parse_json
from platypus.reports import shortened

NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_.:/-]+")
RENAMED = "tool renamed"


class Call(NamedTuple):
    """One call: the name of the tool as it is written, and its arguments by name."""

    name: str
    arguments: Mapping[str, Any]


class Tools(NamedTuple):
    """Tool definitions with usable names, in the format of their source, and how many were renamed."""

    definitions: list[Any]
    renamed: int


def data_in(text: str) -> Any:
    """The data in a text: JSON, a Python literal, or nearly JSON; Malformed if it is none of these."""
    data = parse_json(text)
    if isinstance(data, Malformed):
        with suppress(ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            return json.loads(json.dumps(ast.literal_eval(text.strip())))  # tuples become lists
        data = read_loosely(text).data
    return data


def call_from(data: Any, what: str = "a call") -> Call:
    """The call in decoded data. Raises DatasetError if it has no name, or arguments that are no object."""
    if isinstance(data, Mapping) and isinstance(data.get("function"), Mapping):
        data = data["function"]
    if not isinstance(data, Mapping) or not isinstance(data.get("name"), str) or not data["name"].strip():
        raise DatasetError(f"{what} has no tool's name: {_short(data)}")
    arguments: Any = next((data[key] for key in ("arguments", "parameters", "args", "input") if data.get(key)), {})
    if isinstance(arguments, str):
        arguments = data_in(arguments) if arguments.strip() else {}
    if isinstance(arguments, Malformed):
        what = f"the arguments of {data['name']!r} cannot be read"
        raise DatasetError(f"{what}: {arguments.reason}: {_short(arguments.text)}")
    if not isinstance(arguments, Mapping):
        raise DatasetError(f"the arguments of {data['name']!r} are no object: {_short(arguments)}")
    return Call(data["name"], arguments)


def calls_from(data: Any, what: str = "a call") -> tuple[Call, ...]:
    """The calls in decoded data or a text: one call or a list of them. Raises DatasetError if they cannot be read."""
    if isinstance(data, str):
        data = data_in(data)
    if isinstance(data, Malformed):
        raise DatasetError(f"{what} cannot be read: {data.reason}: {_short(data.text)}")
    return tuple(call_from(entry, what) for entry in (data if isinstance(data, list) else [data]))


def steps(calls: Sequence[Call]) -> list[dict[str, Any]]:
    """The calls as the steps of a plan, under names that a catalogue may have."""
    return [
        {
            "tool_name": usable_name(call.name),
            "arguments": [{"argument_name": name, "argument_value": value} for name, value in call.arguments.items()],
        }
        for call in calls
    ]


def usable_name(name: str) -> str:
    """The name with `_` for what no name may have: `Market Trends API` → `Market_Trends_API`."""
    return name if TOOL_NAME.fullmatch(name) else NOT_IN_NAMES.sub("_", name.strip()).lstrip("-.:/")[:128] or name


def tools_from(data: Any) -> Tools:
    """The tools in a list or a JSON text, with usable names; none for None, an empty list or an empty text.

    Raises DatasetError for a text that cannot be read.
    """
    if isinstance(data, str):
        data = data_in(data) if data.strip() else None
    if isinstance(data, Malformed):
        raise DatasetError(f"its tools cannot be read: {data.reason}")
    if isinstance(data, Mapping) and not data.keys() & {"name", "function"}:
        data = next((data[key] for key in TOOL_LISTS if data.get(key)), data)
    entries = [] if data is None else data if isinstance(data, list) else [data]
    entries = [data_in(entry) if isinstance(entry, str) else entry for entry in entries]
    renamed: Counter[bool] = Counter()
    return Tools([_renamed(entry, renamed) for entry in entries], renamed[True])


def _renamed(tool: Any, renamed: Counter[bool]) -> Any:
    if isinstance(tool, Mapping) and isinstance(tool.get("function"), Mapping):
        return {**tool, "function": _renamed(tool["function"], renamed)}
    if not isinstance(tool, Mapping) or not isinstance(tool.get("name"), str):
        return tool
    name = usable_name(tool["name"])
    renamed[name != tool["name"]] += 1
    return {**tool, "name": name}


def tool_list_in(text: str) -> list[Any]:
    """The first list of tool definitions in a text; without one, the tool definitions that stand in it one by one."""
    for data in _json_in(text, "["):
        if isinstance(data, list) and data and all(map(_is_tool, data)):
            return data
    return [data for data in _json_in(text, "{") if _is_tool(data)]


def _is_tool(data: Any) -> bool:
    tool = data.get("function", data) if isinstance(data, Mapping) else None
    if not isinstance(tool, Mapping) or not isinstance(tool.get("name"), str):
        return False
    return not {"description", *INPUTS}.isdisjoint(tool)


def _json_in(text: str, opening: str) -> Iterator[Any]:
    """Each piece of JSON in a text that begins with this bracket and is in no other piece."""
    decoder, at = json.JSONDecoder(), text.find(opening)
    while at >= 0:
        end = at + 1
        with suppress(ValueError, RecursionError):
            data, end = decoder.raw_decode(text, at)
            yield data
        at = text.find(opening, end)


def _short(data: Any) -> str:
    text = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False, default=str)
    return shortened(text, 80)
