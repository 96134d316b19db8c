"""The original task's tool lists (`argument_name`, `argument_type`) as MCP definitions."""

import re
from collections.abc import Mapping
from typing import Any

from platypus.errors import CatalogueError


def from_argument_list(entry: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The original task's form as MCP: `{"argument_name": "owned_by", "argument_type": "array of strings", …}`.

    An argument is optional if it says so, has a default, or is described as a filter; otherwise it is required.
    Raises CatalogueError, naming `where`, for an argument that is nameless, defined twice or of an unknown type.
    """
    properties: dict[str, Any] = {}
    required: list[str] = []
    for argument in entry["arguments"]:
        name = argument.get("name", argument.get("argument_name")) if isinstance(argument, Mapping) else None
        if not isinstance(name, str) or not name:
            raise CatalogueError("an argument has no name", where=where, remedy="Give each argument a `name`.")
        place = f"{where}, argument {name!r}"
        if name in properties:
            raise CatalogueError("is defined twice", where=place, remedy="Keep one definition.")
        description = str(argument.get("description", argument.get("argument_description")) or "")
        properties[name] = _schema_from_words(argument, description, place)
        is_filter = re.match(r"\s*(filter|optional)", description, re.IGNORECASE)
        if argument.get("required", not (is_filter or "default" in argument)):
            required.append(name)
    schema = {"type": "object", "properties": properties, "required": required}
    return {**{key: value for key, value in entry.items() if key != "arguments"}, "inputSchema": schema}


def _schema_from_words(argument: Mapping[str, Any], description: str, where: str) -> dict[str, Any]:
    """The schema for `"array of strings"`, `"integer (int32)"` …; allowed values, examples go to the elements."""
    words = str(argument.get("type", argument.get("argument_type", "string"))).lower()
    match = re.fullmatch(r"(?:(array|list)(?: of (\w+?)s?)?|(\w+))(?: \(\w+\))?", words.strip())
    abbreviations = {
        "str": "string",
        "int": "integer",
        "float": "number",
        "double": "number",
        "bool": "boolean",
        "dict": "object",
    }
    known = ("string", "integer", "number", "boolean", "object")
    array, element_type, plain_type = match.groups() if match else (None, None, words)
    kind = element_type or plain_type or "any"
    kind = abbreviations.get(kind, kind)
    if kind not in (*known, "any"):
        raise CatalogueError(
            f"unknown argument type {words!r}",
            where=where,
            remedy=f"Known types: {', '.join(known)}, any, and `array of` these.",
        )
    element: dict[str, Any] = {} if kind == "any" else {"type": kind}
    if argument.get("allowed_values"):
        element["enum"] = list(argument["allowed_values"])
    if argument.get("examples"):
        element["examples"] = list(argument["examples"])
    schema = {"type": "array", "items": element, "uniqueItems": kind != "object"} if array else element
    if description:
        schema["description"] = description
    if "default" in argument:
        schema["default"] = argument["default"]
    return schema
