"""openai-python: both endpoints, as they come."""

import json
from typing import Any

import openai
import pytest
from pydantic import BaseModel

ASK = "Find work items owned by DEVU-7, then prioritize them"
KEEP: Any = {"platypus": {"references": "keep"}}
WEATHER: Any = {
    "name": "get_weather",
    "description": "The weather in a city.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
CLIENT = openai.OpenAI(max_retries=0)


class Trip(BaseModel):
    """A trip."""

    city: str
    days: int


def test_plan() -> None:
    chat = CLIENT.chat.completions.create(
        model="embedded", messages=[{"role": "user", "content": ASK}], extra_body=KEEP
    )
    calls: Any = chat.choices[0].message.tool_calls
    answer = CLIENT.responses.create(model="embedded", input=ASK, extra_body=KEEP)
    items: Any = answer.output
    assert [call.function.name for call in calls] == [item.name for item in items]
    assert json.loads(items[1].arguments) == json.loads(calls[1].function.arguments) == {"objects": "$$PREV[0]"}
    assert chat.usage and answer.usage and answer.usage.input_tokens_details.cached_tokens > 0


def test_tools() -> None:
    question = "What is the weather in Lisbon?"
    tools: Any = [{"type": "function", "function": WEATHER}]
    chat = CLIENT.chat.completions.create(
        model="embedded", messages=[{"role": "user", "content": question}], tools=tools
    )
    (call,) = chat.choices[0].message.tool_calls or []
    flat: Any = [{"type": "function", **WEATHER}]
    answer = CLIENT.responses.create(model="embedded", input=question, tools=flat)
    (item,) = answer.output
    assert call.type == "function" and item.type == "function_call" and call.function.name == item.name == "get_weather"


def test_agent() -> None:
    items: Any = [{"role": "user", "content": ASK}]
    for tool, result in (("works_list", '["ISS-1"]'), ("prioritize_objects", "done")):
        (call,) = CLIENT.responses.create(model="embedded", input=items).output
        assert call.type == "function_call" and call.name == tool
        items += [call, {"type": "function_call_output", "call_id": call.call_id, "output": result}]
    assert CLIENT.responses.create(model="embedded", input=items).output_text == "done"


def test_stream() -> None:
    with CLIENT.responses.stream(model="embedded", input=ASK, extra_body=KEEP) as events:
        kinds = [event.type for event in events]
        whole = events.get_final_response()
    assert kinds[0] == "response.created" and kinds[-1] == "response.completed" and len(whole.output) == 2
    messages: Any = [{"role": "user", "content": ASK}]
    with CLIENT.chat.completions.stream(model="embedded", messages=messages, extra_body=KEEP) as stream:
        stream.until_done()
        assert len(stream.get_final_completion().choices[0].message.tool_calls or ()) == 2


def test_form() -> None:
    messages: Any = [{"role": "user", "content": "3 days in Porto"}]
    chat = CLIENT.chat.completions.parse(model="embedded", messages=messages, response_format=Trip)
    assert isinstance(chat.choices[0].message.parsed, Trip)
    answer = CLIENT.responses.parse(model="embedded", input="3 days in Porto", text_format=Trip)
    assert isinstance(answer.output_parsed, Trip)


def test_errors() -> None:
    assert [model.id for model in CLIENT.models.list()] == ["embedded"]
    with pytest.raises(openai.NotFoundError) as missing:
        CLIENT.responses.create(model="none", input="x")
    with pytest.raises(openai.BadRequestError) as wrong:
        CLIENT.responses.create(model="embedded", input="x", top_p=0.5, stream=True)
    assert missing.value.code == "model_not_found" and wrong.value.param == "top_p"
