"""OpenAI's Agents SDK: agents over both endpoints, with tools that are run, forms and streams."""

import asyncio
from typing import Any

import pytest
from agents import Agent, OpenAIProvider, RunConfig, Runner, function_tool, set_tracing_disabled
from pydantic import BaseModel

ASK = "Find work items owned by DEVU-7, then prioritize them"
LOOP = asyncio.new_event_loop()  # the SDK keeps one client of HTTP for all agents, and that one belongs to a loop
set_tracing_disabled(True)  # traces go to OpenAI


class Trip(BaseModel):
    """A trip."""

    city: str
    days: int


@function_tool
def works_list(owned_by: list[str]) -> list[str]:
    """Lists work items, all of them or those of these owners."""
    return [f"ISSUE-{name}" for name in owned_by]


@function_tool
def prioritize_objects(objects: list[str]) -> list[str]:
    """Sorts work items, the most urgent first."""
    return sorted(objects)


@pytest.fixture(params=[False, True], ids=["chat", "responses"])
def config(request: Any) -> RunConfig:
    return RunConfig(model="embedded", model_provider=OpenAIProvider(use_responses=request.param))


def called(result: Any) -> list[str]:
    return [item.raw_item.name for item in result.new_items if item.type == "tool_call_item"]


def test_agent(config: RunConfig) -> None:
    agent = Agent("Planner", tools=[works_list, prioritize_objects])
    result = LOOP.run_until_complete(Runner.run(agent, ASK, run_config=config))
    assert called(result) == ["works_list", "prioritize_objects"] and "ISSUE-DEVU-7" in result.final_output


def test_form(config: RunConfig) -> None:
    agent = Agent("Planner", instructions="You plan.", output_type=Trip)
    result = LOOP.run_until_complete(Runner.run(agent, "3 days in Porto", run_config=config))
    assert isinstance(result.final_output, Trip)


def test_form_and_tools(config: RunConfig) -> None:
    agent = Agent("Planner", tools=[works_list], output_type=Trip)
    result = LOOP.run_until_complete(Runner.run(agent, "3 days in Porto", run_config=config))
    assert isinstance(result.final_output, Trip)


def test_stream(config: RunConfig) -> None:
    agent = Agent("Planner", tools=[works_list, prioritize_objects])

    async def run() -> Any:
        result = Runner.run_streamed(agent, ASK, run_config=config)
        kinds = [event.type async for event in result.stream_events()]
        return result, kinds

    result, kinds = LOOP.run_until_complete(run())
    assert called(result) == ["works_list", "prioritize_objects"] and "run_item_stream_event" in kinds
