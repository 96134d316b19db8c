"""LangChain: ChatOpenAI with tools, forms and streams, over both endpoints, and an agent that runs the tools."""

import json
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.structured_output import ProviderStrategy, ToolStrategy
from langchain_core.messages import AIMessageChunk, HumanMessage, SystemMessage, ToolMessage
from langchain_openai import ChatOpenAI
from pydantic import BaseModel, Field

ASK = "Find work items owned by DEVU-7, then prioritize them"
KEEP = {"platypus": {"references": "keep"}}


class Trip(BaseModel):
    """A trip."""

    city: str = Field(description="Where to")
    days: int


def get_weather(city: str) -> str:
    """The weather in a city."""
    return json.dumps({"city": city, "sky": "clear", "degrees": 21})


def works_list(owned_by: list[str]) -> list[str]:
    """Lists work items, all of them or those of these owners."""
    return [f"ISSUE-{name}" for name in owned_by]


def prioritize_objects(objects: list[str]) -> list[str]:
    """Sorts work items, the most urgent first."""
    return sorted(objects)


@pytest.fixture(params=[False, True], ids=["chat", "responses"])
def model(request: Any) -> ChatOpenAI:
    return ChatOpenAI(model="embedded", use_responses_api=request.param, stream_usage=True)


def test_plan(model: ChatOpenAI) -> None:
    answer = model.invoke([SystemMessage("You plan."), HumanMessage(ASK)], extra_body=KEEP)
    assert [call["name"] for call in answer.tool_calls] == ["works_list", "prioritize_objects"]
    assert answer.tool_calls[1]["args"] == {"objects": "$$PREV[0]"}
    assert answer.usage_metadata and answer.usage_metadata["input_token_details"]["cache_read"] > 0


def test_tools(model: ChatOpenAI) -> None:
    answer = model.bind_tools([get_weather]).invoke("What is the weather in Lisbon?")
    (call,) = answer.tool_calls
    assert call["name"] == "get_weather" and isinstance(call["args"]["city"], str) and call["id"]


@pytest.mark.parametrize("choice", ["get_weather", "any", "auto", "none"])
def test_tool_choice(model: ChatOpenAI, choice: str) -> None:
    answer = model.bind_tools([get_weather], tool_choice=choice).invoke("What is the weather in Lisbon?")
    assert bool(answer.tool_calls) == (choice != "none")


def test_one_at_a_time(model: ChatOpenAI) -> None:
    bound = model.bind_tools([works_list, prioritize_objects], strict=True, parallel_tool_calls=False)
    assert len(bound.invoke(ASK).tool_calls) == 1


@pytest.mark.parametrize("method", ["json_schema", "function_calling"])
def test_form(model: ChatOpenAI, method: Any) -> None:
    assert isinstance(model.with_structured_output(Trip, method=method).invoke("3 days in Porto"), Trip)


def test_form_of_a_schema(model: ChatOpenAI) -> None:
    answer = model.with_structured_output(Trip.model_json_schema()).invoke("3 days in Porto")
    assert isinstance(answer, dict) and answer.keys() == {"city", "days"}


def test_stream(model: ChatOpenAI) -> None:
    whole = None
    for chunk in model.stream(ASK, extra_body=KEEP):
        assert isinstance(chunk, AIMessageChunk)
        whole = chunk if whole is None else whole + chunk
    assert whole and [call["name"] for call in whole.tool_calls] == ["works_list", "prioritize_objects"]
    assert whole.usage_metadata and whole.usage_metadata["output_tokens"] > 0


def test_results_go_back(model: ChatOpenAI) -> None:
    tools = model.bind_tools([works_list, prioritize_objects])
    messages: list[Any] = [HumanMessage(ASK)]
    first = tools.invoke(messages)
    (call,) = first.tool_calls
    messages += [first, ToolMessage('["ISSUE-1"]', tool_call_id=call["id"])]
    second = tools.invoke(messages)
    assert [(call["name"], call["args"]) for call in second.tool_calls] == [
        ("prioritize_objects", {"objects": ["ISSUE-1"]})
    ]


def test_agent(model: ChatOpenAI) -> None:
    agent = create_agent(model, [works_list, prioritize_objects])
    said = agent.invoke({"messages": [HumanMessage(ASK)]})["messages"]
    assert [message.name for message in said if isinstance(message, ToolMessage)] == [
        "works_list",
        "prioritize_objects",
    ]


@pytest.mark.parametrize("strategy", [ToolStrategy, ProviderStrategy])
def test_form_and_tools(model: ChatOpenAI, strategy: Any) -> None:
    agent = create_agent(model, [get_weather], response_format=strategy(Trip))
    assert isinstance(agent.invoke({"messages": [HumanMessage("3 days in Porto")]})["structured_response"], Trip)


def test_batch(model: ChatOpenAI) -> None:
    assert len(model.batch([ASK, ASK, ASK])) == 3
