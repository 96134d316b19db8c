"""Lists of tools as programs keep them: which keys become MCP's, and what is no tool."""

import json
from pathlib import Path
from typing import Any

import pytest

from platypus.catalogue.reading import catalogue_from_json, read_catalogue
from platypus.catalogue.sources.source import Source
from platypus.catalogue.sources.tool_lists import as_mcp, recognises, tool_entries
from platypus.errors import CatalogueError

CASES = Path(__file__).parents[4] / "shared" / "cases" / "catalogues"
SCHEMA = {"type": "object", "properties": {"x": {"type": "string"}}}


def test_the_keys_of_others_become_those_of_mcp() -> None:
    entry = {
        **{"name": "a", "title": None, "output_schema": SCHEMA, "responses": {}, "returns": None},
        "annotations": {"read_only_hint": True, "title": None, "open_world_hint": False},
    }
    assert as_mcp(entry) == {
        **{"name": "a", "outputSchema": SCHEMA, "responses": {}, "returns": None},
        "annotations": {"readOnlyHint": True, "openWorldHint": False},
    }


@pytest.mark.parametrize(
    ("answer", "output"),
    [(SCHEMA, SCHEMA), ("the sum", {}), ({"sum": {"type": "int"}}, {})],
)
def test_a_response_is_an_output_if_it_is_a_schema(answer: Any, output: Any) -> None:
    (tool,) = catalogue_from_json([{"name": "a", "parameters": SCHEMA, "response": answer}])
    assert tool.output == output


def test_functions_that_rows_repeat_are_taken_once() -> None:
    rows = [{"id": n, "function": [{"name": "a"}, {"name": f"b{n % 2}"}]} for n in range(4)]
    assert [tool.name for tool in catalogue_from_json(rows)] == ["a", "b0", "b1"]
    with pytest.raises(CatalogueError, match="two tools are named 'a'"):
        catalogue_from_json([*rows, {"function": [{"name": "a", "parameters": SCHEMA}]}])


@pytest.mark.parametrize(
    ("data", "is_one"),
    [
        ([{"name": "a", "parameters": {}}], True),
        ([{"type": "function", "function": {"name": "a", "description": ""}}], True),
        ([{"name": "a"}], True),
        ({"result": {"tools": [{"name": "a"}]}}, True),
        ([{"functions": [{"name": "a"}]}], True),
        ([], False),
        ([{"name": "Ada", "age": 36}], False),
        ([{"query": "Hi", "plan": []}], False),
        ("text that is no JSON", False),
        (None, False),
        ([[1]], False),
    ],
)
def test_what_looks_like_tools(data: Any, is_one: bool) -> None:
    if isinstance(data, str):
        with pytest.raises(CatalogueError, match="not JSON"):
            tool_entries(data, "here")
    else:
        assert recognises(Source("tools.json", data)) is is_one


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("anthropic-input-schema.json", {"city": ("string", True)}),
        ("function-declarations.json", {"city": ("string", True)}),
        ("openai-request-body.json", {"city": ("string", True)}),
        ("json-lines.jsonl", {"folder": ("string", True)}),
        ("type-dict-float.json", {"room": ("string", True), "price": ("number", False)}),
        ("type-upper-case.json", {"room": ("string", True)}),
    ],
)
def test_the_cases_of_others(name: str, arguments: dict[str, Any]) -> None:
    if not CASES.is_dir():
        pytest.skip("no cases here: ../shared/cases is not beside this checkout")
    tool = read_catalogue(CASES / name).tools[0]
    assert {one.name: (one.schema["type"], one.required) for one in tool.arguments} == arguments


def test_a_bank_of_tools_is_read_line_by_line(shared_data: Path) -> None:
    bank = shared_data / "nested" / "tool_bank.jsonl"
    assert len(read_catalogue(bank)) == len([json.loads(line) for line in bank.read_text().splitlines()])
