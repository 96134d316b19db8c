"""Numbers and dates in words are read as figures, but for quotes, names and what is no single day."""

import sys
from datetime import date

import pytest

from platypus.catalogue.reading import catalogue_from_json
from platypus.errors import RecipeError
from platypus.inference.figures import day_of, in_figures, takes_numbers

MONDAY = date(2026, 11, 30)
KEPT = (
    "Black Friday sales",
    "the Sunday Times",
    "On Friday Anna comes",
    "call it 'tomorrow' or \"next Friday\"",
    "every Friday, Fridays, the last Friday of the month, last week",
    "the 31st of February",
    "may I march on in the second half",
    "due 2026-12-04 in v1.2.3 of TKT-5",
)


@pytest.mark.parametrize(
    "request_, read",
    [
        ("Book a flight to Oslo next Friday", "Book a flight to Oslo on 2026-12-04"),
        ("Tomorrow at 3 pm, and by the day after tomorrow", "on 2026-12-01 at 3 pm, and by 2026-12-02"),
        ("between May 5 and Dec. 24, 2026", "between 2027-05-05 and 2026-12-24"),
        ("seen last Monday, yesterday or three days ago?", "seen on 2026-11-23, on 2026-11-29 or on 2026-11-27?"),
        ("Nov 30, December 31st or a week from today", "on 2026-11-30, on 2026-12-31 or on 2026-12-07"),
        ("On Friday, in two weeks, on the 3rd of March 2027", "On 2026-12-04, on 2026-12-14, on 2027-03-03"),
        *((kept, kept) for kept in KEPT),
    ],
)
def test_dates_in_words_are_read_from_today_on(request_: str, read: str) -> None:
    assert in_figures(request_, numbers=False, today=MONDAY) == read
    assert in_figures(request_, numbers=False, today=None) == request_


def test_numbers_are_read_outside_of_quotes_and_names() -> None:
    asked = 'Two for Ocean\'s Eleven in Three Rivers Park, note "two wheels", five times'
    read = '2 for Ocean\'s Eleven in Three Rivers Park, note "two wheels", 5 times'
    assert in_figures(asked, numbers=True, today=None) == read
    assert in_figures("in two weeks for two", numbers=True, today=MONDAY) == "on 2026-12-14 for 2"


@pytest.mark.parametrize(
    "schema, number",
    [
        ({"type": "string"}, False),
        ({"type": ["null", "integer"]}, True),
        ({"type": "array", "items": {"type": "number"}}, True),
        ({"type": "object", "properties": {"a": {"anyOf": [{"type": "string"}, {"type": "integer"}]}}}, True),
        ({}, False),
    ],
)
def test_whether_a_tool_takes_numbers(schema: dict[str, object], number: bool) -> None:
    tools = catalogue_from_json([{"name": "a", "inputSchema": {"type": "object", "properties": {"b": schema}}}])
    assert takes_numbers(tools) == number


def test_the_day() -> None:
    assert (day_of(None), day_of("2026-11-30"), day_of("now")) == (None, MONDAY, date.today())


def test_dates_need_their_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dateparser", None)
    with pytest.raises(RecipeError, match="needs the package `dateparser`"):
        in_figures("go tomorrow", numbers=True, today=MONDAY)
    assert in_figures("go at two", numbers=True, today=MONDAY) == "go at 2"
