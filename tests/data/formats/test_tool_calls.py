"""Calls and tools in the texts of public sets: what is read, and what is refused."""

from typing import Any

import pytest

from platypus.data.formats.tool_calls import (
    Call,
    calls_from,
    data_in,
    steps,
    tool_list_in,
    tools_from,
    usable_name,
)
from platypus.errors import DatasetError
from platypus.plan.plan import Malformed

SAIL = {"name": "sail", "description": "Sails."}


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ('{"a": [1, true, null]}', {"a": [1, True, None]}),
        ("{'a': \"it's\", 'b': None, 'c': (1, 2)}", {"a": "it's", "b": None, "c": [1, 2]}),
        ("{'a': true,}", {"a": True}),
        ('"Amrum"', "Amrum"),
    ],
)
def test_data_in_a_text(text: str, data: Any) -> None:
    assert data_in(text) == data


def test_text_that_is_no_data() -> None:
    for text in ("{a b", "{1, 2}", "b'x'"):
        assert isinstance(data_in(text), Malformed)


@pytest.mark.parametrize(
    ("data", "calls"),
    [
        ({"name": "sail", "arguments": {"to": "Wyk"}}, [Call("sail", {"to": "Wyk"})]),
        (
            {"type": "function", "function": {"name": "sail", "arguments": '{"to": "Wyk"}'}},
            [Call("sail", {"to": "Wyk"})],
        ),
        ('[{"name": "sail"}, {"name": "sail", "arguments": ""}]', [Call("sail", {}), Call("sail", {})]),
        ("{'name': 'sail', 'parameters': {'n': 1}}", [Call("sail", {"n": 1})]),
        ([], []),
    ],
)
def test_calls(data: Any, calls: list[Call]) -> None:
    assert calls_from(data) == tuple(calls)


@pytest.mark.parametrize(
    ("data", "what"),
    [
        ({"arguments": {}}, "a call has no tool's name"),
        ({"name": "sail", "arguments": [1]}, "the arguments of 'sail' are no object"),
        ({"name": "sail", "arguments": "{x y"}, "the arguments of 'sail' cannot be read: character 1: .*: {x y$"),
        ("nothing", "a call cannot be read"),
        (7, "a call has no tool's name: 7"),
    ],
)
def test_calls_that_cannot_be_read(data: Any, what: str) -> None:
    with pytest.raises(DatasetError, match=what):
        calls_from(data)


def test_names_that_no_catalogue_has_are_changed_alike_in_tools_and_calls() -> None:
    assert [usable_name(name) for name in ("sail", "Tide & Wind API", " -x(1)")] == ["sail", "Tide_Wind_API", "x_1_"]
    tools = tools_from([{"type": "function", "function": {"name": "Tide API"}}, SAIL])
    assert tools.renamed == 1
    assert tools.definitions == [{"type": "function", "function": {"name": "Tide_API"}}, SAIL]
    assert steps([Call("Tide API", {"at": "Wyk"})]) == [
        {"tool_name": "Tide_API", "arguments": [{"argument_name": "at", "argument_value": "Wyk"}]}
    ]


@pytest.mark.parametrize("data", [None, "", "  ", [], "[]"])
def test_no_tools(data: Any) -> None:
    assert tools_from(data) == ([], 0)


def test_tools_in_texts_and_wrappers() -> None:
    for data in ('[{"name": "sail", "description": "Sails."}]', {"tools": [SAIL]}, [str(SAIL)], SAIL):
        assert tools_from(data).definitions == [SAIL]
    with pytest.raises(DatasetError, match="its tools cannot be read"):
        tools_from("[{")


def test_tools_in_the_middle_of_a_text() -> None:
    assert tool_list_in('Use [these]: [{"name": "sail", "description": "Sails."}] or [].') == [SAIL]
    assert (
        tool_list_in('Use {"name": "sail", "description": "Sails."}\n\n{"name": "sail", "description": "Sails."}')
        == [SAIL] * 2
    )
    assert tool_list_in('A list of people: [{"name": "Ada", "age": 36}]') == []
