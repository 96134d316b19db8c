"""LlamaIndex: OpenAILike, OpenAI and OpenAIResponses with tools, forms, streams and agents."""

import asyncio
import os
from typing import Any

import pytest
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.tools import FunctionTool
from llama_index.llms.openai_like import OpenAILike
from llama_index.llms.openai_like.responses import OpenAILikeResponses
from pydantic import BaseModel

ASK = "Find work items owned by DEVU-7, then prioritize them"


class Trip(BaseModel):
    """A trip."""

    city: str
    days: int


def get_weather(city: str) -> str:
    """The weather in a city."""
    return f"clear in {city}"


def works_list(owned_by: list[str]) -> list[str]:
    """Lists work items, all of them or those of these owners."""
    return [f"ISSUE-{name}" for name in owned_by]


def prioritize_objects(objects: list[str]) -> list[str]:
    """Sorts work items, the most urgent first."""
    return sorted(objects)


WEATHER = FunctionTool.from_defaults(get_weather)


@pytest.fixture(params=[OpenAILike, OpenAILikeResponses])
def llm(request: Any) -> Any:
    base = os.environ["OPENAI_BASE_URL"]
    options = {"api_base": base, "api_key": "none", "is_chat_model": True, "is_function_calling_model": True}
    return request.param(model="embedded", **options)


def test_plan(llm: Any) -> None:
    answer = llm.chat([ChatMessage(role="system", content="You plan."), ChatMessage(role="user", content=ASK)])
    assert answer.message


def test_complete(llm: Any) -> None:
    assert llm.complete("Book me a flight to Lisbon").text is not None


def test_tools(llm: Any) -> None:
    answer = llm.chat_with_tools([WEATHER], user_msg="What is the weather in Lisbon?")
    (call,) = llm.get_tool_calls_from_response(answer)
    assert call.tool_name == "get_weather" and isinstance(call.tool_kwargs["city"], str)


def test_tool_choice(llm: Any) -> None:
    answer = llm.chat_with_tools([WEATHER], user_msg="What is the weather in Lisbon?", tool_required=True)
    assert llm.get_tool_calls_from_response(answer)


def test_predict_and_call(llm: Any) -> None:
    assert "clear in" in str(llm.predict_and_call([WEATHER], user_msg="What is the weather in Lisbon?"))


def test_form(llm: Any) -> None:
    answer = llm.as_structured_llm(Trip).complete("3 days in Porto")
    assert isinstance(answer.raw, Trip)


def test_stream(llm: Any) -> None:
    chunks = list(llm.stream_chat_with_tools([WEATHER], user_msg="What is the weather in Lisbon?"))
    (call,) = llm.get_tool_calls_from_response(chunks[-1])
    assert call.tool_name == "get_weather"


def test_agent(llm: Any) -> None:
    agent = FunctionAgent(tools=[works_list, prioritize_objects], llm=llm)

    async def run() -> Any:
        return await agent.run(ASK)

    result = asyncio.run(run())
    assert [call.tool_name for call in result.tool_calls] == ["works_list", "prioritize_objects"]
    assert "ISSUE-DEVU-7" in str(result)
