"""Clients' configuration files: the servers in them, what their entries say, and names where there are several."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from platypus.catalogue.reading import read_catalogue
from platypus.catalogue.sources import mcp_configuration
from platypus.catalogue.sources.mcp_configuration import definitions, recognises
from platypus.catalogue.sources.mcp_server import Server
from platypus.catalogue.sources.source import Source
from platypus.errors import CatalogueError

LISTED = [{"name": "search", "inputSchema": {}}, {"name": "open", "inputSchema": {}}]
SECRET = "do-not-tell-anyone"


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Server]:
    """The servers that are asked; none is started, and all have the same tools."""
    servers: list[Server] = []

    def list_tools(server: Server) -> list[Any]:
        servers.append(server)
        return LISTED

    monkeypatch.setattr(mcp_configuration, "list_tools", list_tools)
    return servers


def names(document: Any, *only: str) -> list[str]:
    return [tool["name"] for tool in definitions(Source("/home/me/.vscode/mcp.json", document, only))]


BOTH = {"my boats": {"command": "boats"}, "crew": {"command": "crew"}}


@pytest.mark.parametrize("wrapped", [{"mcpServers": BOTH}, {"servers": BOTH, "inputs": []}, {"mcp": {"servers": BOTH}}])
@pytest.mark.usefixtures("asked")
def test_tools_of_several_servers_begin_with_their_names(wrapped: Any) -> None:
    assert names(wrapped) == ["my_boats__search", "my_boats__open", "crew__search", "crew__open"]
    assert names(wrapped, "my boats") == ["search", "open"]
    kept = [tool.get("_meta") for tool in definitions(Source("/home/me/.vscode/mcp.json", wrapped))]
    assert kept == [{"platypus/server": "my boats"}] * 2 + [{"platypus/server": "crew"}] * 2
    assert "_meta" not in definitions(Source("/home/me/.vscode/mcp.json", wrapped, ("my boats",)))[0]
    with pytest.raises(CatalogueError, match=r"mcp\.json: has no server 'boats'\n  Did you mean 'my boats'"):
        names(wrapped, "boats")


@pytest.mark.usefixtures("asked")
def test_a_disabled_server_is_left_out_and_named(capsys: pytest.CaptureFixture[str]) -> None:
    document = {"mcpServers": {**BOTH, "crew": {"command": "crew", "disabled": True}}}
    assert names(document) == ["search", "open"]
    assert "the server 'crew' is disabled there and left out" in capsys.readouterr().err
    assert names(document, "crew") == ["search", "open"]


def test_a_command_with_all_that_an_entry_may_say(asked: list[Server], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOAT_KEY", SECRET)
    entry = {
        **{"type": "stdio", "command": "npx", "args": ["-y", "boats", "--key=${BOAT_KEY}", "${workspaceFolder}"]},
        **{
            "env": {"KEY": "${input:boat-key}", "MODE": "${MODE:-quick}", "PORT": 80},
            "cwd": "${workspaceFolder}/boats",
        },
    }
    names({"servers": {"boats": entry}, "inputs": [{"id": "boat-key", "type": "promptString", "password": True}]})
    (server,) = asked
    assert server.command == ("npx", "-y", "boats", f"--key={SECRET}", "/home/me")
    assert (server.environment, server.folder) == ({"KEY": SECRET, "MODE": "quick", "PORT": "80"}, "/home/me/boats")
    assert server.variables.hide(f"{SECRET} is wrong") == "*** is wrong"


@pytest.mark.parametrize(
    ("entry", "is_sse"),
    [
        ({"url": "https://host/mcp"}, False),
        ({"type": "http", "url": "https://host/sse"}, False),
        ({"url": "https://host/sse"}, True),
        ({"type": "sse", "serverUrl": "https://host/events"}, True),
        ({"httpUrl": "https://host/mcp"}, False),
    ],
)
def test_a_url_and_its_transport(entry: dict[str, Any], is_sse: bool, asked: list[Server]) -> None:
    names({"mcpServers": {"boats": {**entry, "headers": {"Authorization": f"Bearer {SECRET}"}}}})
    (server,) = asked
    assert server.url.startswith("https://host/") and server.is_sse is is_sse
    assert server.headers == {"Authorization": f"Bearer {SECRET}"}
    assert SECRET not in server.variables.hide(f"refused: Bearer {SECRET}")


@pytest.mark.parametrize(
    ("entry", "what"),
    [
        ({}, "has neither a `command` with `args` nor a `url`"),
        ({"command": ["npx", "boats"]}, "has neither a `command`"),
        ({"command": "npx", "args": [1]}, "has neither a `command`"),
        ({"command": "npx", "args": "-y boats"}, "has neither a `command` with `args`"),
        ({"command": "npx", "args": {"-y": "boats"}}, "has neither a `command` with `args`"),
        ({"command": "npx", "cwd": 5}, "'cwd' is not a text"),
        ({"command": "npx", "env": ["A=1"]}, "'env' is not an object"),
        ({"command": "npx", "env": {"A": None}}, "'env' has no text under 'A'"),
        ({"url": "https://host/mcp", "headers": {"A": ["b"]}}, "'headers' has no text under 'A'"),
        ({"command": "npx", "args": ["${NO_SUCH_VARIABLE}"]}, "the environment variable NO_SUCH_VARIABLE is not set"),
    ],
)
def test_a_wrong_entry_names_its_server(entry: dict[str, Any], what: str) -> None:
    with pytest.raises(CatalogueError) as caught:
        names({"mcpServers": {"boats": entry}})
    assert what in caught.value.what
    assert caught.value.where == "/home/me/.vscode/mcp.json, server 'boats'" and caught.value.remedy


@pytest.mark.parametrize("inputs", ["x", {"id": "x"}, ["x"], [{"default": "x"}], [{"id": 1}]])
@pytest.mark.parametrize("inner", [False, True])
def test_wrong_inputs_name_a_server_that_needs_them(inputs: Any, inner: bool) -> None:
    document = {"servers": {"boats": {"command": "boats"}}, "inputs": inputs}
    with pytest.raises(CatalogueError, match=r"mcp\.json, server 'boats': 'inputs' of its file is not a list"):
        names({"mcp": document} if inner else document)


def test_a_key_of_another_program_does_no_harm(asked: list[Server]) -> None:
    names({"mcpServers": {"boats": {"command": "boats"}}, "mcp": True})
    assert asked[0].command == ("boats",)


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        {"servers": [{"url": "https://host"}], "openapi": "3.1.0"},
        {"mcpServers": {}},
        {"mcpServers": {"a": 1}},
    ],
)
def test_what_holds_no_servers(document: Any) -> None:
    assert not recognises(Source("a.json", document))


def test_a_server_that_fails_is_named_and_how_to_do_without_it(tmp_path: Path) -> None:
    dying = {"command": sys.executable, "args": ["-c", "import sys; sys.exit('no harbour')"]}
    path = tmp_path / ".mcp.json"
    path.write_text(json.dumps({"mcpServers": {"boats": dying, "crew": dying}}))
    with pytest.raises(CatalogueError, match=r"server 'boats': the MCP server gives no tools") as caught:
        read_catalogue(path)
    assert "no harbour" in caught.value.what and "--only crew" in caught.value.remedy
