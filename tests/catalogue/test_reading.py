"""A catalogue file: its formats, the checks, one clear error for each mistake."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from platypus.catalogue.reading import catalogue_from_json, read_catalogue, read_tools, tools_from_json
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
        ([{}], "nothing in it has a name, and the first element is empty"),
        ([{"query": "Go", "plan": []}], "nothing in it has a name, and the first element has the keys 'query', 'plan'"),
        ([SEARCH, {"description": "nameless"}], "tool 2 has no usable name"),
        ([{"name": "two words"}], "tool 1 has no usable name"),
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
            [{"name": "a", "inputSchema": {"type": "object", "properties": {"x": {"not": {}}}, "required": ["x"]}}],
            "no arguments are known that its schema allows",
        ),
        (
            [{"name": "a", "inputSchema": {"type": "object", "properties": {"x": {"minLength": 3.5}}}}],
            "not a valid schema",
        ),
        ([{"name": "a", "arguments": [{"name": "x", "type": "array of wishes"}]}], "unknown argument type"),
        ([{"name": "a", "arguments": [{"name": "x"}, {"name": "x"}]}], "argument 'x': is defined twice"),
        ([{"name": "a", "arguments": [{}]}], "an argument has no name"),
        (
            [{"name": "a", "inputSchema": {"type": "object", "properties": {"x": {"$ref": "#/$defs/b"}}}}],
            r"tool 'a'.x: \$ref '#/\$defs/b' is not defined",
        ),
        ([{"name": "a", "inputSchema": {"type": "array"}}], "the arguments are no object"),
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
    [
        {
            "name": "find_boat",
            "description": "Finds.",
            "parameters": [
                {"name": "harbour", "type": "string", "description": "Where", "required": True},
                {"name": "berths", "type": "integer", "required": False},
            ],
        }
    ],
    [{"name": "find_boat", "description": "Finds.", "parameters": json.dumps(BOAT)}],
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


def test_odd_keys_of_a_tool_are_none_or_noted() -> None:
    assert one({"name": "a", "parameters": {"properties": None}, "annotations": ["x"]}).arguments == ()
    odd = {"type": "object", "properties": {"x": {"type": "object", "dependencies": ["y"]}}}
    (note,) = tools_from_json([{"name": "a", "inputSchema": odd}]).notes
    assert (note.place, note.keyword) == (".x", "dependencies")


def test_a_text_of_parameters_that_is_not_json() -> None:
    with pytest.raises(CatalogueError, match="tool 'a': a schema must be an object, not 'x: string'"):
        catalogue_from_json([{"name": "a", "parameters": "x: string"}])


def test_a_text_of_tools_that_is_not_json() -> None:
    with pytest.raises(CatalogueError, match="tools in a text that is not JSON"):
        catalogue_from_json({"tools": "[{"})


GOOD = {"name": "good", "inputSchema": BOAT}
TYPO = {"type": "object", "properties": {"x": {"type": "strnig"}, "y": {"minimum": "3"}}}
BAD = [GOOD, {"name": "two words"}, {"name": "typo", "inputSchema": TYPO}, GOOD, {"name": "c", "params": [BOAT]}]


def test_bad_tools_are_left_out_with_all_their_faults(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "tools.json"
    file.write_text(json.dumps(BAD))
    reading = read_tools(file)
    assert [tool.name for tool in reading.catalogue] == ["good"]
    assert reading.skipped == ("two words", "typo", "good", "c")
    assert [fault.where.removeprefix(str(file)) for fault in reading.faults] == [
        *("", ", tool 'typo'.x", ", tool 'typo'.y", ", tool 4", ", tool 'c'")
    ]
    assert all(fault.remedy for fault in reading.faults)
    assert len(read_catalogue(file)) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert (
        f"4 of 5 tools cannot be used and are left out: two words, typo, good, c (why: platypus check {file})" in said
    )


def test_bad_tools_can_be_refused(tmp_path: Path) -> None:
    (tmp_path / "tools.json").write_text(json.dumps(BAD))
    with pytest.raises(CatalogueError, match="5 faults") as caught:
        read_catalogue(tmp_path / "tools.json", bad_tools="refuse")
    assert "strnig" in str(caught.value) and "two tools are named 'good'" in str(caught.value)
    (tmp_path / "tools.json").write_text(json.dumps(BAD[1:3]))
    with pytest.raises(CatalogueError, match="3 faults"):
        read_catalogue(tmp_path / "tools.json")


def test_integers_may_be_written_as_floats() -> None:
    """JSON Schema does not tell 1.0 from 1, and a grammar counts with integers."""

    def limited(one: float) -> dict[str, Any]:
        text = {"type": "string", "minLength": one, "maxLength": 5 * one}
        several = {"type": "array", "items": text, "minItems": one, "maxItems": 3 * one}
        free = {"type": "object", "minProperties": one, "maxProperties": 2 * one}
        return {"name": "f", "inputSchema": {"properties": {"several": several, "free": free}}}

    floats, integers = catalogue_from_json([limited(1.0)]), catalogue_from_json([limited(1)])
    assert floats.fingerprint == integers.fingerprint and "1.0" not in json.dumps(floats.to_json())
    with pytest.raises(CatalogueError, match=r"1\.5 is not of type 'integer'"):
        catalogue_from_json([limited(1.5)])


def test_three_hundred_tools_are_read_quickly() -> None:
    tools = [{**GOOD, "name": f"find_{n}", "description": str(n), "inputSchema": _varied(n)} for n in range(300)]
    started = time.process_time()
    assert len(catalogue_from_json(tools)) == 300
    assert time.process_time() - started < 4  # about one second on an idle core


def _varied(number: int) -> dict[str, Any]:
    limits = {"type": "integer", "minimum": number, "maximum": 9007199254740991}
    text = {"type": "string", "pattern": f"^[a-z]{{{number + 1}}}$"}
    several = {"anyOf": [limits, text, {"type": "array", "items": text}]}
    return {"type": "object", "properties": {f"{name}{number}": several for name in "abcde"}}


CASES = Path(__file__).parents[3] / "shared" / "cases" / "catalogues"
ACCEPTED = {  # case → its arguments: name → what its schema must hold, or must not (None)
    "property-names-record": {"labels": {"additionalProperties": {"type": "string"}, "propertyNames": None}},
    "recursive-ref": {"folder": {"type": "object", "required": ["name"]}},
    "all-of-two": {"top": {"type": "integer", "minimum": 1, "maximum": 50, "description": "How many"}},
    "all-of-output": {"id": {}},
    "root-pointer-ref": {"second": {"properties": {"start": {"type": "string"}, "end": {"type": "string"}}}},
    "prefix-items": {"range": {"items": {"type": "number"}, "minItems": 2, "maxItems": 2}},
    "if-then": {"method": {"enum": ["card", "transfer"]}, "iban": {"type": "string"}},
    "dependent-required": {"bill": {}, "cvc": {}},
    "not-empty": {"name": {"type": "string", "minLength": 1}},
    "pattern-properties": {"tags": {"additionalProperties": {"type": "string"}}},
    "min-properties": {"changes": {"type": "object", "minProperties": 1}},
    "exclusive-minimum-boolean": {"price": {"exclusiveMinimum": 0, "minimum": None}},
    "pattern-unicode-class": {"name": {"type": "string", "pattern": r"^[\ A-Za-z]+$"}},
    "draft7-id-and-comment": {"title": {"type": "string", "$id": None}},
    "schema-is-bool": {"title": {}},
    "type-dict-float": {"room": {"type": "string"}, "price": {"type": "number"}},
    "type-upper-case": {"room": {"type": "string"}},
    "required-null": {"host": {"type": "string"}},
    "properties-null": {},
    "function-declarations": {"city": {"type": "string"}},
    "anthropic-input-schema": {"city": {"type": "string"}},
    "top-level-one-of": {"mode": {"enum": ["now", "later"]}, "post": {}, "at": {"format": "date-time"}},
    "discriminated-union": {"block": {"discriminator": {"propertyName": "type"}}},
    "integer-enum-const": {"level": {"enum": [0, 1, 2, 3]}, "kind": {"const": "speaker"}},
    "nullable-openapi": {"due": {"type": "string", "format": "date"}},
    "openai-strict": {"unit": {"enum": ["c", "f", None]}},
    "openai-request-body": {"city": {}},
    "format-uri-uuid": {"url": {"format": "uri"}, "id": {"format": "uuid"}},
    "pattern-lookahead": {"password": {"pattern": "^(?=.*[0-9])(?=.*[a-z]).{8,}$"}},
    "argument-name-odd": {"$top": {}, "filter-query": {}, "user[name]": {}},
    "top-level-ref": {"title": {}},
    "description-null": {},
    "input-null": {},
    "top-level-required-without-properties-additional": {},
    "execution-icons-meta": {"project": {}},
    "enum-empty": {"title": {"enum": []}},
}
NOTED = {
    *("recursive-ref", "if-then", "dependent-required", "pattern-unicode-class", "top-level-one-of", "enum-empty"),
}


def case(name: str) -> Path:
    if not CASES.is_dir():
        pytest.skip("no cases here: ../shared/cases is not beside this checkout")
    return CASES / f"{name}.json"


@pytest.mark.parametrize("name", ACCEPTED)
def test_the_catalogues_of_others_are_read(name: str) -> None:
    reading = read_tools(case(name))
    arguments = {argument.name: argument.schema for tool in reading.catalogue for argument in tool.arguments}
    for argument, expected in ACCEPTED[name].items():
        assert {key: arguments[argument].get(key) for key in expected} == expected
    assert bool(ACCEPTED[name]) == bool(arguments)
    assert not reading.faults and bool(reading.notes) == (name in NOTED)


@pytest.mark.parametrize("name", ["name-with-space", "name-non-ascii", "name-starts-with-dot", "name-129"])
def test_the_names_of_others_that_cannot_be_used(name: str) -> None:
    with pytest.raises(CatalogueError, match="tool 1 has no usable name") as caught:
        read_tools(case(name))
    assert caught.value.remedy.startswith("Rename it")


def test_the_catalogue_of_others_with_a_name_twice() -> None:
    reading = read_tools(case("duplicate-tool-names"))
    assert len(reading.catalogue) == 1 and len(reading.faults) == 1
    assert reading.faults[0].where.endswith("tool 2") and reading.faults[0].remedy.startswith("Rename")


@pytest.mark.parametrize("path", sorted(CASES.glob("*.json")), ids=lambda path: path.stem)
def test_every_catalogue_of_others_is_read_or_refused_with_a_remedy(path: Path) -> None:
    try:
        again = read_tools(path).catalogue
    except CatalogueError as error:
        assert error.remedy and path.stem.startswith("name-")
    else:
        assert catalogue_from_json(again.to_json()).fingerprint == again.fingerprint
