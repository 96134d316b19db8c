"""One tool from every kind of source is the same catalogue; what names of sources mean; JSON Lines and YAML."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from platypus.catalogue.reading import read_catalogue
from platypus.catalogue.sources import mcp_configuration
from platypus.catalogue.sources.source import file_of, is_live, open_source, shown
from platypus.errors import CatalogueError

BOAT = {
    "type": "object",
    "properties": {"harbour": {"type": "string", "description": "Where"}, "berths": {"type": "integer"}},
    "required": ["harbour"],
}
ANSWER = {"type": "object", "properties": {"boats": {"type": "integer"}}, "required": ["boats"]}
MCP = {"name": "find_boat", "description": "Finds.", "inputSchema": BOAT, "outputSchema": ANSWER}


def spelled(inputs: str, outputs: str = "outputSchema", **more: Any) -> dict[str, Any]:
    """The tool with other keys for its schemas."""
    return {"name": "find_boat", "description": "Finds.", inputs: BOAT, outputs: ANSWER, **more}


DUMP = spelled("input_schema", "output_schema", title=None, icons=None, annotations=None, meta=None, execution=None)
UPPER = {"parameters": {**BOAT, "type": "OBJECT"}, "response": {**ANSWER, "type": "OBJECT"}}
OPENAPI = {
    "openapi": "3.1.0",
    "paths": {
        "/boats": {
            "post": {
                "operationId": "find_boat",
                "description": "Finds.",
                "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Boat"}}}},
                "responses": {"200": {"content": {"application/json": {"schema": ANSWER}}}},
            }
        }
    },
    "components": {"schemas": {"Boat": BOAT}},
}
YAML = f"openapi: 3.0.3\npaths: {json.dumps(OPENAPI['paths'])}\ncomponents: {json.dumps(OPENAPI['components'])}\n"
PYTHON = '''
import dataclasses

@dataclasses.dataclass
class Answer:
    boats: int

def find_boat(harbour: str, berths: int = object()) -> Answer:
    """Finds.

    Args:
        harbour: Where
    """
'''


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("mcp.json", [MCP]),
        ("one.json", MCP),
        ("reply.json", {"tools": [MCP], "nextCursor": None}),
        ("json-rpc.json", {"jsonrpc": "2.0", "id": 1, "result": {"tools": [MCP]}}),
        ("pages.json", [{"result": {"tools": [MCP], "nextCursor": "2"}}, {"result": {"tools": []}}]),
        ("dump.json", {"meta": None, "next_cursor": None, "tools": [DUMP]}),
        ("anthropic.json", [spelled("input_schema")]),
        ("chat.json", [{"type": "function", "function": spelled("parameters")}]),
        ("responses.json", [spelled("parameters", "output_schema", type="function", strict=True)]),
        ("gemini.json", [{"functionDeclarations": [{"name": "find_boat", "description": "Finds.", **UPPER}]}]),
        ("gemini-2.json", [{"function_declarations": [spelled("parameters_json_schema", "response_json_schema")]}]),
        ("tools.jsonl", json.dumps(MCP)),
        ("tools.ndjson", f"\ufeff{json.dumps(DUMP)}\n\n"),
        ("bfcl.jsonl", "\n".join(json.dumps({"id": n, "question": [[]], "function": [MCP]}) for n in range(3))),
        ("openapi.json", OPENAPI),
        ("openapi.yaml", YAML),
        ("tools.py", PYTHON),
    ],
)
def test_one_tool_in_every_format(name: str, text: Any, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(text if isinstance(text, str) else json.dumps(text), encoding="utf-8")
    (tool,) = read_catalogue(path)
    (expected,) = read_catalogue(_file(tmp_path / "expected.json", [MCP]))
    assert (tool.name, tool.description, tool.arguments) == (expected.name, expected.description, expected.arguments)
    assert {**tool.output, "title": "Answer"} == {**expected.output, "title": "Answer"}


def _file(path: Path, data: Any) -> Path:
    path.write_text(json.dumps(data), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("name", "file", "live"),
    [
        ("tools.json", "tools.json", False),
        ("tools.py", "tools.py", False),
        ("a/b.py:search", "a/b.py", False),
        ("python:a/b.py:search", "a/b.py", False),
        ("python:package.module:search", None, False),
        ("mcp:python server.py", None, True),
        ("https://host/server.py", None, True),
        ("http://127.0.0.1:8000/mcp", None, True),
    ],
)
def test_which_file_a_name_contains(name: str, file: str | None, live: bool) -> None:
    assert (file_of(name), is_live(name)) == (file, live)


def test_a_url_is_shown_without_what_may_be_secret() -> None:
    assert shown("https://me:pass@host:8/mcp?key=1#x") == "https://host:8/mcp?…"
    assert shown("mcp:npx ${TOKEN}") == "mcp:npx ${TOKEN}"


def test_parts_are_chosen_and_misspelt_ones_are_named(tmp_path: Path) -> None:
    path = _file(tmp_path / "tools.json", [{"name": name, "inputSchema": BOAT} for name in ("sail", "moor", "bail")])
    assert [tool.name for tool in read_catalogue(path, only=["bail", "sail"])] == ["sail", "bail"]
    with pytest.raises(CatalogueError, match=r"has no tool 'sale'\n  Did you mean 'sail'\?"):
        read_catalogue(path, only=["sale"])
    with pytest.raises(CatalogueError, match=r"has no tool 'x'\n  It has: sail, moor, bail\."):
        read_catalogue(path, only=["x"])


@pytest.mark.parametrize("name", ["http://[secret", "tools.json"])
def test_a_url_that_is_none_is_refused_without_being_repeated(tmp_path: Path, name: str) -> None:
    path = tmp_path / "tools.json"
    path.write_text('{"mcpServers": {"a": {"url": "https://[secret"}}}')
    with pytest.raises(CatalogueError, match="is not a URL: Invalid IPv6 URL") as caught:
        read_catalogue(str(path) if name == path.name else name)
    assert "secret" not in str(caught.value)


def test_a_line_that_is_not_json_is_named(tmp_path: Path) -> None:
    path = tmp_path / "tools.jsonl"
    path.write_text(f"{json.dumps(MCP)}\n\n{{name: 1}}\n")
    with pytest.raises(CatalogueError, match=r"tools\.jsonl:3: is not JSON"):
        read_catalogue(path)


def test_a_text_of_json_lines_may_hold_line_ends_of_unicode(tmp_path: Path) -> None:
    path = tmp_path / "tools.jsonl"
    texts = [f"One{end}two" for end in "\u2028\u0085\x1c"]
    tools = [{**MCP, "name": f"boat_{number}", "description": text} for number, text in enumerate(texts)]
    path.write_text("".join(json.dumps(tool, ensure_ascii=False) + "\r\n" for tool in tools), encoding="utf-8")
    assert open_source(str(path)).document == json.loads(json.dumps(tools))


@pytest.mark.parametrize(
    ("name", "text", "what"),
    [
        ("a.json", "[" * 100_000, "is not JSON: maximum recursion depth"),
        ("a.jsonl", "[" * 100_000, r"a\.jsonl:1: is not JSON: maximum recursion depth"),
        ("a.json", "[" * 100_000 + "\n", "is not JSON: maximum recursion depth"),
        ("a.json", '{"tools": NaN}', "is not JSON: NaN"),
        ("a.json", '{"tools": 1e999}', "is not JSON: the number 1e999 is too large"),
        ("a.jsonl", '{"tools": 1e999}', r"a\.jsonl:1: is not JSON: the number 1e999 is too large"),
        ("a.json", json.dumps({"tools": "[" * 100_000}), "tools in a text that is not JSON"),
        ("a.json", json.dumps([{"name": "a", "parameters": "[" * 100_000}]), "a.json, tool 'a'"),
        ("a.yaml", "a: &a [*a]", "is not YAML: maximum recursion depth"),
        ("a.yaml", "[" * 100_000, "is not YAML: maximum recursion depth"),
        ("a.yaml", "a: 1e999", "is not YAML: the number 1e999 is too large"),
        ("a.yaml", f"a: {'9' * 5000}", "is not YAML: Exceeds the limit"),
    ],
)
def test_hostile_files_are_refused(tmp_path: Path, name: str, text: str, what: str) -> None:
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(CatalogueError, match=what):
        read_catalogue(path, bad_tools="refuse")


def test_yaml_has_the_scalars_of_json(tmp_path: Path) -> None:
    """YAML 1.1 makes `on` true, a date of 2026-01-02, 720 of 12:00 and 8 of 010."""
    path = tmp_path / "a.yaml"
    path.write_text("{a: on, b: 2026-01-02, c: 12:00, d: 010, e: true, f: -3, g: 1e3, h: ~, 200: 1, i: &x [1], j: *x}")
    assert open_source(str(path)).document == {
        **{"a": "on", "b": "2026-01-02", "c": "12:00", "d": "010", "e": True, "f": -3, "g": 1000.0, "h": None},
        **{"200": 1, "i": [1], "j": [1]},
    }
    path.write_text("{a: True, b: FALSE, c: Null, d: NULL, e: tRUE, f: nULL}")
    assert open_source(str(path)).document == {"a": True, "b": False, "c": None, "d": None, "e": "tRUE", "f": "nULL"}
    path.write_text("a: [1\nb: 2")
    with pytest.raises(CatalogueError, match=r"a\.yaml: is not YAML: .*line 2"):
        open_source(str(path))


PAGE = (Path(__file__).parents[3] / "docs" / "catalogues.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("suffix", "text"), re.findall(r"^```(json|jsonl|yaml|python)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
)
def test_the_examples_of_the_page_are_catalogues(suffix: str, text: str, tmp_path: Path) -> None:
    path = tmp_path / f"tools.{suffix.replace('python', 'py')}"
    path.write_text(text, encoding="utf-8")
    if "mcpServers" in text:
        assert mcp_configuration.recognises(open_source(str(path)))
    else:
        assert read_catalogue(path).tools[0].name == "find_boat"
