"""/v1/responses: items, events in their order, results; what is refused, by name."""

import json
from typing import Any

import pytest
from fastapi.testclient import TestClient

ASK = "List the work items that are owned by DEVU-7, then prioritize them"
FORM = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
WEATHER = {"type": "function", "name": "get_weather", "description": "The weather in a city.", "parameters": FORM}
TIME = {"type": "function", "name": "get_time", "description": "The present time.", "parameters": {}, "strict": True}


def respond(client: TestClient, status: int = 200, **body: Any) -> dict[str, Any]:
    answer = client.post("/v1/responses", json={"input": ASK, **body})
    assert answer.status_code == status, answer.text
    return dict(answer.json())


def called(answer: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [
        (item["name"], json.loads(item["arguments"])) for item in answer["output"] if item["type"] == "function_call"
    ]


def test_a_plan_is_function_calls(client: TestClient) -> None:
    answer = respond(client, metadata={"a": "b"})
    assert called(answer) == [
        ("works_list", {"owned_by": ["DEVU-7"]}),
        ("prioritize_objects", {"objects": "$$PREV[0]"}),
    ]
    assert answer["status"] == "completed" and answer["metadata"] == {"a": "b"} and answer["error"] is None
    assert answer["usage"]["input_tokens_details"]["cached_tokens"] > 0


def test_items_continue_from_the_output_of_a_call(client: TestClient) -> None:
    own = {"references": "none"}
    first = respond(client, platypus=own)
    (item,) = first["output"]
    items = [{"role": "user", "content": [{"type": "input_text", "text": ASK}]}, item]
    items.append({"type": "function_call_output", "call_id": item["call_id"], "output": '["ISS-1"]'})
    second = respond(client, input=items, platypus=own)
    assert called(second) == [("prioritize_objects", {"objects": ["ISS-1"]})]


def test_instructions_are_part_of_the_question(client: TestClient) -> None:
    one, other = respond(client), respond(client, instructions="Be brief.")
    assert other["usage"]["input_tokens"] > one["usage"]["input_tokens"]
    items = [{"role": "developer", "content": "Be brief."}, {"role": "user", "content": ASK}]
    assert respond(client, input=items)["usage"]["input_tokens"] == other["usage"]["input_tokens"]


def test_tools_and_their_choice(client: TestClient) -> None:
    answer = respond(client, input="Bake a cake", tools=[TIME], tool_choice={"type": "function", "name": "get_time"})
    assert {name for name, _ in called(answer)} == {"get_time"}
    allowed = {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "get_time"}]}
    assert called(respond(client, input="Bake a cake", tools=[TIME], tool_choice=allowed))


def test_a_schema_is_answered_in_json(client: TestClient) -> None:
    schema = {"type": "object", "properties": {"days": {"type": "integer"}}, "required": ["days"]}
    form = {"type": "json_schema", "name": "trip", "schema": schema, "strict": True}
    answer = respond(client, input="3 days in Porto", text={"format": form})
    (item,) = answer["output"]
    assert isinstance(json.loads(item["content"][0]["text"])["days"], int)


def test_with_tools_a_schema_is_answered_once_no_call_is_left(client: TestClient) -> None:
    """As agents with tools and a form ask: calls first, then the form, from the request and the results."""
    format = {"type": "json_schema", "name": "final_output", "schema": FORM, "strict": True}
    own: dict[str, Any] = {"tools": [WEATHER], "text": {"format": format}}
    first = respond(client, input="What is the weather in Lisbon?", **own)
    (item,) = first["output"]
    assert called(first) == [("get_weather", {"city": "Lisbon"})]
    items = [{"role": "user", "content": "What is the weather in Lisbon?"}, item]
    items.append({"type": "function_call_output", "call_id": item["call_id"], "output": "clear"})
    second = respond(client, input=items, **own)
    text = second["output"][0]["content"][0]["text"]
    assert json.loads(text).keys() == {"city"} and second["usage"]["input_tokens"] > 0
    *_, deltas, _, _, _, whole = events(client, input=items, **own)
    assert deltas["delta"] == text and whole["response"]["output"][0]["content"][0]["text"] == text
    told = respond(client, input=items, tool_choice="none", **own)
    assert told["output"][0]["content"][0]["text"] == text


