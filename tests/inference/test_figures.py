"""Numbers and dates in words are read as figures, but for quotes, names and what is no single day."""

import sys
from datetime import date

import pytest

from platypus.catalogue.reading import catalogue_from_json
from platypus.errors import RecipeError
from platypus.inference.figures import Reading, day_of
from platypus.plan.plan import Plan, Step

MONDAY = date(2026, 11, 30)
KEPT = (
    "Black Friday sales, good friday, the Sunday Times",
    "On Friday Anna comes, play Yesterday by them, watch The Day After Tomorrow",
    "call it 'tomorrow' or \"next Friday\" or „tomorrow“ or «today» or ”today” or \u2039tomorrow\u203a",
    "Friday two weeks from now, Friday a week ago",
    "every other Friday, Fridays, the last Friday of the month, the first friday in May, last week",
    "Tuesday next week, next week on Tuesday, Friday in 2 weeks, Friday after next, a week from Friday",
    "Friday the 13th",
    "from Monday to Friday, Monday and Friday, from 1 to 5 May, on May 3 or 4",
    "the 31st of February, 2.5 weeks ago, 1,000 days ago, two or three days ago, two hundred days ago",
    "may I march on in the second half; only 5 may enter; march 2 miles; Call Jan 2 times; on May 5 1500 guests",
    "How many days in a year, twice in a month, in a week or two",
    "due 2026-12-04 in v1.2.3 of TKT-5 for $5 May",
)


@pytest.mark.parametrize(
    "request_, read",
    [
        ("Book a flight to Oslo next Friday", "Book a flight to Oslo on 2026-12-04"),
        ("Tomorrow at 3 pm, and by the day after tomorrow", "on 2026-12-01 at 3 pm, and by 2026-12-02"),
        ("between May 5 and Dec. 24, 2026", "between 2027-05-05 and 2026-12-24"),
        ("seen last Monday, yesterday or three days ago?", "seen on 2026-11-23, on 2026-11-29 or 2026-11-27?"),
        ("Nov 30, December 31st or a week from today", "on 2026-11-30, on 2026-12-31 or 2026-12-07"),
        ("On Friday, in two weeks, on the 3rd of March 2027", "On 2026-12-04, on 2026-12-14, on 2027-03-03"),
        ("cancel the Friday report and my Monday meeting", "cancel the 2026-12-04 report and my 2026-12-07 meeting"),
        ("BOOK IT NEXT FRIDAY", "BOOK IT ON 2026-12-04"),
        ("Friday, December 4 or in twenty-five days", "on 2026-12-04 or 2026-12-25"),
        ("leave on 5 May at 3, in two days' time please", "leave on 2027-05-05 at 3, on 2026-12-02 please"),
        *((kept, kept) for kept in KEPT),
    ],
)
def test_dates_in_words_are_read_from_today_on(request_: str, read: str) -> None:
    assert Reading.of(request_, today=MONDAY).said == read
    assert Reading.of(request_).read == request_


def test_numbers_are_read_outside_of_quotes_and_names() -> None:
    asked = 'Two for Ocean\'s Eleven in Three Rivers Park, note "two wheels", five times'
    read = '2 for Ocean\'s Eleven in Three Rivers Park, note "two wheels", 5 times'
    assert Reading.of(asked, numbers=True).read == read
    assert Reading.of("in two weeks for two", numbers=True, today=MONDAY).read == "on 2026-12-14 for 2"
    assert Reading.of("TWO FOR FRIDAY", numbers=True, today=MONDAY).read == "2 FOR 2026-12-04"
    assert Reading.of("TWO SEATS NEXT FRIDAY", numbers=True, today=MONDAY).read == "2 SEATS ON 2026-12-04"


@pytest.mark.parametrize(
    "request_, read, said",
    [
        ("remind me to buy two tickets", "buy 2 tickets", "buy two tickets"),
        ("twenty-five red pens, and call her", "25 red pens", "twenty-five red pens"),
        ("play Seven, two times", "Seven", "Seven"),
        ("two of v2.2", "2 of v2.2", "two of v2.2"),
        ("two for flight 2", "2", "2"),  # either may be meant: as it is written
        ("a hundred and two dogs", "10", "10"),
        ("a hundred and two dogs", "02 dogs", "02 dogs"),
        ("two dogs", "3 dogs", "3 dogs"),
        ("two dogs", "", ""),
        ("(two) dogs", "(2)", "(two)"),
        ("two or two", "2", "two"),
        ("one is two", "one is 2", "one is two"),
        ("go tomorrow at two", "on 2026-12-01 at 2", "on 2026-12-01 at two"),
    ],
)
def test_texts_of_a_plan_are_as_they_are_said(request_: str, read: str, said: str) -> None:
    text, limited = {"type": "string"}, {"type": "string", "maxLength": 30}
    schema = {"a": text, "b": {"type": "array", "items": text}, "c": {"type": "object", "properties": {"d": text}}}
    schema |= {"e": limited, "f": {"type": "integer"}}
    tools = catalogue_from_json([{"name": "note", "inputSchema": {"type": "object", "properties": schema}}])

    def plan(words: str) -> Plan:
        return Plan((Step("note", {"a": words, "b": [words, "x"], "c": {"d": words}, "e": read, "f": 2}),))

    reading = Reading.of(request_, numbers=True, today=MONDAY)
    assert reading.plan_as_said(plan(read), tools) == plan(said)
    assert reading.plan_as_read(plan(said), tools) == plan(read)


@pytest.mark.parametrize("today", [date.min, date.max])
def test_dates_outside_of_the_calendar_stay(today: date) -> None:
    assert Reading.of("from next friday, a week ago or Jan 1st", today=today).said.startswith("from ")


def test_the_day() -> None:
    assert (day_of(None), day_of("2026-11-30"), day_of("now")) == (None, MONDAY, date.today())


def test_dates_need_their_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dateparser", None)
    with pytest.raises(RecipeError, match="needs the package `dateparser`"):
        Reading.of("go tomorrow", numbers=True, today=MONDAY)
    assert Reading.of("go at two", numbers=True, today=MONDAY).read == "go at 2"
