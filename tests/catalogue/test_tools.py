"""Tools and catalogues: the canonical form, look-up by name, subsets, the fingerprint."""

import json
from typing import Any

import pytest

from platypus.catalogue.reading import catalogue_from_json
from platypus.catalogue.tools import Argument, Catalogue, Tool
from platypus.errors import CatalogueError

SEARCH: dict[str, Any] = {
    "name": "search",
    "description": "Finds things",
    "inputSchema": {
        "type": "object",
        "properties": {"query": {"type": "string"}, "limit": {"type": "integer", "minimum": 1}},
        "required": ["query"],
    },
    "outputSchema": {"type": "array", "items": {"type": "string", "format": "thing"}},
}


def test_mcp_definitions_survive_the_round_trip() -> None:
    catalogue = catalogue_from_json([SEARCH])
    assert catalogue.to_json() == [SEARCH]
    assert catalogue_from_json(json.loads(json.dumps(catalogue.to_json()))).fingerprint == catalogue.fingerprint


def test_the_fingerprint_sees_every_part() -> None:
    changed = [
        {**SEARCH, "description": "Finds other things"},
        {**SEARCH, "name": "find"},
        {**SEARCH, "outputSchema": {"type": "null"}},
        {**SEARCH, "inputSchema": {**SEARCH["inputSchema"], "required": []}},
        {**SEARCH, "annotations": {"readOnlyHint": True}},
        {**SEARCH, "title": "Search"},
    ]
    prints = {catalogue_from_json([definition]).fingerprint for definition in [SEARCH, *changed]}
    assert len(prints) == 7


def test_subset_keeps_the_order() -> None:
    catalogue = catalogue_from_json([{**SEARCH, "name": name} for name in "cab"])
    assert [tool.name for tool in catalogue.subset(["b", "c", "unknown"])] == ["c", "b"]


def test_a_tool_is_found_by_its_name_and_an_argument_too() -> None:
    catalogue = catalogue_from_json([SEARCH, {"name": "close"}])
    search = catalogue.tool("search")
    assert search is catalogue.tools[0] and catalogue.tool("Search") is None
    assert search.argument("limit") == Argument("limit", {"type": "integer", "minimum": 1}, required=False)
    assert search.argument("unknown") is None


def test_a_description_is_on_one_line() -> None:
    schema = {"type": "string", "description": " Who\n  owns it.\t"}
    assert Argument("owner", schema, required=True).description == "Who owns it."
    assert Argument("owner", {}, required=True).description == ""


def test_names_are_distinct() -> None:
    with pytest.raises(CatalogueError, match="two tools are named 'a'"):
        Catalogue((Tool("a", "", ()), Tool("b", "", ()), Tool("a", "another", ())))