def test_a_conversation_as_the_ai_sdk_sends_it(client: TestClient) -> None:
    """Earlier answers are named by their ids, which a server without a store cannot look up and need not."""
    said = [{"role": "user", "content": [{"type": "input_text", "text": text}]} for text in ("Book me a flight", ASK)]
    items = [said[0], {"type": "reasoning", "id": "rs_1", "summary": []}, {"type": "item_reference", "id": "msg_1"}]
    answer = respond(client, input=[*items, said[1]], include=["reasoning.encrypted_content"])
    assert called(answer) == called(respond(client))
    assert answer["platypus"]["choices"][0]["notes"] == [
        "3 earlier messages were not shown: a planner answers one request"
    ]


def events(client: TestClient, **body: Any) -> list[dict[str, Any]]:
    with client.stream("POST", "/v1/responses", json={"input": ASK, "stream": True, **body}) as answer:
        assert answer.status_code == 200
        blocks = "\n".join(answer.iter_lines()).strip().split("\n\n")
    found = []
    for block in blocks:
        name, data = block.split("\n")
        event = json.loads(data.removeprefix("data: "))
        assert name == f"event: {event['type']}"
        found.append(event)
    assert [event["sequence_number"] for event in found] == list(range(len(found)))
    return found


def test_events_come_in_the_documented_order(client: TestClient) -> None:
    call = ["output_item.added", "function_call_arguments.delta", "function_call_arguments.done", "output_item.done"]
    found = events(client)
    wanted = ["created", "in_progress", *call, *call, "completed"]
    assert [event["type"] for event in found] == [f"response.{name}" for name in wanted]
    whole = found[-1]["response"]
    assert [item["id"] for item in whole["output"]] == [event["item"]["id"] for event in found if "item" in event][1::2]
    assert whole["id"] == found[0]["response"]["id"] and found[0]["response"]["status"] == "in_progress"


def test_a_text_comes_in_the_documented_order(client: TestClient) -> None:
    text = ["content_part.added", "output_text.delta", "output_text.done", "content_part.done"]
    found = events(client, tool_choice="none")
    wanted = ["created", "in_progress", "output_item.added", *text, "output_item.done", "completed"]
    assert [event["type"] for event in found] == [f"response.{name}" for name in wanted]


def test_a_plan_that_was_cut_is_incomplete(client: TestClient) -> None:
    answer = respond(client, max_output_tokens=1)
    assert answer["status"] == "incomplete" and answer["incomplete_details"] == {"reason": "max_output_tokens"}
    assert events(client, max_output_tokens=1)[-1]["type"] == "response.incomplete"


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"previous_response_id": "resp_1"}, "previous_response_id"),
        ({"store": True}, "store"),
        ({"background": True}, "background"),
        ({"truncation": "auto"}, "truncation"),
        ({"reasoning": {"effort": "high"}}, "reasoning"),
        ({"include": ["file_search_call.results"]}, "include[0]"),
        ({"tools": [{"type": "mcp"}]}, "tools[0].type"),
        ({"text": {"verbosity": "low"}}, "verbosity"),
        ({"input": [{"type": "item_reference", "id": "x"}]}, "input"),
        ({"input": [{"type": "web_search_call", "id": "x"}]}, "input[0].type"),
        ({"input": [{"role": "user", "content": [{"type": "input_image"}]}]}, "input[0].content[0].type"),
        ({"input": []}, "input"),
        ({"input": 7}, "input"),
        ({"tool_choice": {"type": "web_search"}}, "tool_choice.type"),
    ],
)
def test_what_is_not_supported_is_refused_by_name(client: TestClient, body: dict[str, Any], param: str) -> None:
    error = respond(client, 400, **body)["error"]
    assert error["param"] == param and error["message"]


def test_a_stream_that_cannot_begin_has_a_status(client: TestClient) -> None:
    assert respond(client, 404, stream=True, model="none")["error"]["code"] == "model_not_found"
    long = respond(client, 400, stream=True, input="zqx " * 7000)["error"]
    assert "no room" in long["message"]
