"""A live MCP server: the SDK's over stdin and stdout and over HTTP, and servers that do not do what they should."""

import json
import os
import shlex
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from platypus.catalogue.reading import read_catalogue
from platypus.catalogue.sources.mcp_server import Server, list_tools
from platypus.catalogue.sources.variables import Variables
from platypus.errors import CatalogueError
from tests.support import mcp_server

BOATS = [name for page in mcp_server.PAGES for name in page]
SECRET = "do-not-tell-anyone"


def program(*lines: str) -> str:
    """The source of a server that is a Python program."""
    return f"mcp:{shlex.quote(sys.executable)} -c {shlex.quote(chr(10).join(lines))}"


def answering(answers: dict[str, Any], *before: str) -> str:
    """The source of a server that gives each method one answer, and none to other methods."""
    return program(
        "import json, sys",
        *before,
        f"answers = json.loads({json.dumps(json.dumps(answers))})",
        "for line in sys.stdin:",
        "    asked = json.loads(line)",
        "    if asked['method'] in answers:",
        "        print(json.dumps({'jsonrpc': '2.0', 'id': asked['id'], **answers[asked['method']]}), flush=True)",
    )


def initialized(version: str) -> dict[str, Any]:
    server = {"name": "odd", "version": "1"}
    return {"result": {"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": server}}


def test_all_pages_of_a_command() -> None:
    catalogue = read_catalogue(f"mcp:{shlex.quote(sys.executable)} {shlex.quote(mcp_server.__file__)}")
    assert [tool.name for tool in catalogue] == BOATS
    assert [(argument.name, argument.required) for argument in catalogue.tools[0].arguments] == [("boat", True)]


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """The URL of the same server over streamable HTTP, which wants a key."""
    uvicorn = pytest.importorskip("uvicorn")
    app = mcp_server.SERVER.streamable_http_app()

    async def guarded(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and (b"x-key", SECRET.encode()) not in scope["headers"]:
            await send({"type": "http.response.start", "status": 401, "headers": []})
            await send({"type": "http.response.body", "body": b"no key"})
        else:
            await app(scope, receive, send)

    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(guarded, log_level="critical", timeout_graceful_shutdown=1))
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/mcp"
        server.should_exit = True
        thread.join()


def test_all_pages_of_a_url(address: str) -> None:
    variables = Variables({}, "boats")
    tools = list_tools(Server("boats", variables, url=address, headers={"x-key": SECRET}))
    assert [tool["name"] for tool in tools] == BOATS


def test_a_url_that_wants_a_key(address: str) -> None:
    with pytest.raises(CatalogueError, match="401") as caught:
        read_catalogue(f"{address}?key={SECRET}")
    assert caught.value.where == f"{address}?…" and SECRET not in str(caught.value)
    assert "`headers`" in caught.value.remedy


def test_a_url_where_nothing_listens() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(CatalogueError, match=r"gives no tools: .*connect"):
            read_catalogue(f"http://127.0.0.1:{taken.getsockname()[1]}/mcp")


@pytest.mark.parametrize("version", ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"])
def test_definitions_are_taken_as_they_are_sent(version: str) -> None:
    """Also those that the SDK's types refuse, after lines that are no messages, in each protocol's version."""
    tools = [{"name": "odd", "inputSchema": {}, "outputSchema": {"type": "array"}}, {"name": "fine", "inputSchema": {}}]
    source = answering(
        {"initialize": initialized(version), "tools/list": {"result": {"tools": tools}}}, "print('Listening …')"
    )
    assert [tool.name for tool in read_catalogue(source)] == ["odd", "fine"]
    assert [tool.name for tool in read_catalogue(source, only=["fine"])] == ["fine"]
    with pytest.raises(CatalogueError, match=r"has no tool 'fin'\n  Did you mean 'fine'"):
        read_catalogue(source, only=["fin"])


def test_a_server_of_the_newest_protocol_alone() -> None:
    discovered = {
        "supportedVersions": ["2026-07-28"],
        "capabilities": {"tools": {}},
        "serverInfo": {"name": "new", "version": "1"},
        "resultType": "complete",
        "ttlMs": 0,
        "cacheScope": "public",
    }
    listed = {
        "tools": [{"name": "new", "inputSchema": {}}],
        "resultType": "complete",
        "ttlMs": 0,
        "cacheScope": "public",
    }
    refused = {
        "code": -32022,
        "message": "Unsupported",
        "data": {"supported": ["2026-07-28"], "requested": "2025-11-25"},
    }
    source = answering(
        {"initialize": {"error": refused}, "server/discover": {"result": discovered}, "tools/list": {"result": listed}}
    )
    assert [tool.name for tool in read_catalogue(source)] == ["new"]


@pytest.mark.parametrize(
    ("source", "what"),
    [
        (program("import sys", "sys.exit('Cannot find the harbour')"), "Cannot find the harbour"),
        (answering({"initialize": {"error": {"code": -32000, "message": "No licence"}}}), "No licence"),
        (
            answering(
                {"initialize": initialized("2025-06-18"), "tools/list": {"error": {"code": 1, "message": "Not now"}}}
            ),
            "Not now",
        ),
        (
            answering({"initialize": initialized("2025-06-18"), "tools/list": {"result": {"tool": []}}}),
            "without `tools`",
        ),
        (answering({"initialize": initialized("1999-01-01")}), "1999-01-01"),
        ("mcp:/no/such/server --flag", "cannot be started: No such file or directory: /no/such/server"),
        ("mcp:", "names no command"),
        ("mcp:npx 'server", "is not a command: No closing quotation"),
        ("https://host/openapi.json", "is the URL of a document"),
        ("mcp:npx ${NO_SUCH_VARIABLE}", "environment variable NO_SUCH_VARIABLE is not set"),
    ],
)
def test_what_fails_is_one_error_with_the_end_of_stderr(source: str, what: str) -> None:
    with pytest.raises(CatalogueError) as caught:
        read_catalogue(source)
    assert what in str(caught.value)
    assert caught.value.where == source and caught.value.remedy


def test_a_server_that_hangs() -> None:
    hanging = (sys.executable, "-c", "import sys; print('Wait …', file=sys.stderr, flush=True); sys.stdin.read()")
    with pytest.raises(CatalogueError, match=r"within 0.5 seconds") as caught:
        list_tools(Server("slow", Variables({}, "slow"), hanging), seconds=0.5)
    assert "by hand" in caught.value.remedy


def test_secrets_come_from_the_environment_and_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARBOUR", SECRET)
    monkeypatch.setenv("BOAT_TOKEN", "another-secret")
    lines = ("import os, sys", "print(sys.argv[1], os.environ['BOAT_TOKEN'], 'refused', file=sys.stderr)")
    with pytest.raises(CatalogueError) as caught:
        read_catalogue(program(*lines) + " ${HARBOUR}")
    assert "*** *** refused" in str(caught.value)
    assert SECRET not in str(caught.value) and "another-secret" not in str(caught.value)
    assert "${HARBOUR}" in caught.value.where and os.environ["HARBOUR"] == SECRET


def test_the_tools_stay_those_that_the_server_had(tmp_path: Path) -> None:
    """What `check --write` leaves is the same catalogue, without the server."""
    source = answering({"initialize": initialized("2025-06-18"), "tools/list": {"result": {"tools": [{"name": "a"}]}}})
    kept = tmp_path / "tools.json"
    kept.write_text(json.dumps(read_catalogue(source).to_json()))
    assert read_catalogue(kept) == read_catalogue(source)
