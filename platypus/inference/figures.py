"""Requests as a planner reads them: numbers and dates that people say in words, in figures.

A small model copies `2` and `2026-12-04` rightly, and makes up values for "two" and "next Friday". So number words
become digits, and English dates become calendar dates if it is known which day is today.
Quotes and capitalised names ("Three Rivers Park", "Black Friday") stay as they are, and so does what may be no date
("5 may enter"), no single day ("every Friday", "last week", "from Monday to Friday") or counted from another one ("a
week from Friday"). Texts of a plan say numbers as the request does.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import cached_property, partial
from typing import Self

from platypus.catalogue.tools import Catalogue
from platypus.errors import RecipeError
from platypus.plan.plan import Plan
from platypus.prompt.markers import QUOTES, value_spans
from platypus.prompt.number_words import BELOW_100, NUMBER, NUMBERS, digits

_DAY = "(?:mon|tues|wednes|thurs|fri|satur|sun)day"
_MONTH = (
    "(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    r"|nov(?:ember)?|dec(?:ember)?)\b\.?"
)
_NTH, _YEAR = r"\d{1,2}(?:st|nd|rd|th)", r",? (?:19|20)\d{2}\b"
_SPAN = rf"(?:\d{{1,3}}|an?|{BELOW_100}) (?:day|week|month|year)s?"
_JOINT = "(?:to|until|till|through|and|or|,|-)"
_NO_RANGE = rf"(?! ?{_JOINT} ?\d)"  # May 3 or 4
_END = r"(?=\W*$|[.,;:!?)]| (?:at|to|for|in|and|or|until|till|from|with|on|by|please|is|as|if|I)\b)"
_COUNT = rf"(?:\d|{'|'.join(NUMBERS)}|hundred|thousand)"
_NO_OTHER_DAY = (  # Friday next week, Friday the 13th, Friday in two weeks
    rf"(?!,? (?:(?:of|to|until|till|through|and|or) (?:the\b|{_DAY})|(?:next|week|after|{_MONTH})\b|(?:the )?\d)|,? ?-"
    rf"| in (?:an?|the month|the year|{_COUNT}|{_MONTH})\b| {_SPAN} (?:ago|before|after|from)\b)"
)
_DATE = re.compile(
    r"(?<![\w'\u2019.,$#-])(?:(?:the )?day (?:after tomorrow|before yesterday)|today|tomorrow|yesterday"
    rf"|(?:{_DAY},? )?(?:the )?(?:{_NTH} (?:of )?|\d{{1,2}} of ){_MONTH}(?:{_YEAR})?"
    rf"|(?:{_DAY},? )?(?:the )?\d{{1,2}} {_MONTH}(?:{_YEAR}|{_END})"
    rf"|(?:{_DAY},? )?{_MONTH} (?:{_NTH}(?:{_YEAR})?|\d{{1,2}}(?:{_YEAR}|{_END})){_NO_RANGE}"
    rf"|in {_SPAN}(?:'? time)?(?! (?:or|to)\b)|{_SPAN} (?:ago|from now|from today)"
    rf"|(?:next +|this +|last +)?{_DAY}{_NO_OTHER_DAY})(?![\w'\u2019]|-\w)",
    re.IGNORECASE,
)
_NO_DATE = re.compile(  # what stands before, if the words are a part of something else
    r"\b(?:every|each|other|single|first|second|third|fourth|last|next week(?: on)?"
    r"|(?:day|week|month|year)s? (?:from|after|before)|black|good|easter|cyber|ash|blue|fat"
    r"|many (?:day|week|month|hour|time)s|twice|once|times|often|long) ?$",
    re.IGNORECASE,
)
_LISTED = re.compile(  # Monday and, 3 or, two or, twenty-
    rf"\b(?:{_DAY}|\d{{1,2}}(?:st|nd|rd|th)?|{_COUNT}) ?{_JOINT} ?$|{_COUNT}[ -]$", re.IGNORECASE
)
_NO_ON = re.compile(  # what stands before, if the date needs no "on"
    r"\b(?:on|by|for|from|to|until|till|before|after|since|and|or|between|is|as|of|at|than|starting|due|through|thru"
    r"|except|about|around|during|not|the|a|my|our|your|his|her|their|its|coming)[ :]*$",
    re.IGNORECASE,
)
_NEAR = 40  # letters of a request that are looked at on each side of a date


@dataclass(frozen=True)
class Reading:
    """A request as it is said, with its dates in figures, and as a model reads it, with its numbers in figures, too.

    `pieces` are both, piece by piece: they differ where there is a number.
    """

    pieces: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, request: str, *, numbers: bool = False, today: date | None = None) -> Self:
        """Dates become ISO dates if today is known, and number words digits if `numbers`.

        Without a year, a date or weekday is the next one. Raises RecipeError if the extra `dates` is not installed.
        """
        if today is not None:
            request = "".join(read for _, read in _pieces(request, _DATE, partial(_iso, today=today)))
        return cls(tuple(_pieces(request, NUMBER, digits)) if numbers else ((request, request),))

    @cached_property
    def said(self) -> str:
        """The request as it is said."""
        return "".join(said for said, _ in self.pieces)

    @cached_property
    def read(self) -> str:
        """The request as a model reads it."""
        return "".join(read for _, read in self.pieces)

    def plan_as_said(self, plan: Plan, catalogue: Catalogue) -> Plan:
        """A model's plan with texts as they are said: "buy two tickets" for "buy 2 tickets"."""
        return self._with_texts(plan, catalogue, [(read, said) for said, read in self.pieces])

    def plan_as_read(self, plan: Plan, catalogue: Catalogue) -> Plan:
        """A plan with texts as a model reads them: "buy 2 tickets" for "buy two tickets"."""
        return self._with_texts(plan, catalogue, self.pieces)

    def _with_texts(self, plan: Plan, catalogue: Catalogue, pieces: Sequence[tuple[str, str]]) -> Plan:
        return plan if self.said == self.read else plan.with_texts(catalogue, partial(_moved, pieces=pieces))


