"""An MCP server of two pages, written with the official SDK: over stdin and stdout, or as an HTTP app.

python tests/support/mcp_server.py
"""

import anyio
from mcp import types
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server

PAGES = [["sail", "moor"], ["bail"]]


async def list_tools(_: object, params: types.PaginatedRequestParams | None) -> types.ListToolsResult:
    """One page: the cursor is its number."""
    page = int(params.cursor) if params and params.cursor else 0
    schema = {"type": "object", "properties": {"boat": {"type": "string"}}, "required": ["boat"]}
    tools = [types.Tool(name=name, description=f"{name} a boat", input_schema=schema) for name in PAGES[page]]
    return types.ListToolsResult(tools=tools, next_cursor=str(page + 1) if page + 1 < len(PAGES) else None)


SERVER: Server = Server("boats", on_list_tools=list_tools)


async def main() -> None:
    """Serve over stdin and stdout."""
    async with stdio_server() as (messages, answers):
        await SERVER.run(messages, answers, SERVER.create_initialization_options())


if __name__ == "__main__":
    anyio.run(main)
