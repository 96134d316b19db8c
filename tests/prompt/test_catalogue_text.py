"""A catalogue as text in a prompt, by hand."""

import pytest

from platypus.catalogue.reading import catalogue_from_json
from platypus.catalogue.tools import Catalogue
from platypus.prompt.catalogue_text import BRIEF, render_catalogue, type_text

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


def test_a_tuple_has_the_types_of_its_places() -> None:
    assert type_text({"type": "array", "prefixItems": [{"type": "number"}, {"type": "string"}]}) == "[number, string]"


BUSY: Catalogue = catalogue_from_json(
    [
        {
            "name": "create_issue",
            "title": "Create issue",
            "description": "Creates an issue in a tracker, so that others see it.\n\nArgs:\n    title: the title",
            "inputSchema": {
                "type": "object",
                "properties": {
                    "repo": {"type": "string", "description": "The repository as owner/name (e.g. acme/web)."},
                    "title": {"type": "string", "description": "The title."},
                    "state": {"type": ["string", "null"], "enum": ["open", "closed", None]},
                    "fields": {"type": "array", "items": {"type": "object", "properties": {"key": {}, "value": {}}}},
                    **{f"custom_field_{i}": {"type": "number"} for i in range(20)},
                },
                "required": ["repo", "title"],
            },
            "outputSchema": {"type": "object", "properties": {"number": {"type": "integer"}}},
        },
        {"name": "ping", "title": "Ping the server", "outputSchema": {"type": "null"}},
    ]
)


def test_in_brief_a_tool_has_its_first_clause_and_what_fits_of_its_arguments() -> None:
    text = render_catalogue(BUSY, "brief")
    assert text.splitlines() == [
        "create_issue(repo, title, state?: open|closed|null, fields?: [{key, value}], custom_field_0?: number, …)"
        " -> {number}",
        "  Creates an issue in a tracker, so that others see it",
        "ping()",
        "  Ping the server",
    ]
    assert len(text.split("\nping")[0]) < BRIEF + 30


def test_in_brief_a_hint_says_what_a_name_does_not() -> None:
    tool = BUSY.tools[0]
    short = Catalogue((type(tool)(tool.name, "Creates it.", tool.arguments[:2]),))
    assert render_catalogue(short, "brief").splitlines()[1:] == [
        "  Creates it",
        "  repo: The repository as owner/name (e.g. acme/web)",
    ]


def test_in_brief_long_lists_of_values_and_clauses_are_cut_at_a_whole_word() -> None:
    values = [f"value{i}" for i in range(40)]
    schema = {"type": "object", "properties": {"kind": {"enum": values}}, "required": ["kind"]}
    words = "Finds " + "every thing that is known about a place and " * 4
    text = render_catalogue(catalogue_from_json([{"name": "a", "description": words, "inputSchema": schema}]), "brief")
    assert text.splitlines() == [
        "a(kind: value0|value1|value2|value3|value4|…)",
        "  Finds every thing that is known about a place and every thing that is known about a place",
    ]
