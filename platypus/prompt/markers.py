"""Markers: a number after each value in a request, which a plan uses in place of the value.

    Show Anna Schmidt<1> what blocks ISS-12<2>.   →   blockers(issue=<2>)
                                                      show(user=<1>, items=$0)

Values are recognised from the request alone: text in quotes, words with digits or joined by `_`, `.`, `/`, `:` or `@`,
paths, and capitalised words that do not begin a sentence; two or more of these may follow a house number. Two words
that one slash joins are values as well: acme<1>/web-app<2><3>. In a plan a marker stands for exactly that text, and is
used only where the schema allows any text. Other values are written out.
"""

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache

from platypus.catalogue.tools import Catalogue
from platypus.plan.notation import MarkedText
from platypus.plan.plan import MARK, Plan

MOST = 30  # markers in one request

QUOTES = "\"'`“”„«»\u2039\u203a\u2018\u201a"  # what opens a quote
_QUOTED = re.compile(
    r"\"([^\"\n]+)\"|„([^„“”\n]+)[“”]|“([^”\n]+)”|”([^”\n]+)”|`([^`\n]+)`"
    r"|« ?([^«»\n]+?) ?»|»([^«»\n]+)«|\u2039 ?([^\u2039\u203a\n]+?) ?\u203a"
    r"|\u203a([^\u2039\u203a\n]+)\u2039|\u201a([^\u201a\u2018\u2019\n]+)[\u2018\u2019]"
    r"|(?<!\w)['\u2018]([^'\u2019\n]+)['\u2019](?!\w)"
)
_PATH = r"(?:(?<![^\s(=])(?:~|\.{1,2})?/|(?<![^\s(=/])\.(?=[A-Za-z]))?"  # how an absolute or hidden path begins
_WORD = re.compile(
    rf"https?://[^\s<>]*[\w/]|{_PATH}[\w+#]+(?:(?:[._/:@&-]+|['\u2019](?!s\b))[\w+]+)*(?:/(?=[\s,;)?!]|$))?"
)
_PAIR = re.compile(r"(?!and/or)([A-Za-z][\w-]+)/([A-Za-z][\w.-]+)")  # an owner and what it owns
_VALUE = re.compile(r"[_/:@\d]|(?:^|\w)\.\w|[a-z][A-Z]")
_QUANTITY = re.compile(r"#?\d{1,2}|\d*[.,]\d[\d.,]*")  # a longer number may be an id
_NAME = re.compile(r"(?!(?:I(?:['\u2019]\w+)?|OK|IDs?|A)$)[A-Z](?:[\w+&-]|['\u2019](?=\w))*")
_HOUSE = re.compile(r"\d{1,3} [A-Z][\w'\u2019&-]* [A-Z]")  # 12 Rose Lane; four digits would be a year
_BEFORE_SENTENCE = re.compile(r"(?:^|[.!?:\n])[\s\"'“\u2018(]*$")


def marked_texts(request: str) -> tuple[str, ...]:
    """The texts that get a marker, in the order of their numbers."""
    return tuple(_numbers(request))


def named_values(request: str) -> tuple[frozenset[str], ...]:
    """The values that a request names, each with the texts that show its use: itself, or a part of it."""
    values: list[frozenset[str]] = []
    end = 0
    for start, stop in reversed(list(value_spans(request))):
        if values and start >= end:  # a part of the value just read
            values[-1] |= {request[start:stop]}
        else:
            values.append(frozenset({request[start:stop]}))
            end = start
    return tuple(values)


def request_with_markers(request: str) -> str:
    """The request with a marker after each of these texts, wherever it occurs."""
    numbers, marked, at = _numbers(request), "", 0
    for start, end in value_spans(request):
        number = numbers.get(request[start:end])
        if number is not None:
            marked, at = f"{marked}{request[at:end]}<{number}>", end
    return marked + request[at:]


def plan_with_markers(plan: Plan, catalogue: Catalogue, request: str) -> Plan:
    """The plan with values that have a marker in the request as MarkedText."""
    numbers = _numbers(request)
    return plan.with_texts(catalogue, lambda text: MarkedText(text, numbers[text]) if text in numbers else text)


@lru_cache(maxsize=4096)
def _numbers(request: str) -> Mapping[str, int]:
    """The texts that get a marker, with their numbers."""
    values = dict.fromkeys(request[start:end] for start, end in value_spans(request))
    texts = [text for text in values if text.strip() and MARK not in text]
    return {text: number for number, text in enumerate(texts[:MOST], 1)}


def value_spans(request: str) -> Iterator[tuple[int, int]]:
    """The start and end of each value; quotes around it are not a part of it."""
    at = 0
    for quoted in _QUOTED.finditer(request):
        yield from _unquoted_spans(request, at, quoted.start())
        start, end = quoted.span(quoted.lastindex or 0)
        yield start, start + len(request[start:end].rstrip(".,;:!?"))
        at = quoted.end()
    yield from _unquoted_spans(request, at, len(request))


def _unquoted_spans(request: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """The start and end of each value outside quotes: single words, and names of several words."""
    name: tuple[int, int] | None = None
    for word in _WORD.finditer(request, start, end):
        quantity, is_name = _QUANTITY.fullmatch(word[0]), _is_name(request, word)
        if name is not None and request[name[1] : word.start()] == " " and (is_name or quantity):
            name = name[0], word.end()
            continue
        if name is not None:
            yield name
        name = word.span() if is_name or _HOUSE.match(request, word.start()) else None
        if name is None and not quantity and _VALUE.search(word[0]):
            if pair := _PAIR.fullmatch(request, *word.span()):
                yield pair.span(1)
                yield pair.span(2)
            yield word.span()
    if name is not None:
        yield name


def _is_name(request: str, word: re.Match[str]) -> bool:
    """Whether the word is in capitals, or is capitalised and does not begin a sentence."""
    if not _NAME.fullmatch(word[0]) or _VALUE.search(word[0]):
        return False
    return word[0][1:].isupper() or not _BEFORE_SENTENCE.search(request, max(0, word.start() - 5), word.start())
