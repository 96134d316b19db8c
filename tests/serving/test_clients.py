"""openai-python and the official MCP client, as they come, over a port of this computer."""

import json
from typing import Any

import anyio
import openai
import pytest
from mcp.client.client import Client
from openai.types.chat import ChatCompletionToolParam
from pydantic import BaseModel

ASK = "List the work items that are owned by DEVU-7, then prioritize them"
WEATHER: ChatCompletionToolParam = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather in a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


class Trip(BaseModel):
    """A form that is asked for."""

    city: str
    days: int


@pytest.fixture(scope="module")
def openai_client(address: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0)


def test_chat(openai_client: openai.OpenAI) -> None:
    answer = openai_client.chat.completions.create(
        model="embedded", messages=[{"role": "user", "content": "What is the weather in Lisbon?"}], tools=[WEATHER]
    )
    (call,) = answer.choices[0].message.tool_calls or []
    assert call.type == "function" and call.function.name == "get_weather"
    assert isinstance(json.loads(call.function.arguments)["city"], str)
    assert answer.usage and answer.usage.prompt_tokens_details and answer.usage.prompt_tokens_details.cached_tokens


def test_chat_streams(openai_client: openai.OpenAI) -> None:
    with openai_client.chat.completions.stream(
        model="embedded", messages=[{"role": "user", "content": ASK}], stream_options={"include_usage": True}
    ) as stream:
        kinds = {event.type for event in stream}
        whole = stream.get_final_completion()
    names = [call.function.name for call in whole.choices[0].message.tool_calls or []]
    assert names == ["works_list", "prioritize_objects"] and "chunk" in kinds and whole.usage


def test_chat_parses_a_form(openai_client: openai.OpenAI) -> None:
    answer = openai_client.chat.completions.parse(
        model="embedded", messages=[{"role": "user", "content": "3 days in Porto"}], response_format=Trip
    )
    assert isinstance(answer.choices[0].message.parsed, Trip)


def test_responses(openai_client: openai.OpenAI) -> None:
    answer = openai_client.responses.create(model="embedded", input=ASK)
    assert [item.name for item in answer.output if item.type == "function_call"] == ["works_list", "prioritize_objects"]
    parsed = openai_client.responses.parse(model="embedded", input="3 days in Porto", text_format=Trip)
    assert isinstance(parsed.output_parsed, Trip)


def test_responses_stream_and_go_on(openai_client: openai.OpenAI) -> None:
    own: Any = {"platypus": {"references": "none"}}
    with openai_client.responses.stream(model="embedded", input=ASK, extra_body=own) as stream:
        kinds = [event.type for event in stream]
        first = stream.get_final_response()
    assert kinds[0] == "response.created" and kinds[-1] == "response.completed"
    (call,) = first.output
    assert call.type == "function_call"
    items: Any = [{"role": "user", "content": ASK}, call.model_dump(exclude_none=True)]
    items.append({"type": "function_call_output", "call_id": call.call_id, "output": '["ISS-1"]'})
    second = openai_client.responses.create(model="embedded", input=items, extra_body=own)
    (then,) = second.output
    assert then.type == "function_call" and json.loads(then.arguments) == {"objects": ["ISS-1"]}


def test_errors_are_those_of_the_client(openai_client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as missing:
        openai_client.responses.create(model="none", input="x")
    assert missing.value.code == "model_not_found"
    with pytest.raises(openai.BadRequestError) as wrong:
        openai_client.chat.completions.create(
            model="embedded", messages=[{"role": "user", "content": "x"}], top_p=0.5, stream=True
        )
    assert wrong.value.param == "top_p"
    assert [model.id for model in openai_client.models.list()] == ["embedded", "bare"]


@pytest.mark.parametrize("mode", ["legacy", "auto"])
def test_mcp_over_http(address: str, mode: str) -> None:
    """With the handshake of the earlier protocol versions, and as the present ones are spoken."""

    async def ask() -> Any:
        async with Client(f"{address}/mcp", mode=mode) as client:
            (tool,) = (await client.list_tools()).tools
            good = await client.call_tool(tool.name, {"request": ASK})
            return good, await client.call_tool(tool.name, {"request": ASK, "k": 99})

    good, bad = anyio.run(ask)
    steps = [step["tool_name"] for step in good.structured_content["plans"][0]["plan"]]
    assert steps == ["works_list", "prioritize_objects"] and bad.is_error
