"""Toolbox: the back ends of some sources, and which of them has each tool of a plan.

    mcp:COMMAND   https://host/mcp   mcp.json   tools.py   openapi.yaml      as a catalogue is read from them

A tool that came from one of several servers is looked for there, by the name that it has there. Only the servers of a
plan's tools are started. What they list then counts: a plan is checked against it, and a tool that is no longer as the
catalogue has it is marked as changed.
"""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any

from platypus.catalogue.reading import catalogue_from_json
from platypus.catalogue.sources.mcp_configuration import FORMAT as MCP_CONFIGURATION
from platypus.catalogue.sources.mcp_configuration import entries, prefix_of
from platypus.catalogue.sources.mcp_configuration import server_of as server_of_entry
from platypus.catalogue.sources.mcp_server import FORMAT as MCP_SERVER
from platypus.catalogue.sources.mcp_server import Server, server_of
from platypus.catalogue.sources.openapi import FORMAT as OPENAPI
from platypus.catalogue.sources.python_functions import FORMAT as PYTHON_FUNCTIONS
from platypus.catalogue.sources.source import Source, open_source
from platypus.catalogue.sources.variables import SECRET, Variables
from platypus.catalogue.tools import Catalogue, Tool
from platypus.errors import CatalogueError, ExecutionError
from platypus.execution.back_ends.back_end import BackEnd, without_words
from platypus.execution.back_ends.dry_run import DRY_RUN, DryRunBackEnd
from platypus.execution.back_ends.mcp_servers import McpBackEnd
from platypus.execution.back_ends.openapi import OpenApiBackEnd
from platypus.execution.back_ends.python_functions import PythonBackEnd
from platypus.execution.back_ends.unavailable import UnavailableBackEnd
from platypus.execution.policy import KnownTool, Policy
from platypus.execution.results import ToolResult
from platypus.plan.plan import Plan


@dataclass(frozen=True)
class Reach:
    """How back ends are reached: seconds for a server's start, and for OpenAPI the address, headers (with `${VAR}`),
    and the most bytes of an answer."""

    start_timeout: float = 60.0
    base_url: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    most: int = 1 << 20


@dataclass(frozen=True)
class Toolbox:
    """The back ends of some sources. `secrets` are values that nothing that is written down should hold."""

    back_ends: tuple[BackEnd, ...]
    secrets: frozenset[str] = frozenset()

    @classmethod
    def of(cls, sources: Iterable[str], *, only: Sequence[str] = (), reach: Reach | None = None) -> "Toolbox":
        """The back ends of these sources, none of them open. Raises CatalogueError, ExecutionError."""
        back_ends: list[BackEnd] = []
        secrets: set[str] = set()
        for name in sources:
            back_ends += _back_ends(open_source(name, only=only), reach or Reach(), secrets)
        return cls(tuple(back_ends), frozenset(secrets))

    @asynccontextmanager
    async def opened(
        self, plan: Plan, catalogue: Catalogue, policy: Policy, *, dry_run: bool = False
    ) -> AsyncIterator["OpenedTools"]:
        """The tools of the plan, ready to be called. Raises PlatypusError if one of them is not there.

        In a dry run nothing is opened, and of several that may have a tool the first is taken.
        """
        tools = [tool for name in dict.fromkeys(step.tool for step in plan) if (tool := catalogue.tool(name))]
        if dry_run:
            yield OpenedTools({tool.name: self._dry_route(tool, catalogue, policy) for tool in tools})
            return
        candidates = {tool.name: [one for one in self.back_ends if _own_name(one, tool)] for tool in tools}
        for tool in tools:
            if not candidates[tool.name]:
                raise _nowhere(tool, self.back_ends)
        wanted = list(dict.fromkeys(one for found in candidates.values() for one in found))
        try:
            outcomes = await asyncio.gather(*(one.open() for one in wanted), return_exceptions=True)
            failed = {one: outcome for one, outcome in zip(wanted, outcomes, strict=True) if outcome is not None}
            routes = {tool.name: _route(tool, candidates[tool.name], failed, policy) for tool in tools}
            yield OpenedTools(routes)
        finally:
            with suppress(Exception):
                await asyncio.gather(*(one.close() for one in wanted))

    def _dry_route(self, tool: Tool, catalogue: Catalogue, policy: Policy) -> "Route":
        name = next((one.name for one in self.back_ends if _own_name(one, tool)), tool.server or DRY_RUN)
        return Route(DryRunBackEnd(catalogue), tool.name, KnownTool(tool, name, policy.trusts(name)))


@dataclass(frozen=True)
class Route:
    """Where a tool is: its back end and its name there; and what is known of it now."""

    back_end: BackEnd
    own_name: str
    known: KnownTool


@dataclass(frozen=True)
class OpenedTools:
    """The tools of a plan, each with its open back end."""

    routes: Mapping[str, Route]

    @property
    def known(self) -> dict[str, KnownTool]:
        """What a policy judges of each tool."""
        return {name: route.known for name, route in self.routes.items()}

    def check(self, plan: Plan) -> None:
        """Raise ExecutionError if the plan is not valid for the tools as they are now."""
        problems = plan.problems(Catalogue(tuple(route.known.tool for route in self.routes.values())))
        if problems:
            raise ExecutionError(
                f"the plan is not valid for the tools as they are now: {'; '.join(map(str, problems))}",
                remedy="Read the catalogue again, and plan again.",
            )

    async def call(self, tool: str, arguments: Mapping[str, Any]) -> ToolResult:
        """The result of a call. Raises CallFailed."""
        route = self.routes[tool]
        return await route.back_end.call(route.own_name, arguments)


