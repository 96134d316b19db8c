"""Tool and Catalogue: read from the formats of the field, checked, with a fingerprint.

The file format is a JSON list of MCP tool definitions (`name`, `description`, `inputSchema`, `outputSchema`,
`annotations`; Model Context Protocol, 2025-06-18). OpenAI function lists and the `argument_name`/`argument_type`
lists of the original task are read as well, and become MCP definitions. A tool without an output schema returns
anything.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from platypus.catalogue.schema import Schema, inline
from platypus.errors import CatalogueError, read_text

TOOL_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:/-]{0,127}")


@dataclass(frozen=True)
class Argument:
    """One argument of a tool: its name, its schema, and whether a call needs it."""

    name: str
    schema: Schema
    required: bool

    @property
    def description(self) -> str:
        """What the catalogue says of it, on one line."""
        return " ".join(str(self.schema.get("description", "")).split())


@dataclass(frozen=True)
class Tool:
    """One tool. `output` is `{}` for anything and `{"type": "null"}` for nothing."""

    name: str
    description: str
    arguments: tuple[Argument, ...]
    output: Schema = field(default_factory=dict)
    annotations: Mapping[str, Any] = field(default_factory=dict)

    def argument(self, name: str) -> Argument | None:
        """The argument of this name, or None."""
        return next((argument for argument in self.arguments if argument.name == name), None)

    def to_json(self) -> dict[str, Any]:
        """The MCP definition."""
        data: dict[str, Any] = {
            "name": self.name,
            "description": self.description,
            "inputSchema": {
                "type": "object",
                "properties": {argument.name: dict(argument.schema) for argument in self.arguments},
                "required": [argument.name for argument in self.arguments if argument.required],
            },
        }
        if self.output:
            data["outputSchema"] = dict(self.output)
        if self.annotations:
            data["annotations"] = dict(self.annotations)
        return data


@dataclass(frozen=True)
class Catalogue:
    """The tools that a planner may use, in order, with distinct names."""

    tools: tuple[Tool, ...]

    def __post_init__(self) -> None:
        seen: set[str] = set()
        for tool in self.tools:
            if tool.name in seen:
                raise CatalogueError(f"two tools are named {tool.name!r}", remedy="Rename or remove one of them.")
            seen.add(tool.name)

    def __iter__(self) -> Iterator[Tool]:
        return iter(self.tools)

    def __len__(self) -> int:
        return len(self.tools)

    def __hash__(self) -> int:
        return hash(self.fingerprint)

    @cached_property
    def _by_name(self) -> dict[str, Tool]:
        return {tool.name: tool for tool in self.tools}

    def tool(self, name: str) -> Tool | None:
        """The tool of this name, or None."""
        return self._by_name.get(name)

    def subset(self, names: Iterable[str]) -> "Catalogue":
        """The tools with these names, in this catalogue's order."""
        wanted = set(names)
        return Catalogue(tuple(tool for tool in self.tools if tool.name in wanted))

    def to_json(self) -> list[dict[str, Any]]:
        """The canonical form: a list of MCP tool definitions."""
        return [tool.to_json() for tool in self.tools]

    @cached_property
    def fingerprint(self) -> str:
        """16 hex digits of the SHA-256 of the canonical JSON."""
        text = json.dumps(self.to_json(), sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def read_catalogue(path: Path) -> Catalogue:
    """The catalogue in a JSON file. Raises CatalogueError with the file's name."""
    try:
        data = json.loads(read_text(path, error=CatalogueError))
    except ValueError as error:
        raise CatalogueError(f"is not JSON: {error}", where=str(path), remedy="Mend the JSON there.") from error
    return catalogue_from_json(data, where=str(path))


def catalogue_from_json(data: Any, *, where: str = "catalogue") -> Catalogue:
    """The catalogue in decoded JSON: a list of tools in any of the formats, or an object with that list in `tools`."""
    entries = data.get("tools") if isinstance(data, Mapping) else data
    if not isinstance(entries, list) or not entries:
        raise CatalogueError(
            "holds no tools", where=where, remedy="A catalogue is a JSON list of at least one tool definition."
        )
    try:
        return Catalogue(tuple(_read_tool(entry, i, where) for i, entry in enumerate(entries)))
    except CatalogueError as error:
        raise error if error.where else CatalogueError(error.what, where=where, remedy=error.remedy) from error


def _read_tool(entry: Any, index: int, where: str) -> Tool:
    if isinstance(entry, Mapping) and entry.get("type") == "function" and isinstance(entry.get("function"), Mapping):
        entry = entry["function"]
    name = entry.get("name", entry.get("tool_name")) if isinstance(entry, Mapping) else None
    if not isinstance(name, str) or not TOOL_NAME.fullmatch(name):
        raise CatalogueError(
            f"tool {index} has no usable name ({name!r})",
            where=where,
            remedy="Give it a `name` of letters, digits and _ . : / - (at most 128).",
        )
    where = f"{where}, tool {name!r}"
    if isinstance(entry.get("arguments"), list):
        entry = _from_argument_list(entry, where)
    inputs = inline(entry.get("inputSchema", entry.get("parameters")) or {"type": "object"}, where=where)
    required = set(inputs.get("required", ()))
    undefined = required - inputs.get("properties", {}).keys()
    if undefined:
        raise CatalogueError(
            f"argument {min(undefined)!r} is required but not defined",
            where=where,
            remedy="Define it under `properties`, or take it out of `required`.",
        )
    return Tool(
        name=name,
        description=" ".join(str(entry.get("description") or "").split()),
        arguments=tuple(Argument(key, schema, key in required) for key, schema in inputs.get("properties", {}).items()),
        output=_read_output(entry, where),
        annotations=dict(entry.get("annotations") or {}),
    )


def _read_output(entry: Mapping[str, Any], where: str) -> dict[str, Any]:
    """`outputSchema`, or what other formats call `returns`: a schema, a mapping of fields, or prose."""
    where = f"{where}, output"
    if "outputSchema" in entry:
        return inline(entry["outputSchema"] or {}, where=where)
    if "returns" not in entry:
        return {}
    returns = entry["returns"]
    if returns is None:
        return {"type": "null"}
    if isinstance(returns, str):
        return {"description": returns}  # prose is no schema: the tool returns anything
    if isinstance(returns, Mapping) and returns and all(isinstance(value, Mapping) for value in returns.values()):
        return inline({"type": "object", "properties": dict(returns)}, where=where)
    return inline(returns, where=where)


def _from_argument_list(entry: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The original task's form as MCP: `{"argument_name": "owned_by", "argument_type": "array of strings", …}`.

    An argument is optional when it says so, has a default, or is described as a filter; else it is required.
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
        filters = re.match(r"\s*(filter|optional)", description, re.IGNORECASE)
        if argument.get("required", not (filters or "default" in argument)):
            required.append(name)
    schema = {"type": "object", "properties": properties, "required": required}
    return {**{key: value for key, value in entry.items() if key != "arguments"}, "inputSchema": schema}


def _schema_from_words(argument: Mapping[str, Any], description: str, where: str) -> dict[str, Any]:
    """`"array of strings"`, `"integer (int32)"` … as a schema; allowed values and examples belong to the elements."""
    words = str(argument.get("type", argument.get("argument_type", "string"))).lower()
    match = re.fullmatch(r"(?:(array|list)(?: of (\w+?)s?)?|(\w+))(?: \(\w+\))?", words.strip())
    short = {
        "str": "string",
        "int": "integer",
        "float": "number",
        "double": "number",
        "bool": "boolean",
        "dict": "object",
    }
    known = ("string", "integer", "number", "boolean", "object")
    array, of, plain = match.groups() if match else (None, None, words)
    kind = of or plain or "any"
    kind = short.get(kind, kind)
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
    return inline(schema, where=where)
