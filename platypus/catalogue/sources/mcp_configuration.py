"""The files in which MCP clients keep their servers, such as `.mcp.json`, `mcp.json` and `claude_desktop_config.json`.

    {"mcpServers": {"github": {"command": "npx", "args": ["-y", "some-server"], "env": {"TOKEN": "${GITHUB_TOKEN}"}}}}
    {"servers": {"crm": {"type": "http", "url": "https://host/mcp", "headers": {"Authorization": "Bearer ${input:k}"}}}}

All servers of a file are one catalogue; `only` names some of them. If more than one server is read, each tool's name
gets its server's in front: `github__create_issue`. A server that the file disables is left out, unless `only` names it.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from platypus.catalogue.sources.mcp_server import Server, is_sse, list_tools
from platypus.catalogue.sources.source import Source, SourceFormat, chosen
from platypus.catalogue.sources.variables import SECRET, Variables
from platypus.catalogue.tools import SERVER
from platypus.errors import CatalogueError
from platypus.files import say

URLS = ("url", "serverUrl", "httpUrl")
NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_.:/-]+")


def recognises(source: Source) -> bool:
    """Whether its file holds servers."""
    return bool(_servers(source.document))


def definitions(source: Source) -> list[Any]:
    """The tools of all servers. Raises CatalogueError that names the server which fails."""
    read = entries(source)
    tools = []
    for name, entry in read.items():
        prefix = prefix_of(name) if len(read) > 1 else ""
        try:
            listed = list_tools(server_of(entry, name, source))
        except CatalogueError as error:
            others = f"To read others alone: --only {next(other for other in read if other != name)}" if prefix else ""
            error.remedy = "\n  ".join(filter(None, (error.remedy, others)))
            raise
        tools += [_prefixed(tool, prefix, name) for tool in listed]
    return tools


def entries(source: Source) -> dict[str, Any]:
    """Name → entry of the servers that are wanted, without those that the file disables."""
    servers = chosen(_servers(source.document), source, "server")
    disabled = [name for name, entry in servers.items() if entry.get("disabled") is True and name not in source.only]
    for name in disabled:
        say(f"{source.where}: the server {name!r} is disabled there and left out")
    return {name: entry for name, entry in servers.items() if name not in disabled}


def prefix_of(server: str) -> str:
    """What stands in front of the names of a server's tools, if several servers are read."""
    return f"{NOT_IN_NAMES.sub('_', server)}__"


def _servers(document: Any) -> dict[str, Any]:
    """Name → entry of the servers in a file: under `mcpServers`, or under `servers`, as VS Code has it; or none."""
    if not isinstance(document, Mapping):
        return {}
    inner = document.get("mcp")
    held = inner if isinstance(inner, Mapping) and "servers" in inner else document
    servers = held.get("mcpServers", held.get("servers"))  # an OpenAPI document has a list under `servers`
    if not isinstance(servers, Mapping) or not all(isinstance(entry, Mapping) for entry in servers.values()):
        return {}
    return dict(servers)


def server_of(entry: Mapping[str, Any], name: str, source: Source) -> Server:
    """How the server of an entry is reached. Raises CatalogueError for an entry that does not say it."""
    where = f"{source.where}, server {name!r}"
    variables = Variables(os.environ, where, Path(source.name).parent, _defaults(source.document, where))
    url = next((entry[key] for key in URLS if entry.get(key)), None)
    headers = _texts(entry, "headers", variables)
    environment = _texts(entry, "env", variables)
    if entry.get("envFile"):
        say(f"{where}: its `envFile` is not read: set what it holds in the environment")
    variables.given.update(headers.values())
    variables.given.update(value for key, value in environment.items() if SECRET.search(key))
    if isinstance(url, str):
        url = variables.expand(url)
        sse = entry.get("type", entry.get("transport")) == "sse" or (is_sse(url) and "type" not in entry)
        return Server(where, variables, url=url, headers=headers, is_sse=sse)
    first, others, folder = entry.get("command"), entry.get("args") or [], entry.get("cwd") or ""
    if not first or not isinstance(others, list) or not all(isinstance(word, str) for word in (first, *others)):
        raise CatalogueError(
            "has neither a `command` with `args` nor a `url`", where=where, remedy="Write texts under one of them."
        )
    if not isinstance(folder, str):
        raise CatalogueError("'cwd' is not a text", where=where, remedy="Write the path of a folder.")
    command = tuple(variables.expand(word) for word in (first, *others))
    return Server(where, variables, command, environment, variables.expand(folder) or None)


def _texts(entry: Mapping[str, Any], key: str, variables: Variables) -> dict[str, str]:
    values = entry.get(key) or {}
    if not isinstance(values, Mapping):
        raise CatalogueError(f"{key!r} is not an object", where=variables.where, remedy="Write names with their texts.")
    if wrong := [name for name, value in values.items() if not isinstance(value, str | int | float)]:
        what = f"{key!r} has no text under {wrong[0]!r}"
        raise CatalogueError(what, where=variables.where, remedy="Write one, or remove the name.")
    return {str(name): variables.expand(str(value)) for name, value in values.items()}


def _defaults(document: Mapping[str, Any], where: str) -> dict[str, str]:
    """The defaults of a file's `inputs`. Raises CatalogueError if they are none."""
    inner = document.get("mcp")
    inputs = document.get("inputs") or (inner.get("inputs") if isinstance(inner, Mapping) else None) or []
    if not isinstance(inputs, list) or not all(
        isinstance(entry, Mapping) and isinstance(entry.get("id"), str) for entry in inputs
    ):
        what = "'inputs' of its file is not a list of objects with an `id`"
        raise CatalogueError(what, where=where, remedy='Write [{"id": "NAME"}].')
    return {entry["id"]: entry["default"] for entry in inputs if isinstance(entry.get("default"), str)}


def _prefixed(tool: Any, prefix: str, server: str) -> Any:
    """The tool under its name in a catalogue of several servers, with the server that it came from."""
    if not prefix or not (isinstance(tool, Mapping) and isinstance(tool.get("name"), str)):
        return tool
    return {**tool, "name": prefix + tool["name"], "_meta": {SERVER: server}}


FORMAT = SourceFormat(recognises, definitions)
