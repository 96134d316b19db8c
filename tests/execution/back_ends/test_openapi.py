"""Operations over HTTP: where each argument goes, answers, errors, limits."""

import asyncio
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from platypus.catalogue.sources.openapi import calls
from platypus.catalogue.sources.source import Source
from platypus.errors import ExecutionError
from platypus.execution.back_ends.back_end import CallFailed
from platypus.execution.back_ends.openapi import OpenApiBackEnd
from platypus.execution.results import ToolResult

pytest.importorskip("httpx2")
TEXT = {"type": "string"}


def parameter(place: str, name: str, schema: Any = TEXT, **more: Any) -> dict[str, Any]:
    return {"in": place, "name": name, "schema": schema, **more}


LIST = {"type": "array", "items": TEXT}
OBJECT = {"type": "object", "properties": {"a": TEXT}}
BODY = {"type": "object", "properties": {"name": TEXT, "id": {"type": "integer"}}}
DOCUMENT = {
    "openapi": "3.1.0",
    "servers": [{"url": "http://host/{base}", "variables": {"base": {"default": "v1"}}}],
    "paths": {
        "/boats/{id}": {
            "parameters": [parameter("path", "id", required=True)],
            "put": {
                "operationId": "put",
                "parameters": [parameter("query", "q"), parameter("header", "X-Name")],
                "requestBody": {"content": {"application/json": {"schema": BODY}}},
            },
        },
        "/find": {
            "get": {
                "operationId": "find",
                "parameters": [
                    parameter("query", "many", LIST),
                    parameter("query", "one", LIST, explode=False),
                    parameter("query", "pipes", LIST, style="pipeDelimited"),
                    parameter("query", "deep", OBJECT, style="deepObject"),
                    {"in": "query", "name": "json", "content": {"application/json": {"schema": OBJECT}}},
                ],
            }
        },
        "/form": {
            "post": {
                "operationId": "form",
                "requestBody": {"content": {"application/x-www-form-urlencoded": {"schema": BODY}}},
            }
        },
        "/raw": {"post": {"operationId": "raw", "requestBody": {"content": {"application/json": {"schema": LIST}}}}},
        "/status/{code}": {"get": {"operationId": "status", "parameters": [parameter("path", "code")]}},
    },
}


class Handler(BaseHTTPRequestHandler):
    """Answers with what it was asked, or with a status."""

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        status = int(self.path.rpartition("/")[2]) if "/status/" in self.path else 200
        kept = {name: self.headers[name] for name in ("X-Name", "Authorization", "Content-Type") if self.headers[name]}
        content = json.dumps({"path": self.path, "body": body, "headers": kept}).encode()
        content = b"x" * 5000 if status == 206 else b"" if status == 204 else b"plain" if status == 203 else content
        self.send_response(status)
        kind = "text/plain; charset=none-such" if status == 203 else "application/json"
        self.send_header("Content-Type", kind)
        if status == 202:
            self.send_header("Content-Encoding", "gzip")  # which it is not
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Location", "/elsewhere")
        self.end_headers()
        self.wfile.write(content)

    do_PUT = do_POST = do_GET

    def log_message(self, *arguments: Any) -> None:
        pass


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    server.shutdown()
    server.server_close()


def call(address: str | None, tool: str, **arguments: Any) -> ToolResult:
    async def inside() -> ToolResult:
        source = Source("api.json", DOCUMENT)
        back_end = OpenApiBackEnd(source, base_url=address, headers={"Authorization": "Bearer k"}, most=4000)
        await back_end.open()
        try:
            return await back_end.call(tool, {name.replace("X_", "X-"): value for name, value in arguments.items()})
        finally:
            await back_end.close()

    return asyncio.run(inside())


def test_each_argument_goes_to_its_place(address: str) -> None:
    asked = call(address, "put", id="a/b c", q="x&y", X_Name="Ada", name="Boat", body_id=7).structured
    assert asked["path"] == "/v1/boats/a%2Fb%20c?q=x%26y"
    assert json.loads(asked["body"]) == {"name": "Boat", "id": 7}
    assert asked["headers"] == {"X-Name": "Ada", "Authorization": "Bearer k", "Content-Type": "application/json"}


def test_arguments_of_names_with_dashes_are_those_of_the_tool() -> None:
    assert {
        name: [part.place for part in parts] for name, parts in calls(Source("a", DOCUMENT))["put"].parts.items()
    } == {**{"id": ["path"], "q": ["query"], "X-Name": ["header"], "name": ["body"], "body_id": ["body"]}}


