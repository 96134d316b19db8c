"""Lists of tool definitions, in the shapes in which programs keep and send them → MCP definitions.

    [{"name": "search", "inputSchema": {…}}, …]                        MCP; `input_schema`, `parameters` as well
    {"tools": […]}   {"jsonrpc": "2.0", "result": {"tools": […]}}      a reply to `tools/list`, or a list of its pages
    {"type": "function", "function": {…}}   {"type": "function", …}    OpenAI: chat, and Responses
    {"functionDeclarations": […]}   {"function_declarations": […]}     Gemini
    {"id": …, "question": …, "function": […]}                          a row of BFCL
    one of these a line                                                JSON Lines

What a definition's schemas hold is read in `platypus.catalogue.reading`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from platypus.catalogue.sources.source import Source, SourceFormat, chosen
from platypus.errors import CatalogueError
from platypus.strict_json import strict_json

TOOL_LISTS = ("tools", "functions", "function_declarations", "functionDeclarations")
OTHER_NAMES = {  # of MCP's keys
    "output_schema": "outputSchema",
    "responseJsonSchema": "outputSchema",
    "response_json_schema": "outputSchema",
    "parametersJsonSchema": "inputSchema",
    "parameters_json_schema": "inputSchema",
}
HINTS = {
    "read_only_hint": "readOnlyHint",
    "destructive_hint": "destructiveHint",
    "idempotent_hint": "idempotentHint",
    "open_world_hint": "openWorldHint",
}
SCHEMAS = {"inputSchema", "input_schema", "parameters", "arguments", *OTHER_NAMES, "description"}


def recognises(source: Source) -> bool:
    """Whether its file holds tools, in a list or wrapped, or text with them."""
    return any(_is_tool(entry) for entry in tool_entries(source.document, source.where))


def definitions(source: Source) -> list[Any]:
    """The tools that its file holds; none if it holds none."""
    return chosen_tools(tool_entries(source.document, source.where), source)


def chosen_tools(entries: Sequence[Any], source: Source) -> list[Any]:
    """The definitions that `only` names, all if it is empty. Raises CatalogueError for a name that is not there."""
    names = chosen(dict.fromkeys(map(str, map(name_of, entries))), source, "tool")
    return [entry for entry in entries if not source.only or str(name_of(entry)) in names]


def tool_entries(data: Any, where: str) -> list[Any]:
    """The definitions in decoded JSON, under MCP's keys; empty if it holds none. Texts with JSON are decoded.

    Rows of BFCL repeat their functions: of definitions that are the same in several rows, the first is taken.
    """
    if isinstance(data, str):
        try:
            return tool_entries(strict_json(data), where)
        except (ValueError, RecursionError) as error:
            raise CatalogueError(f"tools in a text that is not JSON: {error}", where=where) from error
    if isinstance(data, Mapping):
        if _is_row(data) or (_is_tool(data) and not data.keys() & set(TOOL_LISTS)):
            return tool_entries([data], where)
        if isinstance(data.get("result"), Mapping):
            data = data["result"]
        inner = next((data[key] for key in TOOL_LISTS if data.get(key)), None)
        return tool_entries(inner, where) if isinstance(inner, list | str) else []
    entries: list[Any] = []
    for entry in data if isinstance(data, list) else []:
        if _is_row(entry):
            entries += [tool for tool in tool_entries(entry["function"], where) if tool not in entries]
        elif isinstance(entry, Mapping) and "name" not in entry and entry.keys() & {"result", *TOOL_LISTS}:
            entries += tool_entries(entry, where)
        else:
            entries.append(as_mcp(entry))
    return entries


def as_mcp(entry: Any) -> Any:
    """A definition with MCP's keys for the output and the annotations; without null where there could be a schema."""
    if not isinstance(entry, Mapping):
        return entry
    if isinstance(entry.get("function"), Mapping):
        return as_mcp(entry["function"])
    own = {OTHER_NAMES.get(key, key): value for key, value in entry.items() if value is not None or key == "returns"}
    answer = own.get("response")  # Gemini's; elsewhere it may be fields or prose
    if isinstance(answer, Mapping) and isinstance(answer.get("type"), str):
        own = {**{key: value for key, value in own.items() if key != "response"}, "outputSchema": answer}
    if isinstance(own.get("annotations"), Mapping):
        hints = own["annotations"].items()
        own["annotations"] = {HINTS.get(key, key): value for key, value in hints if value is not None}
    return own


def name_of(entry: Any) -> str | None:
    """The name that a definition under MCP's keys gives, usable or not."""
    name = entry.get("name", entry.get("tool_name")) if isinstance(entry, Mapping) else None
    return name if isinstance(name, str) else None


def _is_row(entry: Any) -> bool:
    return isinstance(entry, Mapping) and isinstance(entry.get("function"), list)


def _is_tool(entry: Any) -> bool:
    """Whether it looks like a definition: it has a name, and what a tool has beside it."""
    if not isinstance(entry, Mapping):
        return False
    if isinstance(entry.get("function"), Mapping):
        return _is_tool(entry["function"])
    return name_of(entry) is not None and (bool(entry.keys() & SCHEMAS) or len(entry) == 1)


FORMAT = SourceFormat(recognises, definitions)
