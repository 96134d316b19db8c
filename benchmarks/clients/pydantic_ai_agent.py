"""pydantic-ai: agents over both endpoints, with tools that are run, forms, streams and what was said before."""

from typing import Any

import pytest
from pydantic import BaseModel
from pydantic_ai import Agent, NativeOutput, ToolOutput
from pydantic_ai.messages import ToolCallPart

ASK = "Find work items owned by DEVU-7, then prioritize them"


class Trip(BaseModel):
    """A trip."""

    city: str
    days: int


def works_list(owned_by: list[str]) -> list[str]:
    """Lists work items, all of them or those of these owners."""
    return [f"ISSUE-{name}" for name in owned_by]


def prioritize_objects(objects: list[str]) -> list[str]:
    """Sorts work items, the most urgent first."""
    return sorted(objects)


def get_weather(city: str) -> str:
    """The weather in a city."""
    return f"clear in {city}"


@pytest.fixture(params=["openai-chat:embedded", "openai-responses:embedded", "openai:embedded"])
def model(request: Any) -> str:
    return str(request.param)


def called(result: Any) -> list[str]:
    return [part.tool_name for one in result.all_messages() for part in one.parts if isinstance(part, ToolCallPart)]


def test_agent(model: str) -> None:
    agent = Agent(model, tools=[works_list, prioritize_objects])
    result = agent.run_sync(ASK)
    assert called(result) == ["works_list", "prioritize_objects"]
    assert "ISSUE-DEVU-7" in result.output


def test_tools(model: str) -> None:
    agent = Agent(model, instructions="You plan.", tools=[get_weather])
    assert called(agent.run_sync("What is the weather in Lisbon?")) == ["get_weather"]


@pytest.mark.parametrize("output", [Trip, ToolOutput(Trip), NativeOutput(Trip)])
def test_form(model: str, output: Any) -> None:
    assert isinstance(Agent(model, output_type=output).run_sync("3 days in Porto").output, Trip)


@pytest.mark.parametrize("output", [Trip, NativeOutput(Trip)])
def test_form_and_tools(model: str, output: Any) -> None:
    agent = Agent(model, output_type=output, tools=[get_weather])
    assert isinstance(agent.run_sync("3 days in Porto").output, Trip)


def test_stream(model: str) -> None:
    agent = Agent(model, tools=[works_list, prioritize_objects])
    result = agent.run_stream_sync(ASK)
    assert "ISSUE-DEVU-7" in result.get_output() and result.usage.output_tokens > 0


def test_conversation(model: str) -> None:
    agent = Agent(model, tools=[get_weather])
    first = agent.run_sync("What is the weather in Lisbon?")
    second = agent.run_sync("What is the weather in Porto?", message_history=first.all_messages())
    assert called(second)[-1] == "get_weather"
