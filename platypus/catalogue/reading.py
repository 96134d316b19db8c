"""A catalogue file → Catalogue; recognises its format.

The format of the project is a JSON list of MCP tool definitions (`name`, `description`, `inputSchema`, `outputSchema`,
`annotations`; Model Context Protocol, 2025-06-18). OpenAI function lists, Anthropic's (`input_schema`), Gemini's
(`function_declarations`), tools of public data sets (`platypus.catalogue.foreign_types`) and the argument lists of the
original task are read as well. A tool without an output schema may return anything.
"""

import json
import re
from collections.abc import Mapping, Set
from functools import lru_cache
from pathlib import Path
from typing import Any

from platypus.catalogue.argument_lists import from_argument_list
from platypus.catalogue.foreign_types import from_arguments_by_name, lists_by_name, plain_types
from platypus.catalogue.prose import one_line
from platypus.catalogue.schema import check_required, inline
from platypus.catalogue.tools import Argument, Catalogue, Tool
from platypus.errors import CatalogueError
from platypus.files import read_text

TOOL_LISTS = ("tools", "functions", "function_declarations", "functionDeclarations")
INPUTS = ("inputSchema", "input_schema", "parameters", "arguments")
NO_INPUTS = {  # other keys of a tool that may hold objects
    *("outputSchema", "output_schema", "returns", "response", "responses", "annotations", "_meta", "meta", "metadata"),
    *("icons", "execution", "cache_control", "examples", "input_examples"),
}
TOOL_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:/-]{0,127}")


def read_catalogue(path: Path) -> Catalogue:
    """The catalogue in a JSON file. Raises CatalogueError that names the file."""
    try:
        data = json.loads(read_text(path, error=CatalogueError))
    except ValueError as error:
        raise CatalogueError(f"is not JSON: {error}", where=str(path), remedy="Correct the JSON there.") from error
    return catalogue_from_json(data, where=str(path))


def catalogue_from_json(data: Any, *, where: str = "catalogue") -> Catalogue:
    """The catalogue in decoded JSON: a list of tools in any of the formats, or an object or a JSON text with that list.

    The object is `{"tools": [...]}` or the answer of an MCP server to `tools/list`.
    """
    entries = _tool_entries(data, where)
    if not entries:
        raise CatalogueError(
            "holds no tools", where=where, remedy="A catalogue is a JSON list of at least one tool definition."
        )
    try:
        return Catalogue(tuple(_read_tool(entry, i, where) for i, entry in enumerate(entries)))
    except CatalogueError as error:
        raise error if error.where else CatalogueError(error.what, where=where, remedy=error.remedy) from error


def _tool_entries(data: Any, where: str) -> list[Any]:
    """The tools in a list, in an object that wraps it, or in a text with either; empty if there are none."""
    if isinstance(data, str):
        try:
            return _tool_entries(json.loads(data), where)
        except ValueError as error:
            raise CatalogueError(f"tools in a text that is not JSON: {error}", where=where) from error
    if isinstance(data, Mapping):
        if isinstance(data.get("result"), Mapping):
            data = data["result"]
        inner = next((data[key] for key in TOOL_LISTS if data.get(key)), None)
        return _tool_entries(inner, where) if isinstance(inner, list | str) else []
    if not isinstance(data, list):
        return []
    return [tool for entry in data for tool in _declared(entry, where)]


def _declared(entry: Any, where: str) -> list[Any]:
    """The tools in one element of a list: one, or several that Gemini declares together."""
    if isinstance(entry, Mapping) and "name" not in entry and entry.keys() & set(TOOL_LISTS):
        return _tool_entries(entry, where)
    return [entry]


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
