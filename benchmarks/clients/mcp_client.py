"""The official MCP client, with the handshake of the earlier protocol versions and without, over HTTP and stdio."""

import asyncio
import os
import shlex
from typing import Any

import pytest
from mcp.client.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

ASK = "Find work items owned by DEVU-7, then prioritize them"


def over_http() -> Any:
    return os.environ["OPENAI_BASE_URL"].removesuffix("/v1") + "/mcp"


def over_stdio() -> Any:
    command, *arguments = shlex.split(os.environ["PLATYPUS_MCP"])
    return stdio_client(StdioServerParameters(command=command, args=arguments, env=dict(os.environ)))


@pytest.mark.parametrize("mode", ["legacy", "auto"])
@pytest.mark.parametrize("transport", [over_http, over_stdio])
def test_plan(transport: Any, mode: str) -> None:
    async def ask() -> Any:
        async with Client(transport(), mode=mode) as client:
            (tool,) = (await client.list_tools()).tools
            good = await client.call_tool(tool.name, {"request": ASK})
            return good, await client.call_tool(tool.name, {"request": ASK, "k": 99})

    good, bad = asyncio.run(ask())
    steps = [step["tool_name"] for step in good.structured_content["plans"][0]["plan"]]
    assert steps == ["works_list", "prioritize_objects"] and bad.is_error
