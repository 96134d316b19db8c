"""Errors: what, where and the remedy in one text, and one class that catches all of them."""

import re

import pytest

from platypus import errors
from platypus.errors import PlatypusError


@pytest.mark.parametrize(
    ("where", "remedy", "text"),
    [
        ("", "", "is empty"),
        ("rows.jsonl", "", "rows.jsonl: is empty"),
        ("", "Fill it.", "is empty\n  Fill it."),
        ("rows.jsonl", "Fill it.", "rows.jsonl: is empty\n  Fill it."),
    ],
)
def test_an_error_shows_where_before_what_and_the_remedy_below(where: str, remedy: str, text: str) -> None:
    error = PlatypusError("is empty", where=where, remedy=remedy)
    assert str(error) == text
    assert (error.what, error.where, error.remedy) == ("is empty", where, remedy)


def test_the_tree_in_the_docstring_is_the_tree_of_classes() -> None:
    drawn = re.findall(r"[├└]── (\w+)", errors.__doc__ or "")
    assert drawn == [cls.__name__ for cls in PlatypusError.__subclasses__() if cls.__module__ == errors.__name__]
    assert len(drawn) == 11
