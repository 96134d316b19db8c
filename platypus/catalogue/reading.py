"""A catalogue file → Catalogue; recognises its format.

The format of the project is a JSON list of MCP tool definitions (`name`, `description`, `inputSchema`, `outputSchema`,
`annotations`; Model Context Protocol, 2025-06-18). OpenAI function lists and the argument lists of the original task
are read as well. A tool without an output schema may return anything.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from platypus.catalogue.argument_lists import from_argument_list
from platypus.catalogue.schema import check_required, inline
from platypus.catalogue.tools import Argument, Catalogue, Tool
from platypus.errors import CatalogueError
from platypus.files import read_text

TOOL_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:/-]{0,127}")


def read_catalogue(path: Path) -> Catalogue:
    """The catalogue in a JSON file. Raises CatalogueError that names the file."""
    try:
        data = json.loads(read_text(path, error=CatalogueError))
    except ValueError as error:
        raise CatalogueError(f"is not JSON: {error}", where=str(path), remedy="Correct the JSON there.") from error
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
        entry = from_argument_list(entry, where)
    inputs = inline(entry.get("inputSchema", entry.get("parameters")) or {"type": "object"}, where=where)
    check_required(inputs, where)
    required = inputs.get("required", ())
    return Tool(
        name=name,
        description=" ".join(str(entry.get("description") or "").split()),
        arguments=tuple(Argument(key, schema, key in required) for key, schema in inputs.get("properties", {}).items()),
        output=_read_output(entry, where),
        annotations=dict(entry.get("annotations") or {}),
    )


def _read_output(entry: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The schema in `outputSchema`, or in the `returns` of other formats: a schema, a mapping of fields, or prose."""
    where = f"{where}, output"
    if "outputSchema" in entry:
        return inline(entry["outputSchema"] or {}, where=where)
    if "returns" not in entry:
        return {}
    returns = entry["returns"]
    if returns is None:
        return {"type": "null"}
    if isinstance(returns, str):
        return {"description": returns}  # prose is not a schema: the tool may return anything
    if isinstance(returns, Mapping) and returns and all(isinstance(value, Mapping) for value in returns.values()):
        return inline({"type": "object", "properties": dict(returns)}, where=where)
    return inline(returns, where=where)
