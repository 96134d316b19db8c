"""A source → Catalogue: chooses the kind of the source, and reads the definitions that it gives.

The format of the project is a JSON list of MCP tool definitions (`name`, `description`, `inputSchema`, `outputSchema`,
`annotations`; Model Context Protocol, 2025-06-18). What else is read stands in `platypus.catalogue.sources`; the tools
of public data sets (`platypus.catalogue.foreign_types`) and the argument lists of the original task are read here. A
tool without an output schema may return anything.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence, Set
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

from platypus.catalogue.argument_lists import from_argument_list
from platypus.catalogue.drafts import ANNOTATIONS, APPLICATORS, IDENTITY, LIMITS
from platypus.catalogue.foreign_types import from_arguments_by_name, lists_by_name, plain_types
from platypus.catalogue.kinds import Note
from platypus.catalogue.prose import one_line
from platypus.catalogue.sources.mcp_configuration import FORMAT as MCP_CONFIGURATION
from platypus.catalogue.sources.mcp_server import FORMAT as MCP_SERVER
from platypus.catalogue.sources.openapi import FORMAT as OPENAPI
from platypus.catalogue.sources.python_functions import FORMAT as PYTHON_FUNCTIONS
from platypus.catalogue.sources.source import open_source
from platypus.catalogue.sources.tool_lists import FORMAT as TOOL_LIST
from platypus.catalogue.sources.tool_lists import name_of, tool_entries
from platypus.catalogue.tightening import Tightened, loosened, tightened_inputs
from platypus.catalogue.tools import SERVER, Argument, Catalogue, Tool
from platypus.errors import CatalogueError
from platypus.files import say
from platypus.strict_json import strict_json

SOURCES = (MCP_SERVER, PYTHON_FUNCTIONS, MCP_CONFIGURATION, OPENAPI)  # what is none of these is a list of tools
BadTools = Literal["skip", "refuse"]
SAID = 5  # names of tools that a message lists
INPUTS = ("inputSchema", "input_schema", "parameters", "arguments")
NO_INPUTS = {  # other keys of a tool that may hold objects
    *("outputSchema", "output_schema", "returns", "response", "responses", "annotations", "_meta", "meta", "metadata"),
    *("icons", "execution", "cache_control", "examples", "input_examples"),
}
TOOL_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:/-]{0,127}")


class CatalogueReading(NamedTuple):
    """What was read: the tools, what is wrong with those that were left out, and what was given up of schemas.

    `skipped` are the names of the tools that were left out, `where` is that of the source in messages.
    """

    catalogue: Catalogue
    faults: tuple[CatalogueError, ...]
    notes: tuple[Note, ...]
    skipped: tuple[str, ...]
    where: str


def read_catalogue(source: str | Path, *, only: Iterable[str] = (), bad_tools: BadTools = "skip") -> Catalogue:
    """The catalogue of a source: a file in any of the formats, Python functions, or an MCP server (docs/catalogues.md).

    `only` names the parts that are wanted: tags of OpenAPI, servers of a configuration, functions, tools. Tools that
    cannot be used are left out, and standard error says which; or all of them are refused.
    Raises CatalogueError that names the source.
    """
    reading = read_tools(source, only=only)
    if reading.faults and bad_tools == "refuse":
        raise _all_of(reading.faults, reading.where)
    if reading.skipped:
        names = ", ".join(reading.skipped[:SAID]) + (", …" if len(reading.skipped) > SAID else "")
        count = len(reading.skipped)
        say(
            f"{reading.where}: {count} of {count + len(reading.catalogue)} tools cannot be used and are left out:"
            f" {names} (why: platypus check {reading.where})"
        )
    return reading.catalogue


def read_tools(source: str | Path, *, only: Iterable[str] = ()) -> CatalogueReading:
    """The usable tools of a source, with what is wrong with the others. Raises CatalogueError if none is usable."""
    opened = open_source(str(source), only=only)
    kind = next((kind for kind in SOURCES if kind.recognises(opened)), TOOL_LIST)
    return tools_from_json(kind.definitions(opened), where=opened.where)


def catalogue_from_json(data: Any, *, where: str = "catalogue") -> Catalogue:
    """The catalogue in decoded JSON, as `tools_from_json` reads it. Raises CatalogueError if a tool cannot be used."""
    reading = tools_from_json(data, where=where)
    if reading.faults:
        raise _all_of(reading.faults, where)
    return reading.catalogue


def tools_from_json(data: Any, *, where: str = "catalogue") -> CatalogueReading:
    """The usable tools in decoded JSON: a list in any of the formats, or an object or a JSON text with that list.

    The object is `{"tools": [...]}` or the answer of an MCP server to `tools/list`. Raises CatalogueError if there is
    no usable tool.
    """
    entries = tool_entries(data, where)
    if not entries:
        raise CatalogueError(
            "holds no tools", where=where, remedy="A catalogue is a JSON list of at least one tool definition."
        )
    if not any(map(name_of, entries)):
        keys = ", ".join(map(repr, entries[0])) if isinstance(entries[0], Mapping) else ""
        first = (
            "is no object" if not isinstance(entries[0], Mapping) else f"has the keys {keys}" if keys else "is empty"
        )
        raise CatalogueError(
            f"holds no tools: nothing in it has a name, and the first element {first}",
            where=where,
            remedy="A tool has a `name` and an `inputSchema`. Rows of a dataset are named under `data` in the recipe.",
        )
    return _checked_tools(entries, where)


def _checked_tools(entries: Sequence[Any], where: str) -> CatalogueReading:
    tools: dict[str, Tool] = {}
    faults: list[CatalogueError] = []
    notes: list[Note] = []
    skipped: list[str] = []
    for number, entry in enumerate(entries, 1):
        read = _read_tool(entry, number, where)
        found = list(read.faults)
        if read.tool is not None and read.tool.name in tools:
            what = f"two tools are named {read.tool.name!r}"
            found.append(CatalogueError(what, where=f"{where}, tool {number}", remedy="Rename or remove one of them."))
        if read.tool is None or found:
            skipped.append(name_of(entry) or f"tool {number}")
            faults += found
        else:
            tools[read.tool.name] = read.tool
            notes += read.notes
    if not tools:
        raise _all_of(faults, where)
    return CatalogueReading(Catalogue(tuple(tools.values())), tuple(faults), tuple(notes), tuple(skipped), where)


def _all_of(faults: Sequence[CatalogueError], where: str) -> CatalogueError:
    """One error that says everything that is wrong."""
    if len(faults) == 1:
        return faults[0]
    return CatalogueError(f"{len(faults)} faults", where=where, remedy="\n  ".join(map(str, faults)))


class _ReadTool(NamedTuple):
    """One tool, or None; what is wrong with it, and what was given up of its schemas."""

    tool: Tool | None
    faults: tuple[CatalogueError, ...] = ()
    notes: tuple[Note, ...] = ()


def _read_tool(entry: Any, number: int, where: str) -> _ReadTool:
    name = name_of(entry)
    if name is None or not TOOL_NAME.fullmatch(name):
        fault = CatalogueError(
            f"tool {number} has no usable name ({name!r})",
            where=where,
            remedy="Rename it: letters, digits and _ . : / - (at most 128; the first one no punctuation but _).",
        )
        return _ReadTool(None, (fault,))
    return _known_tool(json.dumps(entry, default=str), f"{where}, tool {name!r}")


@lru_cache(maxsize=8192)
def _known_tool(definition: str, where: str) -> _ReadTool:
    """The tool of a definition in JSON. Cached: the catalogues that rows bring have many tools in common."""
    entry = json.loads(definition)
    name = entry.get("name", entry.get("tool_name"))
    try:
        inputs = tightened_inputs(plain_types(_input_schema(entry, where)), tool=name, where=where)
        output = _read_output(entry, name, where)
    except CatalogueError as error:
        return _ReadTool(None, (error,))
    if inputs.faults or inputs.schema is None:
        return _ReadTool(None, inputs.faults or (_without_values(inputs, where),))
    required = inputs.schema.get("required", ())
    properties = inputs.schema.get("properties", {})
    said = entry.get("annotations")
    annotations = dict(said) if isinstance(said, Mapping) else {}
    tool = Tool(
        name=name,
        description=str(entry.get("description") or "").strip(),
        arguments=tuple(Argument(key, schema, key in required) for key, schema in properties.items()),
        output=output.schema or {},
        annotations=annotations,
        title=one_line(str(entry.get("title") or annotations.get("title") or "")),
        server=_server(entry.get("_meta")),
    )
    return _ReadTool(tool, (), (*inputs.notes, *output.notes))


def _server(meta: Any) -> str:
    """The server that a definition came from, if it was read with others."""
    return str(meta.get(SERVER) or "") if isinstance(meta, Mapping) else ""


def _without_values(inputs: Tightened, where: str) -> CatalogueError:
    """Why no arguments are known that the tool takes, by the last things that were given up."""
    reasons = "; ".join(f"{note.place} {note.keyword}: {note.done}".strip() for note in inputs.notes[-3:])
    return CatalogueError(
        "no arguments are known that its schema allows" + (f" ({reasons})" if reasons else ""),
        where=where,
        remedy="Simplify the schema of a required argument, or give an example of its value (`examples`).",
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
    if isinstance(found, str):
        with suppress(ValueError, RecursionError):  # another text is refused as no schema
            found = strict_json(found)
    if given[0] in ("arguments", "parameters") and isinstance(found, list):
        return from_argument_list(found, where)
    if lists_by_name(found):
        return from_arguments_by_name(found, where)
    if isinstance(found, Mapping) and not found.get("properties") and "$ref" not in found:
        known = {*APPLICATORS, *LIMITS, *ANNOTATIONS, *IDENTITY, "dependencies"}
        _refuse_objects(found, known, f"{where}, `{given[0]}`", "Write each argument under `properties`.")
    return found


def _refuse_objects(data: Mapping[str, Any], known: Set[str], where: str, remedy: str) -> None:
    """Raise CatalogueError if a key that is not known holds an object or a list of objects: they may be arguments."""
    for key, value in data.items():
        elements = value if isinstance(value, list) else [value]
        if key not in known and any(element and isinstance(element, Mapping) for element in elements):
            raise CatalogueError(f"the key {key!r} is not known and may hold arguments", where=where, remedy=remedy)


def _read_output(entry: Mapping[str, Any], name: str, where: str) -> Tightened:
    """The schema in `outputSchema`, or in the `returns` of other formats: a schema, a mapping of fields, or prose."""
    returns = entry.get("outputSchema") or {} if "outputSchema" in entry else entry.get("returns", {})
    if returns is None:
        return Tightened({"type": "null"}, (), ())
    if isinstance(returns, str):
        return Tightened({"description": returns}, (), ())  # prose is not a schema: the tool may return anything
    is_fields = isinstance(returns, Mapping) and returns and "outputSchema" not in entry
    if is_fields and all(isinstance(value, Mapping) for value in returns.values()):
        returns = {"type": "object", "properties": dict(returns)}
    return loosened(plain_types(returns), tool=name, where=where)
