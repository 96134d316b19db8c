"""The app: health, metrics, errors of paths, hosts, the page, the document of the API."""

import asyncio
import json
import re
import time
from dataclasses import replace
from typing import Any

import pytest
from fastapi.testclient import TestClient

from platypus.serving.api import make_app
from platypus.serving.asking import Asking
from platypus.serving.planners import Planners
from platypus.serving.server import Options, Server
from tests.serving.conftest import LIMITS


def when_warm(client: TestClient) -> Any:
    """The answer of /ready once it is 200, or after a minute."""
    end = time.monotonic() + 60
    while (answer := client.get("/ready")).status_code != 200 and time.monotonic() < end:
        time.sleep(0.1)
    return answer


def test_it_is_ready_once_it_is_warm(client: TestClient) -> None:
    assert client.get("/health").json() == {"status": "ok"}
    ready = when_warm(client)
    assert ready.status_code == 200 and ready.json()["models"] == ["embedded", "bare"]


def test_metrics_count_what_was_answered(client: TestClient) -> None:
    client.post("/v1/chat/completions", json={"messages": [{"role": "user", "content": "Who am I?"}]})
    text = client.get("/metrics").text
    assert 'platypus_requests_total{endpoint="/v1/chat/completions",status="200"}' in text
    assert 'platypus_tokens_total{kind="cached",model="embedded"}' in text and "platypus_open_requests 0.0" in text


def test_unknown_paths_and_methods_are_errors_of_the_same_shape(client: TestClient) -> None:
    unknown = client.get("/v1/none"), client.post("/v1/embeddings", json={})
    known = client.get("/v1/plan"), client.post("/v1/models", json={}), client.delete("/health")
    assert [answer.status_code for answer in unknown] == [404] * 2
    assert [answer.status_code for answer in known] == [405] * 3
    assert all(answer.json()["error"]["code"] == "no_such_endpoint" for answer in (*unknown, *known))


def test_balancers_may_ask_for_the_head_alone(client: TestClient) -> None:
    when_warm(client)
    for path in ("/health", "/ready"):
        answer = client.head(path)
        assert answer.status_code == 200 and not answer.content


def test_the_page_or_a_word_about_it_is_at_the_root(client: TestClient) -> None:
    answer = client.get("/")
    assert answer.status_code == 200 and answer.headers["content-type"].startswith("text/html")


def test_browsers_keep_only_files_with_a_hash(client: TestClient) -> None:
    page = client.get("/")
    assert page.headers["cache-control"] == client.get("/index.html?a=b").headers["cache-control"] == "no-cache"
    again = client.get("/", headers={"if-none-match": page.headers["etag"]})
    assert again.status_code == 304 and again.headers["cache-control"] == "no-cache"
    for name in re.findall(r'(?:src|href)="(\S+\?\S+)"', page.text):
        assert "immutable" in client.get(name).headers["cache-control"]
    assert client.get("/page.js").headers["cache-control"] == "no-cache"


def test_the_api_describes_itself(client: TestClient) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    assert {"/v1/plan", "/v1/chat/completions", "/v1/responses", "/v1/corrections"} <= paths.keys()
    assert client.get("/docs").status_code == 404  # FastAPI's page loads from elsewhere


def test_no_page_of_another_origin_may_ask(client: TestClient) -> None:
    answer = client.get("/v1/models", headers={"origin": "http://example.org"})
    assert "access-control-allow-origin" not in answer.headers


def test_only_names_of_this_computer_are_answered(planners: Planners) -> None:
    app = make_app(Server(planners, Options(LIMITS, quiet=True)))
    for host, status in (("localhost:8080", 200), ("127.0.0.1", 200), ("[::1]:80", 200), ("example.org", 421)):
        assert TestClient(app, base_url=f"http://{host}").get("/health").status_code == status


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/plan", {"request": "x"}),
        ("/v1/chat/completions", {"messages": [{"role": "user", "content": "x"}]}),
        ("/v1/chat/completions", {"messages": [{"role": "user", "content": "x"}], "n": 2, "stream": True}),
        ("/v1/responses", {"input": "x"}),
    ],
)
def test_nothing_is_computed_for_a_client_that_has_hung_up(
    planners: Planners, monkeypatch: pytest.MonkeyPatch, path: str, body: dict[str, Any]
) -> None:
    begun, ended, sent = asyncio.Event(), asyncio.Event(), list[Any]()
    unread = [{"type": "http.request", "body": json.dumps(body).encode()}]

    async def choices(*_: object) -> None:
        begun.set()
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()

    async def receive() -> Any:
        if unread:
            return unread.pop()
        await begun.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    async def asked() -> None:
        headers = [(b"content-type", b"application/json"), (b"host", b"localhost")]
        scope = {"type": "http", "method": "POST", "path": path, "headers": headers, "query_string": b""}
        await make_app(Server(planners, Options(LIMITS, quiet=True)))(scope, receive, send)
        await asyncio.wait_for(ended.wait(), 10)

    monkeypatch.setattr(Asking, "choices", choices)
    asyncio.run(asked())
    assert sent[0]["status"] == 499


def test_a_fault_of_the_server_is_answered_and_logged(
    planners: Planners, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def fails(*_: object) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(Asking, "choices", fails)
    server = Server(planners, replace(Options(LIMITS), hosts=None))
    answer = TestClient(make_app(server), raise_server_exceptions=False).post("/v1/plan", json={"request": "secret"})
    assert answer.status_code == 500 and answer.json()["error"]["type"] == "server_error"
    log = capsys.readouterr().err
    assert "RuntimeError: broken" in log and '"status": 500' in log and "secret" not in log
