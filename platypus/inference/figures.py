"""Requests as a planner reads them: numbers and dates that people say in words, in figures.

A small model copies `2` and `2026-12-04` rightly, and makes up values for "two" and "next Friday". So number words
become digits if a tool takes a number, and English dates become calendar dates if it is known which day is today.
Quotes and names ("Three Rivers Park", "Black Friday") stay as they are, and so do times of day and what is no single
day ("last week").
"""

import re
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from functools import lru_cache, partial

from platypus.catalogue.schema import Schema, variants
from platypus.catalogue.tools import Catalogue
from platypus.errors import RecipeError
from platypus.prompt.markers import value_spans
from platypus.prompt.number_words import NUMBER, NUMBERS, digits

_DAY = "(?:mon|tues|wednes|thurs|fri|satur|sun)day"
_MONTH = (
    "(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    r"|nov(?:ember)?|dec(?:ember)?)\b\.?"
)
_NUMBERED, _YEAR = r"\d{1,2}(?:st|nd|rd|th)?", r"(?:,? \d{4})?"
_SPAN = rf"(?:\d{{1,3}}|an?|{'|'.join(NUMBERS)}) (?:day|week|month|year)s?"
_DATE = re.compile(
    r"(?<![\w'\u2019-])(?<!every )(?<!each )"
    r"(?:(?:the )?day (?:after tomorrow|before yesterday)|today|tomorrow|yesterday"
    rf"|(?:(?:next|this|last) )?{_DAY}(?! of\b)|in {_SPAN}|{_SPAN} (?:ago|from now|from today)"
    rf"|(?:the )?{_NUMBERED} (?:of )?{_MONTH}{_YEAR}|{_MONTH} {_NUMBERED}{_YEAR})(?![\w'\u2019]|-\w)",
    re.IGNORECASE,
)
_BEFORE = re.compile(
    r"\b(?:on|by|for|from|to|until|till|before|after|since|and|between|is|as|of|at|than|starting|due)[ :]*$",
    re.IGNORECASE,
)
_QUOTES = "\"'`\u201c\u2018"


def in_figures(request: str, *, numbers: bool, today: date | None) -> str:
    """The request with its dates as ISO dates if today is known, and its number words in digits if `numbers`.

    Without a year, a date or weekday is the next one. Raises RecipeError if the extra `dates` is not installed.
    """
    if today is not None:
        request = _replaced(request, _DATE, partial(_iso, request, today))
    return _replaced(request, NUMBER, digits) if numbers else request


def day_of(today: str | None) -> date | None:
    """The day that `[decode] today` says: an ISO date, `now`, or none."""
    if today is None:
        return None
    return date.today() if today == "now" else date.fromisoformat(today)


def _replaced(request: str, pattern: re.Pattern[str], figure: Callable[[re.Match[str]], str]) -> str:
    """The request with figures in place of what matches, but for quotes, and for what is only a part of a name."""
    values = [*value_spans(request)]

    def replaced(found: re.Match[str]) -> str:
        start, end = found.span()
        near = [span for span in values if span[0] < end and start < span[1]]
        whole = pattern is _DATE and all(start <= first and last <= end for first, last in near)
        quoted = near and request[start - 1 : start] in (*_QUOTES,)
        return found[0] if (near and not whole) or quoted or _in_name(request, found) else figure(found)

    return pattern.sub(replaced, request)


def _in_name(request: str, found: re.Match[str]) -> bool:
    """Whether a capitalised weekday stands beside another capitalised word: `Black Friday`, `Sunday Times`."""
    before = re.search(r"\b[A-Z]\w* $", request[: found.start()])
    after = re.match(r" [A-Z]", request[found.end() :])
    return bool(re.fullmatch("[A-Z][a-z]+", found[0]) and (after or (before and not _BEFORE.search(before[0]))))


def _iso(request: str, today: date, found: re.Match[str]) -> str:
    try:
        import dateparser
    except ImportError as error:
        raise RecipeError(
            "reading dates needs the package `dateparser`",
            where="decode.today",
            remedy="pip install 'platypus-llm[dates]', or leave `today` out.",
        ) from error
    # To dateparser the next 30 November is never today, and a week "from today" is a week ago.
    base = today - timedelta(1) if re.search(_MONTH, found[0], re.IGNORECASE) else today
    known = {"RELATIVE_BASE": datetime.combine(base, time()), "PREFER_DATES_FROM": "future"}
    day = dateparser.parse(found[0].replace("from today", "from now"), languages=["en"], settings=known)
    if day is None:  # the 31st of February
        return found[0]
    return day.date().isoformat() if _BEFORE.search(request, 0, found.start()) else f"on {day.date().isoformat()}"


@lru_cache(maxsize=1024)
def takes_numbers(catalogue: Catalogue) -> bool:
    """Whether an argument of one of the tools, or a part of one, is a number."""
    return any(_is_number(argument.schema) for tool in catalogue for argument in tool.arguments)


def _is_number(schema: Schema) -> bool:
    for variant in variants(schema):
        parts = [*variant.get("properties", {}).values(), *([variant["items"]] if variant.get("items") else [])]
        if variant.get("type") in ("integer", "number") or any(
            isinstance(one, dict) and _is_number(one) for one in parts
        ):
            return True
    return False
