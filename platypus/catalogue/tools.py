"""Argument, Tool, Catalogue: the tools that a planner may use, with a fingerprint.

The canonical form is a list of MCP tool definitions (`name`, `description`, `inputSchema`, `outputSchema`,
`annotations`; Model Context Protocol, 2025-06-18). Files of this and of other formats are read in
`platypus.catalogue.reading`. A tool without an output schema may return anything.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from platypus.catalogue.prose import one_line
from platypus.catalogue.schema import Schema, is_set
from platypus.errors import CatalogueError

SERVER = "platypus/server"  # the key of `_meta` that tells from which of several servers a tool came


@dataclass(frozen=True)
class Argument:
    """One argument of a tool: its name, its schema, and whether it is required."""

    name: str
    schema: Schema
    required: bool

    @property
    def description(self) -> str:
        """Its description in the catalogue, on one line."""
        return one_line(str(self.schema.get("description", "")))

    @cached_property
    def is_set(self) -> bool:
        """Whether the order of the elements does not count where its value is an array."""
        return is_set(self.schema)


@dataclass(frozen=True)
class Tool:
    """One tool. `output` is the schema of what it returns: `{}` for anything, `{"type": "null"}` for nothing.

    `description` is the whole text, with its line breaks (see `platypus.catalogue.prose`); `title` a name for people,
    empty if it has none. `server` is the one that it came from, if its catalogue is that of several: its name then
    begins with the server's. It is no part of the fingerprint, since no prompt shows it.
    """

    name: str
    description: str
    arguments: tuple[Argument, ...]
    output: Schema = field(default_factory=dict)
    annotations: Mapping[str, Any] = field(default_factory=dict)
    title: str = ""
    server: str = field(default="", compare=False)

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
        if self.title:
            data["title"] = self.title
        if self.annotations:
            data["annotations"] = dict(self.annotations)
        if self.server:
            data["_meta"] = {SERVER: self.server}
        return data


@dataclass(frozen=True)
class Catalogue:
    """The tools that a planner may use, in order. Raises CatalogueError if two have the same name."""

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
        """16 hex digits of the SHA-256 of the canonical JSON, without the servers."""
        definitions = [{key: part for key, part in tool.items() if key != "_meta"} for tool in self.to_json()]
        text = json.dumps(definitions, sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()[:16]
