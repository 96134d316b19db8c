"""Types and argument lists of public data sets as JSON Schema."""

from typing import Any

import pytest

from platypus.catalogue.foreign_types import from_arguments_by_name, lists_by_name, plain_types
from platypus.catalogue.reading import catalogue_from_json
from platypus.errors import CatalogueError

NUMBERS = {"type": "array", "items": {"type": "number"}}


@pytest.mark.parametrize(
    ("words", "schema"),
    [
        ("string", {"type": "string"}),
        ("STRING", {"type": "string"}),
        ("str", {"type": "string"}),
        ("float", {"type": "number"}),
        ("dict", {"type": "object"}),
        ("tuple", {"type": "array"}),
        ("any", {}),
        ("List[float]", NUMBERS),
        ("list of floats", NUMBERS),
        ("Tuple[float, float]", NUMBERS),
        ("typing.Sequence[float]", NUMBERS),
        ("Set[int]", {"type": "array", "uniqueItems": True, "items": {"type": "integer"}}),
        ("Dict[str, int]", {"type": "object", "additionalProperties": {"type": "integer"}}),
        ("Dict[str, Any]", {"type": "object"}),
        ("int or str", {"anyOf": [{"type": "integer"}, {"type": "string"}]}),
        ("Optional[int]", {"anyOf": [{"type": "integer"}, {"type": "null"}]}),
        ("Union[str, Any]", {}),
        ("Literal['red', 'blue']", {"enum": ["red", "blue"]}),
        ("Callable[[float], float]", {"type": "Callable[[float], float]"}),
        ("no type at all", {"type": "no type at all"}),
    ],
)
def test_names_of_types(words: str, schema: dict[str, Any]) -> None:
    assert plain_types({"type": words, "description": "d"}) == {**schema, "description": "d"}
    inner = {"type": "dict", "properties": {"x": {"type": "array", "items": {"type": words}}}}
    assert plain_types(inner) == {"type": "object", "properties": {"x": {"type": "array", "items": schema}}}


def test_json_schema_stays_as_it_is() -> None:
    schema = {
        "type": "object",
        "properties": {"type": {"type": ["string", "null"]}, "items": {"$ref": "#/$defs/x"}},
        "required": ["type"],
        "$defs": {"x": {"anyOf": [{"type": "integer"}, {"const": None}], "default": None}},
    }
    assert plain_types(schema) == schema
    assert plain_types(True) is True


def test_what_a_table_fills_up_with_null_is_not_there() -> None:
    padded = {"type": "object", "properties": {"x": {"type": "string", "enum": None}, "y": None}, "required": None}
    assert plain_types(padded) == {"type": "object", "properties": {"x": {"type": "string"}}}


def test_counts_in_texts_are_numbers() -> None:
    gemini = {"type": "ARRAY", "minItems": "1", "maxItems": "many", "items": {"type": "STRING", "minLength": "2"}}
    items = {"type": "string", "minLength": 2}
    assert plain_types(gemini) == {"type": "array", "minItems": 1, "maxItems": "many", "items": items}


def test_arguments_by_name_are_required_unless_they_say_otherwise() -> None:
    schema = from_arguments_by_name(
        {
            "plain": {"type": "str", "description": "d"},
            "said": {"type": "int, optional"},
            "default": {"type": "int", "default": 3},
            "null": {"type": "int", "default": None},
            "typed": {"type": "Optional[str]"},
            "flag": {"type": "str", "required": False},
            "both": {"type": "str", "default": "a", "required": True},
            "none": None,
        },
        "t",
    )
    assert schema["required"] == ["plain", "both"]
    assert schema["properties"]["plain"] == {"type": "string", "description": "d"}
    assert schema["properties"]["default"] == {"type": "integer", "default": 3}
    assert "none" not in schema["properties"]
    with pytest.raises(CatalogueError, match="argument 'x': its type is 3"):
        from_arguments_by_name({"x": {"type": 3}}, "t")


@pytest.mark.parametrize(
    ("parameters", "by_name"),
    [
        ({"x": {"type": "str"}}, True),
        ({"type": {"type": "str"}, "properties": {"type": "str"}}, True),
        ({"properties": {"x": {"type": "string"}}}, False),
        ({"type": "object", "properties": {}}, False),
        ({"properties": {}}, False),
        ({"properties": {"x": True}}, False),
        ({"properties": None}, True),  # none at all
        ({"$defs": {"x": {}}}, False),
        ({}, False),
        ([], False),
    ],
)
def test_arguments_by_name_and_schemas_are_told_apart(parameters: Any, by_name: bool) -> None:
    assert lists_by_name(parameters) is by_name


@pytest.mark.parametrize("word", ["Callable[[int], int]", "np.ndarray", "ArrayList"])
def test_an_unknown_type_is_refused_by_name(word: str) -> None:
    with pytest.raises(CatalogueError, match=r"tool 'a'\.x: unknown type"):
        catalogue_from_json([{"name": "a", "parameters": {"x": {"type": word}}}])


@pytest.mark.parametrize("text", ["are " * 2000, "(" * 3000, "[" * 90, "List[" * 500, "a\0b"])
def test_text_that_is_no_type_stays_as_it_is(text: str) -> None:
    assert plain_types({"type": text}) == {"type": text}
