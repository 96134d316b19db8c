"""/v1/chat/completions: tools, choices, streams, results; what is refused, by name."""

import json
from typing import Any

import pytest
from fastapi.testclient import TestClient

ASK = "List the work items that are owned by DEVU-7, then prioritize them"
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather in a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
TIME = {"type": "function", "function": {"name": "get_time", "description": "The present time.", "parameters": {}}}


def chat(client: TestClient, content: str = ASK, status: int = 200, **others: Any) -> dict[str, Any]:
    body = {"model": "embedded", "messages": [{"role": "user", "content": content}], **others}
    answer = client.post("/v1/chat/completions", json=body)
    assert answer.status_code == status, answer.text
    return dict(answer.json())


def called(answer: dict[str, Any], choice: int = 0) -> list[tuple[str, dict[str, Any]]]:
    calls = answer["choices"][choice]["message"].get("tool_calls", [])
    return [(call["function"]["name"], json.loads(call["function"]["arguments"])) for call in calls]


def test_a_plan_is_tool_calls_with_references(client: TestClient) -> None:
    answer = chat(client)
    assert called(answer) == [
        ("works_list", {"owned_by": ["DEVU-7"]}),
        ("prioritize_objects", {"objects": "$$PREV[0]"}),
    ]
    assert answer["choices"][0]["finish_reason"] == "tool_calls" and answer["choices"][0]["message"]["content"] is None
    usage = answer["usage"]
    assert 0 < usage["prompt_tokens_details"]["cached_tokens"] < usage["prompt_tokens"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    assert 0 < answer["platypus"]["choices"][0]["probability"] <= 1


def test_without_references_the_next_plan_continues_from_results(client: TestClient) -> None:
    own = {"references": "none"}
    first = chat(client, platypus=own)
    assert called(first) == [("works_list", {"owned_by": ["DEVU-7"]})]
    assert "1 more step follows" in first["platypus"]["choices"][0]["notes"][0]
    message = first["choices"][0]["message"]
    results = [{"role": "tool", "tool_call_id": message["tool_calls"][0]["id"], "content": '["ISS-1", "ISS-2"]'}]
    messages = [{"role": "user", "content": ASK}, message, *results]
    second = chat(client, messages=messages, platypus=own)
    assert called(second) == [("prioritize_objects", {"objects": ["ISS-1", "ISS-2"]})]
    message = second["choices"][0]["message"]
    done = {"role": "tool", "tool_call_id": message["tool_calls"][0]["id"], "content": "done"}
    last = chat(client, messages=[*messages, message, done], platypus=own)
    assert last["choices"][0]["message"]["content"] == "done" and last["choices"][0]["finish_reason"] == "stop"


def test_one_call_at_a_time_without_parallel_tool_calls(client: TestClient) -> None:
    assert called(chat(client, parallel_tool_calls=False)) == [("works_list", {"owned_by": ["DEVU-7"]})]


def test_tools_of_the_request_are_used_and_kept(client: TestClient) -> None:
    for model in ("embedded", "bare"):
        answer = chat(client, "What is the weather in Lisbon?", tools=[WEATHER, TIME], model=model)
        assert [name for name, _ in called(answer)] == ["get_weather"]
        assert answer["usage"]["prompt_tokens_details"]["cached_tokens"] > 0


@pytest.mark.parametrize(
    ("choice", "names"),
    [
        ("required", {"get_time", "get_weather"}),
        ({"type": "function", "function": {"name": "get_time"}}, {"get_time"}),
        (
            {
                "type": "allowed_tools",
                "allowed_tools": {
                    "mode": "required",
                    "tools": [{"type": "function", "function": {"name": "get_time"}}],
                },
            },
            {"get_time"},
        ),
    ],
)
def test_tool_choice_holds_whatever_is_asked(client: TestClient, choice: Any, names: set[str]) -> None:
    answer = chat(client, "Bake a cake", tools=[WEATHER, TIME], tool_choice=choice)
    found = {name for name, _ in called(answer)}
    assert found and found <= names


def test_tool_choice_none_tells_the_plan_in_words(client: TestClient) -> None:
    answer = chat(client, tool_choice="none")
    assert not called(answer)
    assert answer["choices"][0]["message"]["content"].startswith("1. works_list(")


def test_several_choices_are_different_plans(client: TestClient) -> None:
    answer = chat(client, n=3)
    plans = [json.dumps(called(answer, place)) for place in range(3)]
    assert len(set(plans)) == 3
    chances = [choice["probability"] for choice in answer["platypus"]["choices"]]
    assert chances == sorted(chances, reverse=True)


def test_samples_depend_on_the_seed_alone(client: TestClient) -> None:
    def drawn(seed: int) -> list[Any]:
        answer = chat(client, n=2, temperature=1.5, seed=seed)
        return [called(answer, place) for place in range(2)]

    assert drawn(3) == drawn(3)
    assert len({json.dumps(drawn(seed)) for seed in range(3)}) > 1


def test_a_schema_is_answered_in_json(client: TestClient) -> None:
    schema = {"type": "object", "properties": {"city": {"enum": ["Lisbon", "Porto"]}, "days": {"type": "integer"}}}
    form = {"type": "json_schema", "json_schema": {"name": "trip", "schema": schema | {"required": ["city", "days"]}}}
    answer = chat(client, "3 days in Porto", response_format=form)
    read = json.loads(answer["choices"][0]["message"]["content"])
    assert read["city"] in ("Lisbon", "Porto") and isinstance(read["days"], int)
    assert answer["choices"][0]["finish_reason"] == "stop"


def test_with_tools_a_schema_is_answered_once_no_call_is_left(client: TestClient) -> None:
    form = {"type": "json_schema", "json_schema": {"name": "place", "schema": WEATHER["function"]["parameters"]}}
    own: dict[str, Any] = {"tools": [WEATHER], "response_format": form}
    first = chat(client, "What is the weather in Lisbon?", **own)
    assert called(first) == [("get_weather", {"city": "Lisbon"})]
    message = first["choices"][0]["message"]
    result = {"role": "tool", "tool_call_id": message["tool_calls"][0]["id"], "content": "clear"}
    messages = [{"role": "user", "content": "What is the weather in Lisbon?"}, message, result]
    second = chat(client, messages=messages, **own)["choices"][0]["message"]["content"]
    assert json.loads(second).keys() == {"city"}
    chunks = streamed(client, messages=messages, **own)
    assert "".join(choice["delta"].get("content") or "" for one in chunks for choice in one["choices"]) == second


def test_log_probabilities_are_those_of_the_tokens(client: TestClient) -> None:
    entries = chat(client, logprobs=True)["choices"][0]["logprobs"]["content"]
    assert "".join(entry["token"] for entry in entries).startswith("works_list(")
    assert all(entry["logprob"] <= 0 for entry in entries) and any(entry["logprob"] < 0 for entry in entries)


def test_a_limit_of_tokens_ends_with_length(client: TestClient) -> None:
    answer = chat(client, max_completion_tokens=1)
    assert answer["choices"][0]["finish_reason"] == "length"
    assert "cut by a limit" in answer["platypus"]["choices"][0]["notes"][0]


def test_a_refusal_is_a_text(client: TestClient) -> None:
    answer = chat(client, "Book me a flight to Lisbon", tools=[TIME])
    message = answer["choices"][0]["message"]
    assert bool(message["content"]) != bool(message.get("tool_calls"))


def streamed(client: TestClient, **others: Any) -> list[dict[str, Any]]:
    body = {"messages": [{"role": "user", "content": ASK}], "stream": True, **others}
    with client.stream("POST", "/v1/chat/completions", json=body) as answer:
        assert answer.status_code == 200 and answer.headers["content-type"].startswith("text/event-stream")
        lines = [line for line in answer.iter_lines() if line]
    assert lines[-1] == "data: [DONE]"
    return [json.loads(line.removeprefix("data: ")) for line in lines[:-1]]


def test_a_stream_gives_each_call_in_turn_and_then_the_usage(client: TestClient) -> None:
    chunks = streamed(client, stream_options={"include_usage": True})
    deltas = [choice["delta"] for chunk in chunks for choice in chunk["choices"]]
    assert deltas[0]["role"] == "assistant"
    calls = [call for delta in deltas for call in delta.get("tool_calls", ())]
    assert [(call["index"], call["function"]["name"]) for call in calls] == [
        (0, "works_list"),
        (1, "prioritize_objects"),
    ]
    assert chunks[-2]["choices"][0]["finish_reason"] == "tool_calls"
    assert chunks[-1]["choices"] == [] and chunks[-1]["usage"]["total_tokens"] > 0
    assert all(chunk["usage"] is None for chunk in chunks[:-1])
    assert len({chunk["id"] for chunk in chunks}) == 1


def test_a_stream_of_several_choices_numbers_them(client: TestClient) -> None:
    finished = [
        choice["index"] for chunk in streamed(client, n=2) for choice in chunk["choices"] if choice["finish_reason"]
    ]
    assert finished == [0, 1]


@pytest.mark.parametrize(
    ("others", "param", "status"),
    [
        ({"top_p": 0.5}, "top_p", 400),
        ({"stop": ["x"]}, "stop", 400),
        ({"frequency_penalty": 1}, "frequency_penalty", 400),
        ({"top_logprobs": 3, "logprobs": True}, "top_logprobs", 400),
        ({"functions": [{"name": "f"}]}, "functions", 400),
        ({"store": True}, "store", 400),
        ({"bananas": 1}, "bananas", 400),
        ({"temperature": 3}, "temperature", 400),
        ({"n": "two"}, "n", 400),
        ({"n": 100}, "n", 422),
        ({"model": "gpt-9"}, "model", 404),
        ({"model": "bare"}, "tools", 400),
        ({"tools": [{"type": "web_search"}]}, "tools[0].type", 400),
        ({"tools": [{"type": "function", "function": {"name": "a b"}}]}, "tools", 400),
        ({"tools": [TIME] * 600}, "tools", 422),
        ({"tools": [TIME], "tool_choice": {"type": "function", "function": {"name": "f"}}}, "tool_choice", 400),
        ({"tool_choice": "always"}, "tool_choice", 400),
        ({"response_format": {"type": "json_object"}}, "response_format.type", 400),
        (
            {
                "n": 2,
                "tools": [TIME],
                "response_format": {"type": "json_schema", "json_schema": {"schema": {"type": "object"}}},
            },
            "n",
            400,
        ),
        ({"stream_options": {"include_usage": True}}, "stream_options", 400),
        ({"platypus": {"beams": 3}}, "platypus.beams", 400),
        ({"messages": []}, "messages", 400),
        ({"messages": [{"role": "robot", "content": "x"}]}, "messages[0].role", 400),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]},
            "messages[0].content[0].type",
            400,
        ),
    ],
)
def test_what_is_not_supported_is_refused_by_name(
    client: TestClient, others: dict[str, Any], param: str, status: int
) -> None:
    error = chat(client, status=status, **others)["error"]
    assert error["param"] == param and error["message"] and error["type"] and error["code"]


def test_values_that_ask_for_nothing_are_allowed(client: TestClient) -> None:
    chat(client, top_p=1, stop=None, frequency_penalty=0, store=False, user="me", metadata={"a": "b"}, tools=[])