def _back_ends(source: Source, reach: Reach, secrets: set[str]) -> list[BackEnd]:
    """The back ends of one source; `secrets` gets what its servers are told of them."""
    if MCP_SERVER.recognises(source):
        server = server_of(source)
        secrets |= _secrets(server)
        return [McpBackEnd(server, source.where, start_timeout=reach.start_timeout)]
    if MCP_CONFIGURATION.recognises(source):
        found: list[BackEnd] = []
        listed = entries(source)
        for name, entry in listed.items():
            prefix = prefix_of(name) if len(listed) > 1 else ""
            try:
                server = server_of_entry(entry, name, source)
            except CatalogueError as error:  # such as a variable that is not set
                found.append(UnavailableBackEnd(name, error, prefix=prefix))
                continue
            secrets |= _secrets(server)
            found.append(McpBackEnd(server, name, prefix=prefix, start_timeout=reach.start_timeout))
        return found
    if PYTHON_FUNCTIONS.recognises(source):
        return [PythonBackEnd.of(source)]
    if OPENAPI.recognises(source):
        variables = Variables(os.environ, "headers under [execute]")
        headers = {name: variables.expand(value) for name, value in reach.headers.items()}
        secrets |= set(headers.values()) | _named_secrets(variables)
        return [OpenApiBackEnd(source, base_url=reach.base_url, headers=headers, most=reach.most)]
    raise ExecutionError(
        "tells what tools there are, but not where they run",
        where=source.where,
        remedy="Name what runs them: `sources` under [execute] in the run's recipe.toml, or `platypus execute` with"
        " --source SOURCE (docs/execution.md).",
    )


def _secrets(server: Server) -> set[str]:
    """What a server is told that is secret: headers, and variables whose names say so."""
    told = {value for name, value in server.environment.items() if SECRET.search(name)}
    return {*server.headers.values(), *told, *_named_secrets(server.variables)}


def _named_secrets(variables: Variables) -> set[str]:
    """The values that were put in place of variables whose names are those of secrets; a home folder is none."""
    named = {value for name, value in variables.environment.items() if SECRET.search(name)}
    return named & variables.given


def _own_name(back_end: BackEnd, tool: Tool) -> str | None:
    """The tool's name at the back end; None if it is not there, as far as that is known before it is open."""
    if tool.server:  # the catalogue is that of several servers
        if tool.server == back_end.name:
            return tool.name.removeprefix(prefix_of(tool.server))
        return None
    return tool.name.removeprefix(back_end.prefix) if back_end.may_have(tool.name) else None


def _route(tool: Tool, candidates: Sequence[BackEnd], failed: Mapping[BackEnd, BaseException], policy: Policy) -> Route:
    """The one back end that has the tool now. Raises the error of one that might have it and cannot be opened."""
    opened = [one for one in candidates if one not in failed]
    found = [(one, own) for one in opened if (own := _own_name(one, tool)) and _has(one, own)]
    if not found:
        raise next((failed[one] for one in candidates if one in failed), _nowhere(tool, candidates))
    if len(found) > 1:
        names = " and ".join(one.name for one, _ in found)
        remedy = "Leave one of them out of `sources`, or read both in one configuration, which tells them apart."
        raise ExecutionError(f"{names} both have a tool {tool.name!r}", remedy=remedy)
    back_end, own = found[0]
    return Route(back_end, own, _known(tool, back_end, own, policy))


def _has(back_end: BackEnd, own: str) -> bool:
    listed = back_end.definitions()
    return listed is None or own in listed


def _known(tool: Tool, back_end: BackEnd, own: str, policy: Policy) -> KnownTool:
    """What is known of the tool now: arguments and annotations as its server lists them, the output as catalogued."""
    trusted = policy.trusts(back_end.name)
    listed = back_end.definitions()
    if listed is None:
        return KnownTool(tool, back_end.name, trusted)
    try:
        now = catalogue_from_json([listed[own]], where=back_end.name).tools[0]
    except CatalogueError as error:
        error.remedy = f"{error.remedy}\n  It could be used when the plan was made.".strip()
        raise
    changed = _told(tool) != _told(now)
    current = replace(tool, arguments=now.arguments, annotations=now.annotations)
    return KnownTool(current, back_end.name, trusted, changed)


def _told(tool: Tool) -> str:
    """What decides how a tool is called and judged, as text: without descriptions and examples."""
    arguments = {one.name: [without_words(one.schema), one.required] for one in tool.arguments}
    return json.dumps([arguments, without_words(tool.annotations)], sort_keys=True)


def _nowhere(tool: Tool, looked: Sequence[BackEnd]) -> ExecutionError:
    places = ", ".join(one.name for one in looked) or "no source"
    if tool.server and tool.server not in (one.name for one in looked):
        return ExecutionError(
            f"the tool {tool.name!r} belongs to the server {tool.server!r}, which is not there (there are: {places})",
            remedy="Name the configuration of MCP clients that has it: --source FILE, or `sources` under [execute].",
        )
    return ExecutionError(
        f"the tool {tool.name!r} is not there (looked for at: {places})",
        remedy="If its server has changed, read the catalogue again; else name what has it: --source SOURCE, or"
        " `sources` under [execute].",
    )
