"""The tool `plan` of MCP, without a transport."""

from typing import Any

import anyio
import pytest
from mcp.client.client import Client

from platypus.serving.mcp_server import mcp_server
from platypus.serving.planners import Planners
from platypus.serving.server import Options, Server

ASK = "Find work items owned by DEVU-7, then prioritize them"


@pytest.mark.parametrize("mode", ["legacy", "auto"])
def test_the_tool_plans_and_says_what_was_wrong(planners: Planners, mode: str) -> None:
    async def ask() -> tuple[Any, list[Any]]:
        server = Server(planners, Options())
        async with server.running(), Client(mcp_server(server), mode=mode) as client:
            (tool,) = (await client.list_tools()).tools
            wrong: list[dict[str, Any]] = [{}, {"request": ASK, "model": "none"}, {"request": ASK, "beams": 2}]
            results = [await client.call_tool("plan", given) for given in wrong]
            results.append(await client.call_tool("execute", {}))
            own = [{"name": "get_time", "description": "The present time."}]
            good = await client.call_tool("plan", {"request": "What time is it?", "tools": own, "model": "bare"})
            return (tool, good), results

    (tool, good), wrong = anyio.run(ask)
    assert "works_list" in tool.description and tool.annotations.read_only_hint
    assert good.structured_content["model"] == "bare" and not good.is_error
    assert all(result.is_error for result in wrong) and "none" in wrong[1].content[0].text
    assert wrong[0].content[0].text == "request: Field required"
    assert wrong[2].content[0].text == "beams: Extra inputs are not permitted"
