"""The tool `plan` of MCP, without a transport."""

import asyncio
from typing import Any

import anyio
import pytest
from mcp.client.client import Client

from platypus.errors import RunError
from platypus.serving.mcp_server import mcp_server
from platypus.serving.planners import Planners
from platypus.serving.server import Options, Server

ASK = "List the work items that are owned by DEVU-7, then prioritize them"


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


def test_clients_are_answered_while_the_planners_are_opened(planners: Planners) -> None:
    async def ask() -> tuple[str, list[str]]:
        opening = asyncio.get_running_loop().create_future()
        async with Client(mcp_server(opening), mode="legacy") as client:  # it has been greeted here
            listing = asyncio.create_task(client.list_tools())
            await asyncio.sleep(0.05)
            assert not listing.done()
            server = Server(planners, Options())
            async with server.running():
                opening.set_result(server)
                return client.server_info.name, [tool.name for tool in (await listing).tools]

    assert anyio.run(ask) == ("platypus", ["plan"])


def test_a_tool_says_why_the_planners_could_not_be_opened() -> None:
    async def ask() -> Any:
        opening = asyncio.get_running_loop().create_future()
        opening.set_exception(RunError("is no run", where="runs/none"))
        async with Client(mcp_server(opening), mode="legacy") as client:
            return await client.call_tool("plan", {"request": ASK})

    result = anyio.run(ask)
    assert result.is_error and result.content[0].text == "runs/none: is no run"