@pytest.mark.parametrize(
    ("arguments", "query"),
    [
        ({"many": ["a", "b"]}, "many=a&many=b"),
        ({"one": ["a", "b"]}, "one=a%2Cb"),
        ({"pipes": ["a", "b"]}, "pipes=a%7Cb"),
        ({"deep": {"a": "x"}}, "deep%5Ba%5D=x"),
        ({"json": {"a": "x"}}, "json=%7B%22a%22%3A+%22x%22%7D"),
    ],
)
def test_styles_of_queries(address: str, arguments: dict[str, Any], query: str) -> None:
    path = call(address, "find", **arguments).structured["path"]
    assert path.replace("%20", "+") == f"/v1/find?{query}"


def test_bodies_that_are_no_json_object(address: str) -> None:
    assert call(address, "form", name="a b", id=7).structured["body"] == "name=a+b&id=7"
    assert call(address, "raw", body=["a"]).structured["body"] == '["a"]'


@pytest.mark.parametrize("segment", ["", ".", ".."])
def test_a_segment_that_would_lead_to_another_path_is_not_sent(address: str, segment: str) -> None:
    with pytest.raises(CallFailed, match="cannot be") as refused:
        call(address, "put", id=segment)
    assert refused.value.kind == "unsent"


def test_answers(address: str) -> None:
    assert call(address, "status", code="203") == ToolResult(text="plain")
    assert call(address, "status", code="204") == ToolResult(None)
    for code in ("302", "404", "500"):
        answer = call(address, "status", code=code)
        assert answer.is_error and answer.text.startswith(f"HTTP {code}: ")


@pytest.mark.parametrize(("code", "kind"), [("429", "refused"), ("503", "refused"), ("502", "lost"), ("504", "lost")])
def test_where_to_try_again_may_help(address: str, code: str, kind: str) -> None:
    with pytest.raises(CallFailed, match=f"HTTP {code}") as failed:
        call(address, "status", code=code)
    assert (failed.value.kind, failed.value.may_help) == (kind, True)


def test_too_much_and_nobody_there(address: str) -> None:
    with pytest.raises(CallFailed, match="more than 4,000 bytes"):
        call(address, "status", code="206")
    with pytest.raises(CallFailed, match="cannot be reached") as failed:
        call("http://127.0.0.1:9", "raw")
    assert failed.value.kind == "unsent"


@pytest.mark.parametrize("value", ["é", "a\nb", "a\0"])
def test_what_no_header_can_hold(address: str, value: str) -> None:
    with pytest.raises(CallFailed, match="a header is one line of ASCII") as failed:
        call(address, "put", id="x", X_Name=value)
    assert failed.value.kind == "unsent"
    told = OpenApiBackEnd(Source("api.json", DOCUMENT), base_url=address, headers={"A": value}, most=1)
    with pytest.raises(ExecutionError, match="the header 'A' under"):
        asyncio.run(told.open())


def test_a_request_that_cannot_be_made_and_an_answer_that_cannot_be_read(address: str) -> None:
    for id, kind in ("x" * 100_000, "unsent"), (None, "garbage"):
        with pytest.raises(CallFailed) as failed:
            call(address, "put", id=id) if id else call(address, "status", code="202")
        assert failed.value.kind == kind


@pytest.mark.parametrize("base_url", ["http://host:abc", "http://[::1"])
def test_an_address_that_is_none(base_url: str) -> None:
    with pytest.raises(ExecutionError, match=r"is none: .*\n.*base_url"):
        call(base_url, "raw")


def at(servers: Any) -> OpenApiBackEnd:
    return OpenApiBackEnd(Source("api.json", {**DOCUMENT, "servers": servers}), base_url=None, headers={}, most=1)


@pytest.mark.parametrize("variables", [None, ["base"], {"base": "v1"}])
def test_the_address(variables: Any) -> None:
    assert at(DOCUMENT["servers"]).base_url == "http://host/v1"
    assert at([{"url": "http://host", "variables": variables}]).base_url == "http://host"


@pytest.mark.parametrize("servers", [None, [], 5, ["http://x"], {"url": "http://x"}, [{"url": None}]])
def test_a_document_that_does_not_say_where_the_api_is(servers: Any) -> None:
    nowhere = at(servers)
    with pytest.raises(ExecutionError, match="does not say where the API is"):
        asyncio.run(nowhere.open())
