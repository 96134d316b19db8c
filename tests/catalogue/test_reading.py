"""A catalogue file: its formats, the checks, one clear error for each mistake."""

import json
from pathlib import Path
from typing import Any

import pytest

from platypus.catalogue.reading import catalogue_from_json, read_catalogue
from platypus.catalogue.tools import Catalogue, Tool
from platypus.errors import CatalogueError
from tests.catalogue.test_tools import SEARCH


def one(definition: dict[str, Any]) -> Tool:
    (tool,) = catalogue_from_json([definition]).tools
    return tool


def test_openai_functions_are_the_same_catalogue() -> None:
    function = {
        "type": "function",
        "function": {"name": "search", "description": "Finds things", "parameters": SEARCH["inputSchema"]},
    }
    plain = {**SEARCH, "outputSchema": {}}
    assert catalogue_from_json([function]).fingerprint == catalogue_from_json([plain]).fingerprint


def test_fields_in_returns_are_an_object() -> None:
    tool = one({"name": "stats", "parameters": {}, "returns": {"wins": {"type": "integer"}}})
    assert tool.output == {"type": "object", "properties": {"wins": {"type": "integer"}}}


def test_prose_in_returns_is_no_schema() -> None:
    assert one({"name": "a", "arguments": [], "returns": "list of work items"}).output == {
        "description": "list of work items"
    }


@pytest.mark.parametrize(
    ("definitions", "what"),
    [
        ([], "holds no tools"),
        ([{"description": "nameless"}], "tool 0 has no usable name"),
        ([{"name": "two words"}], "tool 0 has no usable name"),
        ([SEARCH, SEARCH], "two tools are named 'search'"),
        (
            [{"name": "a", "inputSchema": {"type": "object", "properties": {"x": {"type": "strnig"}}}}],
            r"tool 'a'.x: unknown type 'strnig'",
        ),
        (
            [{"name": "a", "inputSchema": {"type": "object", "properties": {}, "required": ["x"]}}],
            "'x' is required but not defined",
        ),
        (
            [{"name": "a", "inputSchema": {"type": "object", "properties": {"x": {"not": {}}}}}],
            r"tool 'a'.x: schema keyword 'not' is not supported",
        ),
        (
            [{"name": "a", "inputSchema": {"type": "object", "properties": {"x": {"pattern": "("}}}}],
            "not a valid schema",
        ),
        ([{"name": "a", "arguments": [{"name": "x", "type": "array of wishes"}]}], "unknown argument type"),
        ([{"name": "a", "arguments": [{"name": "x"}, {"name": "x"}]}], "argument 'x': is defined twice"),
        ([{"name": "a", "arguments": [{}]}], "an argument has no name"),
        (
            [{"name": "a", "outputSchema": {"$ref": "#/$defs/b"}}],
            r"tool 'a', output: \$ref '#/\$defs/b' is not defined",
        ),
    ],
)
def test_a_bad_catalogue_is_one_clear_error(definitions: list[Any], what: str) -> None:
    with pytest.raises(CatalogueError, match=what) as caught:
        catalogue_from_json(definitions, where="tools.json")
    assert str(caught.value).startswith("tools.json")
    assert caught.value.remedy


def test_a_file_that_is_not_json_says_where(tmp_path: Path) -> None:
    (tmp_path / "tools.json").write_text('[{"name": "a",}]')
    with pytest.raises(CatalogueError, match=r"tools\.json: is not JSON.*line 1 column 15"):
        read_catalogue(tmp_path / "tools.json")


def test_a_missing_file_and_a_binary_one(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match="No such file"):
        read_catalogue(tmp_path / "none.json")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(CatalogueError, match="is not UTF-8"):
        read_catalogue(tmp_path / "binary")


def test_every_real_catalogue_is_read(shared_data: Path) -> None:
    seed = read_catalogue(shared_data / "seed" / "catalogue.json")
    assert len(seed) == 9
    tools = [json.loads(line) for line in (shared_data / "nested" / "tool_bank.jsonl").read_text().splitlines()]
    for tool in tools:
        assert len(catalogue_from_json([tool])) == 1
    for name in ("nestools_400", "seal_tools_dev", "bfcl_irrelevance_200"):
        for line in (shared_data / "nested" / f"{name}.jsonl").read_text().splitlines():
            assert isinstance(catalogue_from_json(json.loads(line)["tools"]), Catalogue)


BOAT = {
    "type": "object",
    "properties": {"harbour": {"type": "string", "description": "Where"}, "berths": {"type": "integer"}},
    "required": ["harbour"],
}
SAME = [  # one tool in many formats
    [{"name": "find_boat", "description": "Finds.", "inputSchema": BOAT}],
    [{"name": "find_boat", "description": "Finds.", "input_schema": BOAT}],
    [{"type": "function", "name": "find_boat", "description": "Finds.", "parameters": BOAT, "strict": True}],
    [
        {
            "function_declarations": [
                {"name": "find_boat", "description": "Finds.", "parameters": {**BOAT, "type": "OBJECT"}}
            ]
        }
    ],
    {"functionDeclarations": [{"name": "find_boat", "description": "Finds.", "parameters": BOAT}]},
    {
        "jsonrpc": "2.0",
        "id": 1,
        "result": {"tools": [{"name": "find_boat", "description": "Finds.", "inputSchema": BOAT}]},
    },
    {"tools": json.dumps([{"name": "find_boat", "description": "Finds.", "inputSchema": BOAT}])},
    json.dumps([{"type": "function", "function": {"name": "find_boat", "description": "Finds.", "parameters": BOAT}}]),
    [
        {
            "name": "find_boat",
            "description": "Finds.",
            "parameters": {
                "harbour": {"type": "str", "description": "Where"},
                "berths": {"type": "int, optional"},
            },
            "required": None,
        }
    ],
]


@pytest.mark.parametrize("data", SAME)
def test_the_formats_of_public_sets_are_the_same_catalogue(data: Any) -> None:
    assert catalogue_from_json(data).fingerprint == catalogue_from_json(SAME[0]).fingerprint


@pytest.mark.parametrize(
    ("tool", "what"),
    [
        ({"name": "a", "args_schema": BOAT}, "tool 'a': the key 'args_schema' is not known and may hold arguments"),
        ({"name": "a", "params": [{"name": "x", "type": "string"}]}, "the key 'params' is not known"),
        (
            {"name": "a", "parameters": {"type": "object", "harbour": {"type": "string"}}},
            "`parameters`: the key 'harbour' is not known",
        ),
        ({"name": "a", "inputSchema": {"anyOf": [BOAT, BOAT]}}, "`inputSchema`: the key 'anyOf' is not known"),
        (
            {"name": "a", "inputSchema": BOAT, "parameters": {"type": "object"}},
            "under 'inputSchema' and under 'parameters'",
        ),
    ],
)
def test_a_key_that_would_lose_arguments_is_refused_by_name(tool: dict[str, Any], what: str) -> None:
    with pytest.raises(CatalogueError, match=what) as caught:
        catalogue_from_json([tool])
    assert caught.value.remedy


def test_a_text_of_tools_that_is_not_json() -> None:
    with pytest.raises(CatalogueError, match="tools in a text that is not JSON"):
        catalogue_from_json({"tools": "[{"})
