"""Strings with limits, patterns and formats, and how many different strings there are."""

from typing import Any

import pytest

from platypus.decoding.grammar.strings import FORMATS, count_texts, text_terminal
from tests.support.random_catalogues import accepts


def terminal(schema: dict[str, Any]) -> str:
    expression = text_terminal({"type": "string", **schema})
    assert expression is not None
    return expression


@pytest.mark.parametrize(
    ("schema", "count"),
    [
        ({"pattern": "^[a-z]$"}, 26),
        ({"pattern": "^(ab|c)$|^d{2,3}$"}, 4),
        ({"maxLength": 0}, 1),
        ({"pattern": "^[ab]*$", "maxLength": 3}, 15),
        ({"format": "time", "pattern": "^00:0[01]:"}, 120),
    ],
)
def test_texts_are_counted(schema: dict[str, Any], count: int) -> None:
    assert count_texts(terminal(schema), 1000) == count
    assert count_texts(terminal(schema), 1) == 1


@pytest.mark.parametrize("schema", [{"minLength": 300}, {"format": "email"}, {"pattern": "^x{9,}$"}, {"maxLength": 2}])
def test_counting_stops_at_the_wanted_number(schema: dict[str, Any]) -> None:
    assert count_texts(terminal(schema), 50) == 50


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_formats_and_limits_hold_together(name: str) -> None:
    lark = f"start: T\nT: {terminal({'format': name, 'maxLength': 10})}"
    assert accepts(lark, '"2024-02-29"') is (name in ("date", "date-time"))


def test_a_string_without_limits_has_no_terminal_of_its_own() -> None:
    assert text_terminal({"type": "string", "format": "sprint-id"}) is None
