"""The tolerant reader: each repair does what its name says, valid JSON stays as it is, and guesses are not made."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from platypus.catalogue.reading import catalogue_from_json, read_catalogue
from platypus.catalogue.tools import Catalogue
from platypus.plan.lenient_json import read_list_loosely, read_loosely
from platypus.plan.plan import Malformed, parse_json, parse_plan, plan_from_json
from platypus.plan.repair import mend_plan
from tests.support.command import ROOT

SECOND_SAMPLE = (  # the original task's, as published
    r'[{"tool_name": "search", "arguments": [{"argument_name": "customer", "argument_value": "\$$PREV[0]"}]} '
    r'{"tool_name": "summarize", "arguments": [{"argument_name": "objects", "argument_value": "$$PREV[1]"}]}]'
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
)


@pytest.fixture(scope="module")
def crm() -> Catalogue:
    return read_catalogue(ROOT / "examples" / "crm" / "catalogue.json")


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


@pytest.mark.parametrize(
    ("text", "data", "repairs"),
    [
        ("{'a': 'b'}", {"a": "b"}, ["single quotes (2)"]),
        ("{'a': 'What's new'}", {"a": "What's new"}, ["single quotes (2)"]),
        ("['it\\'s']", ["it's"], ["needless escape (1)", "single quotes (1)"]),
        ("[1, 2,]", [1, 2], ["trailing comma (1)"]),
        ('{"a": [1,], "b": 2,}', {"a": [1], "b": 2}, ["trailing comma (2)"]),
        ('["a" "b"]', ["a", "b"], ["missing comma (1)"]),
        ('{"a": 1 "b": {} "c": 2}', {"a": 1, "b": {}, "c": 2}, ["missing comma (2)"]),
        (r'["\$$PREV[0]"]', ["$$PREV[0]"], ["escaped dollar (1)"]),
        (r'["\\$", "\$"]', ["\\$", "$"], ["escaped dollar (1)"]),
        (r'["a\_b"]', ["a_b"], ["needless escape (1)"]),
        ("[True, False, None]", [True, False, None], ["Python constant (3)"]),
        ("[$$PREV[0], $$PREV[1].id]", ["$$PREV[0]", "$$PREV[1].id"], ["bare reference (2)"]),
        ("{a: 1, b_c: 2}", {"a": 1, "b_c": 2}, ["bare key (2)"]),
        ("{“a”: “b”}", {"a": "b"}, ["curly quotes (2)"]),
        ('["two\nlines"]', ["two\nlines"], ["line break in a string (1)"]),
        ("```json\n[1]\n```", [1], ["code fence (1)"]),
        (r"['\u00e9\ud83d\ude00\n']", ["é😀\n"], ["single quotes (1)"]),
        ("[-1.5e3, 0, {}, 'x']", [-1500.0, 0, {}, "x"], ["single quotes (1)"]),
    ],
)
def test_each_repair_has_its_name_and_is_counted(text: str, data: Any, repairs: list[str]) -> None:
    read = read_loosely(text)
    assert (read.data, list(read.repairs)) == (data, repairs)


@pytest.mark.parametrize(
    "text",
    [
        *('{"a": "b', '["a"', "{'a': 1", '{"a": 1, "a": 2}', "{'a': 1, 'a': 2}", "[NaN]", "[Infinity]", "[01]"),
        *("[1,,2]", "nothing", "[1] and more", "{'a' 1}", "['a", r"['\u12']", "[" * 5000, "[,1]", "", "[1.2.3]"),
    ],
)
def test_what_could_be_meant_in_several_ways_or_is_cut_off_is_not_mended(text: str) -> None:
    read = read_loosely(text)
    assert read.data == parse_json(text)
    assert isinstance(read.data, Malformed)
    assert read.repairs == ()


@given(JSON)
def test_valid_json_is_read_as_it_is(data: Any) -> None:
    read = read_loosely(json.dumps(data))
    assert (read.data, read.repairs) == (data, ())


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.sampled_from(["Globex", "it is", "a-b", "x: y", "ünï"]),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    )
)
def test_what_python_printed_is_read_back(data: Any) -> None:
    assert read_loosely(repr(data)).data == data


@given(st.text(max_size=60))
def test_no_text_is_too_strange(text: str) -> None:
    read = read_loosely(text)
    assert not (isinstance(read.data, Malformed) and read.repairs)


def test_elements_of_a_list_have_their_place_and_their_own_repairs() -> None:
    text = "[{'a': 1},\n 2\n {\"b\": 3,}]"
    found = [(text[element.start], element.read.data, element.read.repairs) for element in read_list_loosely(text)]
    assert found == [
        ("{", {"a": 1}, ("single quotes (1)",)),
        ("2", 2, ("missing comma (1)",)),
        ("{", {"b": 3}, ("trailing comma (1)",)),
    ]
    with pytest.raises(ValueError, match="line 2 column 2"):
        read_list_loosely("[1,\n ?]")


def test_the_second_sample_is_mended_and_refers_to_itself(crm: Catalogue) -> None:
    assert isinstance(parse_plan(SECOND_SAMPLE, crm), Malformed)
    mended = mend_plan(SECOND_SAMPLE, crm)
    assert mended.repairs == ("escaped dollar (1)", "missing comma (1)")
    made = plan_from_json(mended.data, crm)
    assert isinstance(made, Malformed)
    assert [str(problem) for problem in made.problems] == [
        "step 0, argument 'customer': $$PREV[0] refers to its own output",
        "step 1, argument 'objects': $$PREV[1] refers to its own output",
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


def test_a_backslash_before_a_reference_goes_and_a_step_without_arguments_gets_none() -> None:
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
def test_values_and_names_are_mended_as_the_tool_has_them(
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
