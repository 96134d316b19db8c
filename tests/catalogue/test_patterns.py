"""Patterns of ECMA-262: what Python reads, and what a grammar decodes."""

import re

import pytest

from platypus.catalogue.patterns import alternatives, both, is_decodable, is_found, lark, none_of, readable
from tests.support.random_catalogues import accepts


@pytest.mark.parametrize(
    ("pattern", "python"),
    [
        ("^[a-z]+$", "^[a-z]+$"),
        (r"\p{Lu}", "[A-Z]"),
        (r"^[\p{L}\p{Nd}_-]*$", r"^[\-0-9A-Z_a-z]*$"),
        (r"\P{L}", r"[\ -@\[-`\{-\~]"),
        (r"[^\p{Letter}\d]", r"[\ -/:-@\[-`\{-\~]"),
        (r"\p{Script=Latin}+", "[A-Za-z]+"),
        (r"^(?<year>\d{4})\k<year>$", r"^(?P<year>\d{4})(?P=year)$"),
        (r"^\u{1F600}[^]\cJ$", "^😀[\\s\\S]\\x0a$"),
        (r"^[\w-\.]+@([\w-]+\.)+[\w-]{2,4}$", r"^[\w\-\.]+@([\w-]+\.)+[\w-]{2,4}$"),
        (r"[^a-\d-z][-\w][^-\s][\\w-z]", r"[^a\-\d\-z][-\w][^-\s][\\w-z]"),
        (r"\p{Emoji}", None),  # none of them is ASCII
        (r"^(?!\p{L})", None),  # fewer letters there would be more texts
        ("(", None),
        ("a{99999999999999999999}", None),
    ],
)
def test_patterns_as_python_reads_them(pattern: str, python: str | None) -> None:
    assert readable(pattern) == python
    assert python is None or re.compile(python)


TEXTS = ["", "a", "ab", "ba", "abc", "xab", "a1", "1a", "x/y", "b..c", "A"]


@pytest.mark.parametrize(
    "pattern",
    [
        *("^a", "b$", "^ab$|c", "^x/y$", "", "^", r"^(?=.*\d)(?=.*[a-z]).{2,}$", r"^(?!\.)(?!.*\.\.)[a-c.]+$"),
        *("^(?=a|b$)", "^(?!a$)", r"^[\w/]+$", r"(?<name>[ab])\/", both("^a", "b"), none_of("^a|b$")),
        *(both(none_of("x"), "^[a-z]+$"), none_of(none_of("^a"))),
    ],
)
def test_a_grammar_decodes_what_python_finds(pattern: str) -> None:
    python = readable(pattern)
    assert python is not None and is_decodable(python)
    grammar = f"start: T\nT: {' & '.join(lark(python))}"
    assert [text for text in TEXTS if accepts(grammar, text)] == [text for text in TEXTS if re.search(python, text)]


def test_a_look_ahead_without_an_anchor_is_looked_for_at_the_beginning_alone() -> None:
    grammar = f"start: T\nT: {' & '.join(lark('(?=ab)..$'))}"
    assert accepts(grammar, "ab") and not accepts(grammar, "xab")


@pytest.mark.parametrize("pattern", [r"(a)\1", r"\bword\b", "a(?=b)b", "x^a", none_of(both("a", "b"))])
def test_patterns_that_no_grammar_decodes(pattern: str) -> None:
    assert not is_decodable(pattern)


def test_alternatives_are_split_outside_groups_and_classes() -> None:
    assert alternatives(r"a|(b|c)|[|]|\||(?<n>d|e)") == ["a", "(b|c)", "[|]", r"\|", "(?<n>d|e)"]


def test_a_search_that_would_take_years_ends() -> None:
    assert is_found("^a+$", "aaa") and is_found("b", "abc") and not is_found("^b", "abc")
    assert not is_found(r"^((a|b|ab)*)*\1c$", "ab" * 60)
