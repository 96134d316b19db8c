"""Bodies: size, time, type, depth, and text that is none. Hostile ones are refused, and never answer 500."""

import json
from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest
from fastapi.testclient import TestClient

from platypus.serving.bodies import BodyReader, check_json
from platypus.serving.errors import ApiError
from platypus.serving.limits import Limits

JSON = {"content-type": "application/json"}
DEEP = b"[" * 5000 + b"]" * 5000
PATHS = ["/v1/plan", "/v1/check", "/v1/score", "/v1/corrections", "/v1/chat/completions", "/v1/responses"]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("body", "statuses"),
    [
        (b"", {400}),
        (b"{", {400}),
        (b"\xff\xfe", {400}),
        (b"[]", {400}),
        (b"null", {400}),
        (b'{"request": NaN}', {400}),
        (b'{"request": 1e999}', {400}),
        (b'{"n": ' + b"9" * 5000 + b"}", {400}),
        (b'{"request": ' + DEEP + b"}", {422}),
        (b'{"request": "\\ud800", "input": "\\ud800"}', {400}),
        (b'{"tools": ' + b"[{}," * 60 + b"1" + b"]" * 60 + b"}", {400, 422}),
        (b"x" * (2 << 20), {413}),
    ],
    ids=["empty", "cut", "bytes", "list", "null", "NaN", "infinite", "number", "deep", "surrogate", "nested", "large"],
)
def test_what_is_no_sound_json_is_refused(client: TestClient, path: str, body: bytes, statuses: set[int]) -> None:
    answer = client.post(path, content=body, headers=JSON)
    assert answer.status_code in statuses, answer.text
    assert answer.json()["error"]["message"]


def test_a_body_of_another_type_is_refused(client: TestClient) -> None:
    answer = client.post("/v1/plan", content=b'{"request": "x"}', headers={"content-type": "text/plain"})
    assert answer.status_code == 415


@pytest.mark.parametrize("request_text", ["\0", "\0 list my work items \0", "\u202e\ufeff\n\n", "'; --", "${x} {{y}}"])
def test_odd_requests_are_answered(client: TestClient, request_text: str) -> None:
    answer = client.post("/v1/plan", json={"request": request_text})
    assert answer.status_code in (200, 400), answer.text


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string", "pattern": "(a+)+$"},
        {"type": "string", "pattern": "(" * 200},
        {"type": "string", "pattern": "[a-z]{1,100000}"},
        {"type": "array", "minItems": 10**9},
        {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}},
        {"enum": [str(number) for number in range(5000)]},
        {"type": "object", "properties": {str(number): {} for number in range(300)}},
        {"anyOf": [{"type": "string"}] * 300},
        {"type": 7},
        {"properties": 7, "type": "object"},
        {"type": "number", "minimum": 1e308, "maximum": -1e308},
    ],
    ids=["backtracking", "broken", "repeated", "items", "circle", "enum", "wide", "variants", "type", "shape", "empty"],
)
def test_schemas_that_ask_too_much_are_answered_or_refused(client: TestClient, schema: Any) -> None:
    parameters = {"type": "object", "properties": {"x": schema}, "required": ["x"]}
    tools = [{"type": "function", "function": {"name": "f", "parameters": parameters}}]
    body = {"messages": [{"role": "user", "content": "x"}], "tools": tools, "tool_choice": "required"}
    answer = client.post("/v1/chat/completions", json=body)
    assert answer.status_code in (200, 400, 503), answer.text


def test_five_thousand_tools_are_too_many(client: TestClient) -> None:
    tools = [{"type": "function", "function": {"name": f"tool_{number}"}} for number in range(5000)]
    body = {"messages": [{"role": "user", "content": "x"}], "tools": tools}
    answer = client.post("/v1/chat/completions", json=body)
    assert answer.status_code == 422 and answer.json()["error"]["param"] == "tools"


def test_depth_counts_levels() -> None:
    assert check_json(b'{"a": [1]}', 2) == {"a": [1]}
    with pytest.raises(ApiError) as refused:
        check_json(b'{"a": [1]}', 1)
    assert refused.value.status == 422


def test_a_slow_body_is_given_up() -> None:
    """The client sends one byte and then nothing; without a length, the size is counted as it comes."""
    sent: list[dict[str, Any]] = []

    async def never(scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError("the app is not called")

    async def ask(chunks: AsyncIterator[bytes]) -> None:
        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": await anext(chunks), "more_body": True}

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {"type": "http", "method": "POST", "headers": [(b"content-type", b"application/json")]}
        await BodyReader(never, Limits(body=10, body_seconds=0.05))(scope, receive, send)

    async def slow() -> AsyncIterator[bytes]:
        yield b"{"
        await anyio.sleep(60)

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"12345"

    anyio.run(ask, slow())
    assert sent[0]["status"] == 408 and json.loads(sent[1]["body"])["error"]["code"] == "body_timeout"
    sent.clear()
    anyio.run(ask, endless())
    assert sent[0]["status"] == 413
