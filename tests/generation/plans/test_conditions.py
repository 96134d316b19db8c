"""When an argument is given, as names and prose tell it."""

from random import Random
from typing import Any

import pytest

from platypus.generation.plans.conditions import conditions_of, one_needed

MODES = {"type": "string", "enum": ["list", "add", "move"]}


def text(description: str = "") -> dict[str, Any]:
    return {"type": "string", "description": description}


@pytest.mark.parametrize(
    ("prose", "values", "needed"),
    [
        ("Required for add.", {"add"}, True),
        ("The label (for add/move operations).", {"add", "move"}, False),
        ("Needed when mode is 'move'.", {"move"}, True),
        ("For add operation: the label of the new tree.", {"add"}, False),
        ("The label, only used for move.", {"move"}, False),
        ("Shown where `mode` = `list`.", {"list"}, False),
        ("add, move: the label.", {"add", "move"}, False),
    ],
)
def test_the_mode_in_which_an_argument_is_given(prose: str, values: set[str], needed: bool) -> None:
    condition = conditions_of({"mode": MODES, "label": text(prose)}).of["label"]
    assert (condition.selector, condition.values, bool(condition.needed)) == ("mode", values, needed)


@pytest.mark.parametrize(
    "prose", ["A list of labels.", "Not for add.", "Ignored if mode is 'list'.", "Text to add for list owners.", ""]
)
def test_prose_without_a_condition(prose: str) -> None:
    assert not conditions_of({"mode": MODES, "label": text(prose)}).of


def test_an_option_that_is_the_name_of_an_argument() -> None:
    kinds = {"type": "string", "enum": ["replace_content", "insert_content"]}
    conditions = conditions_of({"type": kinds, "replace_content": text(), "insert_content": text()})
    assert conditions.needs({"type": "insert_content"}) == ["insert_content"]
    assert not conditions.allows("replace_content", {"type": "insert_content"})


def test_a_mode_that_prose_lists_and_its_default() -> None:
    mode = {**text("One of 'list', 'add'."), "default": "list"}
    conditions = conditions_of({"mode": mode, "path": text("For 'add'."), "limit": text("Required for 'list'.")})
    assert conditions.needs({}) == ["limit"] and not conditions.allows("path", {})
    assert conditions.needs({"mode": "add"}) == ["path"]  # what an action is done to is needed
    drawn = [conditions.draw(Random(i), frozenset(), "path") for i in range(20)]
    assert all(mode == {"mode": "add"} for mode in drawn)
    assert conditions.draw(Random(0), frozenset(), "mode", "list") == {"mode": "list"}


def test_what_is_needed_in_one_mode_and_optional_in_another() -> None:
    condition = conditions_of({"mode": MODES, "label": text("(required for add; optional for list/move)")}).of["label"]
    assert condition.values == {"add", "list", "move"} and condition.needed == {"add"}


def test_groups_of_which_one_is_needed() -> None:
    prose = {
        "content": "The text. Either 'content' or 'content_file' must be provided.",
        "content_file": "",
        "size": "",
    }
    assert one_needed(prose, "") == [{"content", "content_file"}]
    assert one_needed({"id": "Required when not using a URL.", "url": ""}, "") == [{"id", "url"}]
    assert one_needed({"a": "", "b": "", "c": ""}, "At least one of a, b is required.") == [{"a", "b"}]
    assert one_needed({"text": "Either English or French.", "size": ""}, "Finds texts.") == []
