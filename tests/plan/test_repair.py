"""Plans that are nearly right: each repair does what its name says, and ambiguous plans are left alone."""

import json
from typing import Any

import pytest

from platypus.catalogue.reading import catalogue_from_json
from platypus.catalogue.tools import Catalogue
from platypus.plan.plan import Malformed, parse_plan, plan_from_json
from platypus.plan.repair import mend_plan

SECOND_SAMPLE = (  # the original task's, as published
    r'[{"tool_name": "search", "arguments": [{"argument_name": "customer", "argument_value": "\$$PREV[0]"}]} '
    r'{"tool_name": "summarize", "arguments": [{"argument_name": "objects", "argument_value": "$$PREV[1]"}]}]'
)


@pytest.fixture(scope="module")
def shop() -> Catalogue:
    """One tool whose arguments have every kind of type."""
    properties = {
        "stage.name": {"type": "array", "items": {"type": "string"}},
        "level": {"type": "array", "items": {"enum": ["p0", "p1"]}},
        "size": {"enum": ["Small", "Large"]},
        "count": {"type": "integer"},
        "open": {"type": "boolean"},
        "note": {"type": "string"},
    }
    return catalogue_from_json([{"name": "list_items", "inputSchema": {"type": "object", "properties": properties}}])


def test_the_second_sample_is_repaired_but_refers_to_itself(crm: Catalogue) -> None:
    assert isinstance(parse_plan(SECOND_SAMPLE, crm), Malformed)
    mended = mend_plan(SECOND_SAMPLE, crm)
    assert mended.repairs == ("escaped dollar (1)", "missing comma (1)")
    plan = plan_from_json(mended.data, crm)
    assert isinstance(plan, Malformed)
    assert [str(problem) for problem in plan.problems] == [
        "step 1 (search), argument 'customer': $$PREV[0] refers to its own output",
        "step 2 (summarize), argument 'objects': $$PREV[1] refers to its own output",
    ]


CANONICAL = [{"tool_name": "search", "arguments": [{"argument_name": "customer", "argument_value": "Globex"}]}]


@pytest.mark.parametrize(
    ("data", "repairs"),
    [
        (CANONICAL, []),
        (json.dumps(CANONICAL), []),
        (json.dumps(json.dumps(CANONICAL)), ["wrapped string (1)"]),
        (CANONICAL[0], ["step that is no list (1)"]),
        ([{"tool_name": "search", "arguments": {"customer": "Globex"}}], ["dict arguments (1)"]),
        ([{"name": "search", "arguments": {"customer": "Globex"}}], ["dict arguments (1)", "tool under `name` (1)"]),
        (
            [{"tool_name": "search", "arguments": '{"customer": "Globex"}'}],
            ["dict arguments (1)", "wrapped string (1)"],
        ),
        (
            [{"type": "function", "function": {"name": "search", "arguments": '{"customer": "Globex"}'}}],
            ["dict arguments (1)", "function call (1)", "tool under `name` (1)", "wrapped string (1)"],
        ),
        (
            [{"tool_name": "search", "arguments": [{"name": "customer", "value": "Globex"}]}],
            ["argument under `name` (1)"],
        ),
        ([{"tool_name": "Search", "arguments": CANONICAL[0]["arguments"]}], ["tool name (1)"]),
        ([{"tool_name": "search", "arguments": {"Customers": "Globex"}}], ["argument name (1)", "dict arguments (1)"]),
    ],
)
def test_a_plan_in_another_form_becomes_canonical(data: Any, repairs: list[str], crm: Catalogue) -> None:
    mended = mend_plan(data, crm)
    assert (mended.data, list(mended.repairs)) == (CANONICAL, repairs)


def test_a_backslash_before_a_reference_is_removed_and_missing_arguments_become_an_empty_list() -> None:
    mended = mend_plan([{"tool_name": "a"}, {"tool_name": "b", "arguments": {"x": ["\\$$PREV[0]", "\\$5"]}}])
    assert mended.data == [
        {"tool_name": "a", "arguments": []},
        {"tool_name": "b", "arguments": [{"argument_name": "x", "argument_value": ["$$PREV[0]", "\\$5"]}]},
    ]
    assert mended.repairs == ("dict arguments (1)", "escaped dollar (1)", "missing arguments (1)")


@pytest.mark.parametrize(
    ("name", "value", "mended", "repairs"),
    [
        ("stage.name", "triage", ["triage"], ["lone value (1)"]),
        ("stage.name", "['triage']", ["triage"], ["value in quotes (1)"]),
        ("stage_name", ["triage"], ["triage"], ["argument name (1)"]),
        ("level", "P0", ["p0"], ["case of a value (1)"]),
        ("level", ["P0", "p1"], ["p0", "p1"], ["case of a value (1)"]),
        ("size", "small", "Small", ["case of a value (1)"]),
        ("count", "5", 5, ["value in quotes (1)"]),
        ("open", "True", True, ["value in quotes (1)"]),
        ("note", "5", "5", []),
        ("count", "five", "five", []),
        ("level", "urgent", "urgent", []),
        ("stage.name", "$$PREV[0]", "$$PREV[0]", []),
        ("colour", "red", "red", []),
    ],
)
def test_names_and_values_are_repaired_to_those_of_the_tool(
    name: str, value: Any, mended: Any, repairs: list[str], shop: Catalogue
) -> None:
    read = mend_plan(
        [{"tool_name": "list_items", "arguments": [{"argument_name": name, "argument_value": value}]}], shop
    )
    (argument,) = read.data[0]["arguments"]
    assert argument["argument_value"] == mended
    assert list(read.repairs) == repairs
    known = shop.tools[0].argument(argument["argument_name"])
    assert (known is None) == (name == "colour")


def test_a_name_that_is_no_text_stays_as_it_is(crm: Catalogue) -> None:
    for name in (["customer"], {"customer": 1}, None):
        arguments = [{"argument_name": name, "argument_value": "Globex"}]
        mended = mend_plan([{"tool_name": "search", "arguments": arguments}], crm)
        assert mended.data == [{"tool_name": "search", "arguments": arguments}] and not mended.repairs
        assert isinstance(plan_from_json(mended.data, crm), Malformed)
    assert mend_plan([{"tool_name": ["search"], "arguments": []}], crm).data[0]["tool_name"] == ["search"]
