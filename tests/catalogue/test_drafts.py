"""Drafts and dialects of JSON Schema in the words of 2020-12; what a `$ref` means."""

from typing import Any

import pytest

from platypus.catalogue.drafts import faults, is_marked_required, modern, resolve, unknown_keywords


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"minimum": 1, "exclusiveMinimum": True}, {"exclusiveMinimum": 1}),
        ({"maximum": 1, "exclusiveMaximum": False}, {"maximum": 1}),
        ({"exclusiveMinimum": 1}, {"exclusiveMinimum": 1}),
        ({"items": [{}], "additionalItems": {"type": "null"}}, {"prefixItems": [{}], "items": {"type": "null"}}),
        ({"items": {}, "additionalItems": False}, {"items": {}}),
        (
            {"dependencies": {"a": ["b"], "c": {"minProperties": 2}}},
            {"dependentRequired": {"a": ["b"]}, "dependentSchemas": {"c": {"minProperties": 2}}},
        ),
        ({"dependencies": ["a"]}, {"dependencies": ["a"]}),
        ({"example": 3, "examples": [4]}, {"examples": [4]}),
        ({"example": 3}, {"examples": [3]}),
        ({"$schema": "s", "$id": "#a", "definitions": {}, "type": "null"}, {"type": "null"}),
        ({"type": "string", "required": True}, {"type": "string"}),
    ],
)
def test_one_schema_in_the_words_of_the_newest_draft(schema: dict[str, Any], expected: dict[str, Any]) -> None:
    assert modern(schema) == expected
    assert modern(expected) == expected


def test_a_property_may_say_itself_that_it_is_required() -> None:
    assert is_marked_required({"required": True})
    assert not is_marked_required({"required": ["a"]}) and not is_marked_required(True)


ROOT = {
    "$id": "https://example.org/root",
    "properties": {"a/b%": {"title": "1"}, "~c": {"anyOf": [{}, {"title": "2"}]}},
    "$defs": {"x": {"$anchor": "here", "title": "3"}, "y": {"$id": "other", "$defs": {"z": {"title": "4"}}}},
}


@pytest.mark.parametrize(
    ("reference", "title"),
    [
        ("#/properties/a~1b%25", "1"),
        ("#/properties/~0c/anyOf/1", "2"),
        ("#here", "3"),
        ("#/$defs/x", "3"),
        ("https://example.org/root#/$defs/x", "3"),
        ("other#/$defs/z", "4"),
    ],
)
def test_references_are_json_pointers_anchors_and_names(reference: str, title: str) -> None:
    assert resolve(reference, ROOT)["title"] == title


def test_the_whole_and_what_is_not_there() -> None:
    assert resolve("#", ROOT) is ROOT
    for reference in ("#/$defs/none", "#nowhere", "https://example.org/else", "#/properties/~0c/anyOf/9"):
        with pytest.raises(LookupError):
            resolve(reference, ROOT)


@pytest.mark.parametrize(
    ("schema", "what"),
    [
        ({"type": "strnig"}, "unknown type 'strnig'"),
        ({"minLength": "3"}, "'3' is not of type 'integer'"),
        ({"minItems": -1}, "-1 is less than the minimum"),
        ({"properties": ["a"]}, "'properties' is not an object"),
        ({"anyOf": {}}, "'anyOf' is not a list"),
        ({"pattern": 3}, "'pattern' is not text"),
    ],
)
def test_faults_are_named_with_a_remedy(schema: dict[str, Any], what: str) -> None:
    ((found, remedy),) = faults(schema)
    assert what in found and remedy


def test_keywords_that_no_draft_knows() -> None:
    schema = {"type": "string", "x-order": 1, "$comment": "c", "discriminator": {}, "propertes": {}, "foo": 1}
    assert list(unknown_keywords(schema)) == ["propertes", "foo"]
    assert not list(faults(schema))
