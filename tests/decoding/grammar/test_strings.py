"""Text with limits, patterns and formats, and how many different texts there are."""

from typing import Any

import pytest

from platypus.decoding.grammar.strings import FORMATS, count_texts, text_terminal
from tests.support.random_catalogues import accepts


def terminal(schema: dict[str, Any]) -> str:
    found = text_terminal({"type": "string", **schema})
    assert found is not None
    return found


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
def test_of_many_texts_as_many_are_found_as_are_wanted(schema: dict[str, Any]) -> None:
    assert count_texts(terminal(schema), 50) == 50


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_formats_meet_limits(name: str) -> None:
    lark = f"start: T\nT: {terminal({'format': name, 'maxLength': 10})}"
    assert accepts(lark, '"2024-02-29"') is (name in ("date", "date-time"))


def test_text_without_limits_has_no_terminal_of_its_own() -> None:
    assert text_terminal({"type": "string", "format": "sprint-id"}) is None
