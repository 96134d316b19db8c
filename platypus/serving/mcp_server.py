"""MCP: planners as the tool `plan` of a server that assistants can use, over standard input and output, or at /mcp.

The official SDK speaks the protocol, in the versions with a handshake and in those without one. The tool plans; it runs
nothing. Where the server was started with `--execute`, a second tool, `execute`, runs plans.
"""

import asyncio
import json
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from platypus import __version__
from platypus.errors import PlatypusError
from platypus.files import say
from platypus.serving.errors import ApiError, misshapen
from platypus.serving.execution import ExecuteRequest, execute_request
from platypus.serving.native import PlanRequest, make_plans
from platypus.serving.server import Server

if TYPE_CHECKING:
    from mcp import types
    from mcp.server.lowlevel import Server as McpServer
    from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

ABOUT = (
    "Turns a request into a plan: the calls of tools that fulfil it, in order, where $$PREV[i] is the output of step i,"
    " from 0. An empty plan means that the tools cannot fulfil it. Nothing is run."
)
ABOUT_EXECUTE = (
    "Plans a request, or takes a plan, and runs its calls if the server's policy allows all of them. What the policy"
    " would ask a person about is not run."
)


def mcp_server(opened: Server | asyncio.Future[Server]) -> "McpServer[Any]":
    """The MCP server of these planners. It answers clients before they are opened; its tools wait for that."""
    from mcp import types
    from mcp.server.lowlevel import Server as McpServer
    from mcp.shared.exceptions import MCPError

    async def planners() -> Server:
        return await asyncio.shield(opened) if isinstance(opened, asyncio.Future) else opened

    async def list_tools(_: object, params: types.PaginatedRequestParams | None) -> types.ListToolsResult:
        try:
            server = await planners()
        except PlatypusError as error:
            raise MCPError(types.INTERNAL_ERROR, str(error)) from error
        executing = [_execute_tool(server)] if server.options.execute else []
        return types.ListToolsResult(tools=[_plan_tool(server), *executing])

    async def call_tool(_: object, params: types.CallToolRequestParams) -> types.CallToolResult:
        try:
            server = await planners()
            if params.name == "execute" and server.options.execute:
                return await _execute(params.arguments or {}, server)
            if params.name != "plan":
                return _failed(f"there is no tool {params.name!r}, only plan")
            body = PlanRequest.model_validate(params.arguments or {})
            answer = await make_plans(body, server.planners.named(body.model), server.asking)
        except (ApiError, PlatypusError, ValueError) as error:  # what the caller can correct
            return _failed(_said(error))
        text = json.dumps(answer["plans"], ensure_ascii=False)
        return types.CallToolResult(content=[types.TextContent(text=text)], structured_content=answer)

    return McpServer(
        "platypus", version=__version__, instructions=ABOUT, on_list_tools=list_tools, on_call_tool=call_tool
    )


def http_sessions(server: Server) -> "StreamableHTTPSessionManager":
    """What answers requests at /mcp, while its `run` is open. Each is answered by itself: nothing is kept for a client.

    Names of hosts and the size of bodies are checked before.
    """
    from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

    return StreamableHTTPSessionManager(mcp_server(server), json_response=True, stateless=True)


async def run_stdio(open_server: Callable[[], Server]) -> None:
    """Speak MCP on standard input and output until the input ends; the server is opened beside the first messages.

    Raises at the end what `open_server` raised. It is told on standard error at once, and to those who ask for tools.
    """
    from mcp.server.stdio import stdio_server

    async with AsyncExitStack() as stack:

        async def opened() -> Server:
            try:
                server = await asyncio.to_thread(open_server)
            except PlatypusError as error:
                say(str(error))
                raise
            await stack.enter_async_context(server.running())
            return server

        opening = asyncio.create_task(opened())
        speaking = mcp_server(opening)
        async with stdio_server() as (messages, answers):
            await speaking.run(messages, answers, speaking.create_initialization_options())
        await opening


def _plan_tool(server: Server) -> "types.Tool":
    from mcp import types

    schema = {
        "type": "object",
        "properties": {
            "request": {"type": "string", "description": "What is wanted, in words."},
            "model": {"type": "string", "enum": [*server.planners.served], "description": "Which planner."},
            "tools": {
                "type": "array",
                "items": {"type": "object"},
                "description": "Definitions of other tools than the planner's own, as MCP or OpenAI write them.",
            },
            "k": {"type": "integer", "minimum": 1, "maximum": server.limits.choices, "description": "How many plans."},
        },
        "required": ["request"],
        "additionalProperties": False,
    }
    own = server.planners.default.catalogue
    known = f" Its tools: {', '.join(tool.name for tool in own)}." if own else ""
    hints = types.ToolAnnotations(read_only_hint=True, idempotent_hint=True, open_world_hint=False)
    return types.Tool(name="plan", description=ABOUT + known, input_schema=schema, annotations=hints)


async def _execute(arguments: dict[str, Any], server: Server) -> "types.CallToolResult":
    from mcp import types

    body = ExecuteRequest.model_validate(arguments)
    answer = await execute_request(body, server.planners.named(body.model), server.asking)
    text = types.TextContent(text=json.dumps(answer, ensure_ascii=False))
    return types.CallToolResult(content=[text], structured_content=answer, is_error=answer["ended"] != "done")


def _said(error: Exception) -> str:
    if isinstance(error, ValidationError):
        return str(misshapen([(e["type"], e["loc"], e["msg"]) for e in error.errors()]))
    return str(error)


def _execute_tool(server: Server) -> "types.Tool":
    from mcp import types

    schema = {
        "type": "object",
        "properties": {
            "request": {"type": "string", "description": "What is wanted, in words; or else `plan`."},
            "plan": {
                "type": "array",
                "items": {"type": "object"},
                "description": "A plan, as the tool `plan` gives it.",
            },
            "model": {"type": "string", "enum": [*server.planners.served], "description": "Which planner."},
            "dry_run": {"type": "boolean", "description": "Call nothing; results are made up."},
        },
        "additionalProperties": False,
    }
    hints = types.ToolAnnotations(read_only_hint=False, destructive_hint=True, open_world_hint=True)
    return types.Tool(name="execute", description=ABOUT_EXECUTE, input_schema=schema, annotations=hints)


def _failed(text: str) -> "types.CallToolResult":
    from mcp import types

    return types.CallToolResult(content=[types.TextContent(text=text)], is_error=True)
