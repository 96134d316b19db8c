"""A catalogue as text in a prompt, by hand."""

import pytest

from platypus.catalogue.reading import catalogue_from_json
from platypus.catalogue.tools import Catalogue
from platypus.prompt.catalogue_text import render_catalogue, type_text

CATALOGUE: Catalogue = catalogue_from_json(
    [
        {
            "name": "works_list",
            "description": "Returns the work items\nthat match.",
            "inputSchema": {
                "type": "object",
                "properties": {
                    "part": {
                        "type": "array",
                        "items": {"type": "string", "format": "part-id"},
                        "description": "Any of.",
                    },
                    "issue.priority": {"type": "array", "items": {"type": "string", "enum": ["p0", "p1", "in doubt"]}},
                    "limit": {"type": "integer"},
                },
                "required": ["part"],
            },
            "outputSchema": {"type": "array", "items": {"type": "string", "format": "work-item"}},
        },
        {
            "name": "owner",
            "inputSchema": {"type": "object", "properties": {"of": {"type": ["string", "null"]}, "by": {}}},
            "outputSchema": {
                "type": "object",
                "properties": {"id": {"type": "string", "format": "user-id"}, "name": {"type": "string"}},
                "required": ["id"],
            },
        },
        {"name": "close", "description": "Closes.", "outputSchema": {"type": "null"}},
        {"name": "who", "description": ""},
    ]
)


def test_the_catalogue_by_hand() -> None:
    assert render_catalogue(CATALOGUE) == (
        'works_list(part: [part-id], issue.priority?: [p0|p1|"in doubt"], limit?: integer) -> [work-item]\n'
        "  Returns the work items that match.\n"
        "  part: Any of.\n"
        "owner(of?: string|null, by?: any) -> {id: user-id, name?: string}\n"
        "close()\n"
        "  Closes.\n"
        "who() -> any"
    )


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        ({}, "any"),
        ({"type": "array"}, "[any]"),
        ({"type": "object"}, "object"),
        ({"enum": ["a", 1, None, "null"]}, 'a|1|null|"null"'),
        ({"const": "only"}, "only"),
        ({"anyOf": [{"type": "integer"}, {"type": "array", "items": {"type": "integer"}}]}, "integer|[integer]"),
        ({"type": "number", "format": "float"}, "number"),
    ],
)
def test_types_by_hand(schema: dict[str, object], text: str) -> None:
    assert type_text(schema) == text
