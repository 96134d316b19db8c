"""The work tracker as an MCP server over standard input and output, with the tools of `catalogue.json`.

    python examples/worktracker/server.py

A text is returned as it is, anything else as JSON text. Nothing is stored on disk: each start has the same items.
"""

import json
from pathlib import Path
from typing import Any

import anyio
from mcp import types
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from tools import sample_tracker

LISTED = [
    types.Tool(
        name=tool["name"],
        description=tool["description"],
        input_schema=tool["inputSchema"],
        annotations=types.ToolAnnotations.model_validate(tool["annotations"]),
    )
    for tool in json.loads(Path(__file__).with_name("catalogue.json").read_text(encoding="utf-8"))
]
TOOLS = sample_tracker().tools()


async def list_tools(_: object, params: types.PaginatedRequestParams | None) -> types.ListToolsResult:
    """All tools. Their output schemas are left out: MCP before 2026-07-28 has objects alone as structured content."""
    return types.ListToolsResult(tools=LISTED)


async def call_tool(_: object, params: types.CallToolRequestParams) -> types.CallToolResult:
    """What a tool returns, or why it cannot."""
    if params.name not in TOOLS:
        return _answer(f"there is no tool {params.name!r}", is_error=True)
    arguments = {name.replace(".", "_"): value for name, value in (params.arguments or {}).items()}
    try:
        return _answer(TOOLS[params.name](**arguments))
    except (LookupError, TypeError) as error:
        return _answer(str(error), is_error=True)


def _answer(value: Any, *, is_error: bool = False) -> types.CallToolResult:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return types.CallToolResult(content=[types.TextContent(text=text)], is_error=is_error)


async def main() -> None:
    """Serve until standard input ends."""
    server: Server[Any] = Server("worktracker", on_list_tools=list_tools, on_call_tool=call_tool)
    async with stdio_server() as (messages, answers):
        await server.run(messages, answers, server.create_initialization_options())


if __name__ == "__main__":
    anyio.run(main)
