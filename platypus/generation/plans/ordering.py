"""Beginnings before ends: of two values of which one cannot come after the other, the smaller stands first.

Of two days the later one follows within a month, of two times with their days within a week. Which two belong together
is told by names (`since` and `until`, `timeMin` and `timeMax`) and, for times, by prose.
"""

import re
from collections.abc import Mapping
from datetime import date, timedelta
from itertools import permutations
from typing import Any

from platypus.catalogue.schema import Schema
from platypus.catalogue.words import words

_SIDES = (  # words of names: the first kind of value is not greater than the second
    *(("start", "end"), ("begin", "end"), ("start", "stop"), ("start", "finish"), ("from", "to"), ("since", "until")),
    *(("after", "before"), ("min", "max"), ("minimum", "maximum"), ("lower", "upper"), ("low", "high"), ("gte", "lte")),
    *(("gt", "lt"), ("earliest", "latest"), ("oldest", "latest"), ("oldest", "newest"), ("departure", "return")),
    *(("checkin", "checkout"), ("arrival", "departure"), ("pickup", "dropoff"), ("in", "out"), ("since", "before")),
    *(("begin", "until"), ("from", "until"), ("first", "last")),
)
_DAY = re.compile(r"(?P<day>\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1\d|2[0-8]))(?P<clock>.*)")
MONTH, WEEK = 31, 7  # days
_BEGINS = re.compile(r"\b(?:start|begin|beginning|earliest|lower bound|from|after|since|oldest)\b")
_ENDS = re.compile(r"\b(?:end|ending|latest|upper bound|until|before|newest)\b")


def in_order(values: dict[str, Any], schemas: Mapping[str, Schema]) -> dict[str, Any]:
    """The values with those swapped that stand the wrong way round, and the later of two days near the earlier one.

    `schemas` describe them, by name.
    """
    ordered = dict(values)
    for first, last in permutations(ordered, 2):
        one, other = _rank(ordered[first]), _rank(ordered[last])
        if one is None or other is None or one[0] != other[0]:
            continue
        if _named(first, last) or (one[1] and _told(schemas.get(first, {}), schemas.get(last, {}))):
            if one > other:
                ordered[first], ordered[last] = ordered[last], ordered[first]
            ordered[last] = _near(ordered[first], ordered[last])
    return ordered


def _near(first: Any, last: Any) -> Any:
    """The later day near the first, with its own time: `2020-01-21`, `2023-03-09` → `2020-02-17`; others stay."""
    begin, end = _DAY.fullmatch(str(first)), _DAY.fullmatch(str(last))
    if begin is None or end is None:
        return last
    most = WEEK if end["clock"] else MONTH
    start = date.fromisoformat(begin["day"])
    apart = (date.fromisoformat(end["day"]) - start).days
    if apart <= most:
        return last
    near = f"{start + timedelta(days=apart % most)}{end['clock']}"
    return near if near > first else f"{start + timedelta(days=most)}{end['clock']}"


def _named(first: str, last: str) -> bool:
    """Whether the names differ by a pair of words alone, or begin with one: `start date` and `end time`."""
    one, other = words(first), words(last)
    for begin, end in _SIDES:
        if begin in one and end in other:
            rest = [word for word in one if word != begin], [word for word in other if word != end]
            if rest[0] == rest[1] or (one[0] == begin and other[0] == end and not {"min", "max"} & {begin, end}):
                return True
    return False


def _told(first: Schema, last: Schema) -> bool:
    """Whether the prose of one speaks of a beginning and that of the other of an end."""
    one, other = (str(schema.get("description", "")).lower() for schema in (first, last))
    begins = _BEGINS.search(one) and not _ENDS.search(one)
    return bool(begins and _ENDS.search(other) and not _BEGINS.search(other))


def _rank(value: Any) -> tuple[bool, str, float] | None:
    """What can be compared: whether it is a time, the time as text, the number; None for anything else."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return False, "", float(value)
    if not isinstance(value, str):
        return None
    clock = re.fullmatch(r"(\d\d?):(\d\d) ([AP])M", value)
    if clock:
        return True, f"{int(clock[1]) % 12 + 12 * (clock[3] == 'P'):02}:{clock[2]}", 0.0
    american = re.fullmatch(r"(\d\d)/(\d\d)/(\d{4})", value)
    if american:
        return True, f"{american[3]}-{american[1]}-{american[2]}", 0.0
    return (True, value, 0.0) if re.match(r"\d{4}-\d\d-|\d\d:\d\d", value) else None
