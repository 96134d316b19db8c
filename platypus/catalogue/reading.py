"""A source → Catalogue: chooses the kind of the source, and reads the definitions that it gives.

The format of the project is a JSON list of MCP tool definitions (`name`, `description`, `inputSchema`, `outputSchema`,
`annotations`; Model Context Protocol, 2025-06-18). What else is read stands in `platypus.catalogue.sources`; the tools
of public data sets (`platypus.catalogue.foreign_types`) and the argument lists of the original task are read here. A
tool without an output schema may return anything.
"""

import json
import re
from collections.abc import Iterable, Mapping, Set
from functools import lru_cache
from pathlib import Path
from typing import Any

from platypus.catalogue.argument_lists import from_argument_list
from platypus.catalogue.foreign_types import from_arguments_by_name, lists_by_name, plain_types
from platypus.catalogue.prose import one_line
from platypus.catalogue.schema import check_required, inline
from platypus.catalogue.sources.mcp_configuration import FORMAT as MCP_CONFIGURATION
from platypus.catalogue.sources.mcp_server import FORMAT as MCP_SERVER
from platypus.catalogue.sources.openapi import FORMAT as OPENAPI
from platypus.catalogue.sources.python_functions import FORMAT as PYTHON_FUNCTIONS
from platypus.catalogue.sources.source import open_source
from platypus.catalogue.sources.tool_lists import FORMAT as TOOL_LIST
from platypus.catalogue.sources.tool_lists import tool_entries
from platypus.catalogue.tools import Argument, Catalogue, Tool
from platypus.errors import CatalogueError

SOURCES = (MCP_SERVER, PYTHON_FUNCTIONS, MCP_CONFIGURATION, OPENAPI)  # what is none of these is a list of tools
INPUTS = ("inputSchema", "input_schema", "parameters", "arguments")
NO_INPUTS = {  # other keys of a tool that may hold objects
    *("outputSchema", "output_schema", "returns", "response", "responses", "annotations", "_meta", "meta", "metadata"),
    *("icons", "execution", "cache_control", "examples", "input_examples"),
}
TOOL_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:/-]{0,127}")


def read_catalogue(source: str | Path, *, only: Iterable[str] = ()) -> Catalogue:
    """The catalogue of a source: a file in any of the formats, Python functions, or an MCP server (docs/catalogues.md).

    `only` names the parts that are wanted: tags of OpenAPI, servers of a configuration, functions, tools.
    Raises CatalogueError that names the source.
    """
    opened = open_source(str(source), only=only)
    kind = next((kind for kind in SOURCES if kind.recognises(opened)), TOOL_LIST)
    return catalogue_from_json(kind.definitions(opened), where=opened.where)


def catalogue_from_json(data: Any, *, where: str = "catalogue") -> Catalogue:
    """The catalogue in decoded JSON: a list of tools in any of the formats, or an object or a JSON text with that list.

    The object is `{"tools": [...]}` or the answer of an MCP server to `tools/list`.
    """
    entries = tool_entries(data, where)
    if not entries:
        raise CatalogueError(
            "holds no tools", where=where, remedy="A catalogue is a JSON list of at least one tool definition."
        )
    try:
        return Catalogue(tuple(_read_tool(entry, i, where) for i, entry in enumerate(entries)))
    except CatalogueError as error:
        raise error if error.where else CatalogueError(error.what, where=where, remedy=error.remedy) from error


def _read_tool(entry: Any, index: int, where: str) -> Tool:
    if isinstance(entry, Mapping) and isinstance(entry.get("function"), Mapping):
        entry = entry["function"]
    name = entry.get("name", entry.get("tool_name")) if isinstance(entry, Mapping) else None
    if not isinstance(name, str) or not TOOL_NAME.fullmatch(name):
        raise CatalogueError(
            f"tool {index} has no usable name ({name!r})",
            where=where,
            remedy="Give it a `name` of letters, digits and _ . : / - (at most 128).",
        )
    return _known_tool(json.dumps(entry, default=str), f"{where}, tool {name!r}")


@lru_cache(maxsize=8192)
def _known_tool(definition: str, where: str) -> Tool:
    """The tool of a definition in JSON. Cached: the catalogues that rows bring have many tools in common."""
    entry = json.loads(definition)
    name = entry.get("name", entry.get("tool_name"))
    inputs = inline(plain_types(_input_schema(entry, where)), where=where)
    check_required(inputs, where)
    required = inputs.get("required", ())
    annotations = dict(entry.get("annotations") or {})
    return Tool(
        name=name,
        description=str(entry.get("description") or "").strip(),
        arguments=tuple(Argument(key, schema, key in required) for key, schema in inputs.get("properties", {}).items()),
        output=_read_output(entry, where),
        annotations=annotations,
        title=one_line(str(entry.get("title") or annotations.get("title") or "")),
    )


def _input_schema(entry: Mapping[str, Any], where: str) -> Any:
    """The schema of the tool's arguments. Raises CatalogueError for a key that may hold arguments and is not known."""
    given = [key for key in INPUTS if entry.get(key)]
    if len(given) > 1 and any(entry[key] != entry[given[0]] for key in given):
        what = f"has arguments under {given[0]!r} and under {given[1]!r}"
        raise CatalogueError(what, where=where, remedy="Keep one of them.")
    if not given:
        _refuse_objects(entry, {*INPUTS, *NO_INPUTS}, where, "Write the arguments' schema under `inputSchema`.")
        return {"type": "object"}
    found = entry[given[0]]
    if given[0] == "arguments" and isinstance(found, list):
        return from_argument_list(entry, where)["inputSchema"]
    if lists_by_name(found):
        return from_arguments_by_name(found, where)
    if isinstance(found, Mapping) and not found.get("properties") and "$ref" not in found and "allOf" not in found:
        known = {"properties", "$defs", "definitions", "additionalProperties", "examples", "default"}
        _refuse_objects(found, known, f"{where}, `{given[0]}`", "Write each argument under `properties`.")
    return found


def _refuse_objects(data: Mapping[str, Any], known: Set[str], where: str, remedy: str) -> None:
    """Raise CatalogueError if a key that is not known holds an object or a list of objects: they may be arguments."""
    for key, value in data.items():
        elements = value if isinstance(value, list) else [value]
        if key not in known and any(element and isinstance(element, Mapping) for element in elements):
            raise CatalogueError(f"the key {key!r} is not known and may hold arguments", where=where, remedy=remedy)


def _read_output(entry: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The schema in `outputSchema`, or in the `returns` of other formats: a schema, a mapping of fields, or prose."""
    where = f"{where}, output"
    if "outputSchema" in entry:
        return inline(plain_types(entry["outputSchema"] or {}), where=where)
    if "returns" not in entry:
        return {}
    returns = entry["returns"]
    if returns is None:
        return {"type": "null"}
    if isinstance(returns, str):
        return {"description": returns}  # prose is not a schema: the tool may return anything
    if isinstance(returns, Mapping) and returns and all(isinstance(value, Mapping) for value in returns.values()):
        return inline(plain_types({"type": "object", "properties": dict(returns)}), where=where)
    return inline(plain_types(returns), where=where)