def _moved(text: str, pieces: Sequence[tuple[str, str]]) -> str:
    """What stands in the second ones where the text stands in the first ones; itself if it stands in both."""
    places, at, to = {0: 0}, 0, 0
    for one, other in pieces:
        inside = range(len(one) + 1) if one == other else ()
        places |= {at + k: to + k for k in inside} | {at + len(one): to + len(other)}
        at, to = at + len(one), to + len(other)
    source, target = ("".join(column) for column in zip(*pieces, strict=True))
    spans = [found.span() for found in re.finditer(rf"(?<!\w){re.escape(text)}(?!\w)", source)]
    moved = [target[places[start] : places[end]] for start, end in spans if {start, end} <= places.keys()]
    return text if text in moved or not moved else moved[0]


def day_of(today: str | None) -> date | None:
    """The day that `[decode] today` says: an ISO date, `now`, or none."""
    if today is None:
        return None
    return date.today() if today == "now" else date.fromisoformat(today)


def _pieces(
    request: str, pattern: re.Pattern[str], figure: Callable[[re.Match[str]], str]
) -> Iterator[tuple[str, str]]:
    """The request, piece by piece, each with how it is read: what matches in figures, but for quotes and names."""
    values, at = [*_kept(request)], 0
    for found in pattern.finditer(request):
        start, end = found.span()
        near = [span for span in values if span[0] < end and start < span[1]]
        dated = re.search(f"{_DAY}|{_MONTH}", found[0], re.IGNORECASE)  # capitals are usual
        whole = dated and all(start <= first and last <= end for first, last in near)
        quoted = near and request[start - 1 : start] in (*QUOTES,)
        if not (near and not whole) and not quoted:
            yield request[at:start], request[at:start]
            yield found[0], figure(found)
            at = end
    yield request[at:], request[at:]


def _kept(request: str) -> Iterator[tuple[int, int]]:
    """Where quotes and names begin and end; where all letters are capitals, they make no names."""
    lower = request.lower()
    yield from value_spans(lower if request.isupper() and len(lower) == len(request) else request)


def _iso(found: re.Match[str], today: date) -> str:
    """The date, with "on" where the sentence needs it; the words themselves if they may be no date."""
    try:
        import dateparser
    except ImportError as error:
        raise RecipeError(
            "reading dates needs the package `dateparser`",
            where="decode.today",
            remedy="pip install 'platypus-llm[dates]', or leave `today` out.",
        ) from error
    before = found.string[max(0, found.start() - _NEAR) : found.start()]
    after = found.string[found.end() : found.end() + _NEAR]
    title = re.fullmatch("[A-Z][a-z]+", found[0]) and re.match(r" (?!(?:I|OK)\b)[A-Z]", after)  # Sunday Times
    listed = re.match(rf"{_COUNT}|{_DAY}$", found[0], re.IGNORECASE) and _LISTED.search(before)
    counted = re.search(rf"{_DAY} $", before, re.IGNORECASE)  # Friday in two weeks, Friday two weeks from now
    if title or listed or counted or _NO_DATE.search(before):
        return found[0]
    # To dateparser the next 30 November is never today, and a week "from today" is a week ago.
    said = (
        NUMBER.sub(digits, found[0].lower()).replace("from today", "from now").removesuffix(" time").removesuffix("'")
    )
    try:
        base = today - timedelta(1) if re.search(_MONTH, said) else today
        known = {"RELATIVE_BASE": datetime.combine(base, time()), "PREFER_DATES_FROM": "future"}
        day = dateparser.parse(said, languages=["en"], settings=known)
    except OverflowError:
        day = None
    if day is None:  # the 31st of February, or a day before the year 1
        return found[0]
    on = "" if _NO_ON.search(before) else "ON " if found.string.isupper() else "on "
    return f"{on}{day.date().isoformat()}"
