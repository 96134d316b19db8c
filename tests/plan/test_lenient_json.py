"""JSON that is nearly right: each repair does what its name says; valid JSON is unchanged, ambiguous text refused."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from platypus.plan.lenient_json import read_list_loosely, read_loosely
from platypus.plan.plan import Malformed, parse_json

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
)


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
        *("{a: 1e999}", f"{{a: {'9' * 5000}}}", f"[{'1' * 5000}]"),
    ],
)
def test_ambiguous_or_truncated_text_is_not_repaired(text: str) -> None:
    read = read_loosely(text)
    assert read.data == parse_json(text)
    assert isinstance(read.data, Malformed)
    assert read.repairs == ()


@given(JSON)
def test_valid_json_is_read_unchanged(data: Any) -> None:
    read = read_loosely(json.dumps(data))
    assert (read.data, read.repairs) == (data, ())


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.sampled_from(["Globex", "it is", "a-b", "x: y", "ünï"]),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    )
)
def test_the_repr_of_python_data_is_read_back(data: Any) -> None:
    assert read_loosely(repr(data)).data == data


@given(st.text(max_size=60))
def test_any_text_is_repaired_or_malformed_without_repairs(text: str) -> None:
    read = read_loosely(text)
    assert not (isinstance(read.data, Malformed) and read.repairs)


def test_elements_of_a_list_have_their_place_and_their_own_repairs() -> None:
    text = "[{'a': 1},\n 2\n {\"b\": 3,}]"
    elements = [(text[element.start], element.read.data, element.read.repairs) for element in read_list_loosely(text)]
    assert elements == [
        ("{", {"a": 1}, ("single quotes (1)",)),
        ("2", 2, ("missing comma (1)",)),
        ("{", {"b": 3}, ("trailing comma (1)",)),
    ]
    with pytest.raises(ValueError, match="line 2 column 2"):
        read_list_loosely("[1,\n ?]")
