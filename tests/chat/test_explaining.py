"""Explanations: values and tools are traced to the words of the request, and what has no words is said."""

import pytest

from platypus.catalogue.reading import catalogue_from_json
from platypus.chat.explaining import Explanation, Span, explain
from platypus.plan.plan import Plan, Reference, Step, Value

PROPERTIES = {
    "priority": {"type": "array", "items": {"type": "string", "enum": ["p0", "in_progress"]}},
    "owned_by": {"type": "string"},
    "title": {"type": "string"},
    "limit": {"type": "integer", "default": 10},
    "needs_response": {"type": "boolean"},
}
TOOLS = catalogue_from_json(
    [
        {"name": "works_list", "inputSchema": {"type": "object", "properties": PROPERTIES}},
        {"name": "prioritize_objects", "inputSchema": {"type": "object", "properties": {"objects": {}}}},
    ]
)


def said(explained: Explanation, spans: tuple[Span, ...]) -> list[str]:
    return [explained.request[start:end] for start, end in spans]


@pytest.mark.parametrize(
    ("request_text", "name", "value", "words"),
    [
        ("Find work of devu-7.", "owned_by", "DEVU-7", ["devu-7"]),
        ("Whatever is in progress", "priority", ["in_progress"], ["in progress"]),
        ("The first three works", "limit", 3, ["three"]),
        ("Those that need a response", "needs_response", True, ["need", "response"]),
        ("Those that answer", "needs_response", True, []),
        ("Those whose needs are a response", "needs_response", True, ["needs", "response"]),
        ("The urgent ones", "priority", ["p0"], []),
        ("The login page crashes on every old phone", "title", "Login page crashes on old phones", None),
        ("A DEVU-77 here", "owned_by", "DEVU-7", []),
        ("Some works", "limit", 10, []),
    ],
)
def test_the_words_of_a_value_are_found(request_text: str, name: str, value: Value, words: list[str] | None) -> None:
    explained = explain(request_text, Plan((Step("works_list", {name: value}),)), TOOLS)
    (part,) = explained.steps[0].arguments[name]
    found = said(explained, part.spans)
    assert found == words if words is not None else "login page crashes on" in found[0]


def test_what_is_not_in_the_request_is_said_with_what_is_known() -> None:
    plan = Plan((Step("works_list", {"priority": ["p0", "in_progress"], "limit": 10, "owned_by": "DEVU-9"}),))
    arguments = explain("The urgent work in progress", plan, TOOLS).steps[0].arguments
    urgent, progress = arguments["priority"]
    assert urgent.note == "not in the request; one of its allowed values" and not urgent.spans
    assert progress.spans
    assert [part.note for part in (*arguments["limit"], *arguments["owned_by"])] == [
        "its default",
        "not in the request",
    ]


def test_equal_values_take_different_words_and_references_take_none() -> None:
    plan = Plan(
        (Step("works_list", {"owned_by": "Ann", "title": "Ann"}), Step("prioritize_objects", {"objects": Reference(0)}))
    )
    explained = explain("Works of Ann about Ann, by priority, quickly", plan, TOOLS)
    first, second = explained.steps
    assert first.arguments["owned_by"][0].spans == (Span(9, 12),)
    assert first.arguments["title"][0].spans == (Span(19, 22),)
    assert second.arguments["objects"][0].spans == () and second.arguments["objects"][0].note == ""
    assert said(explained, first.spans) == ["Works"] and said(explained, second.spans) == ["priority"]
    assert explained.unused == ("quickly",)
