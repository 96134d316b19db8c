"""Markers: a number behind each value that a request seems to name, so that a plan can point to it.

    Show Anna Schmidt<1> what blocks ISS-12<2>.   →   blockers(issue=<2>)
                                                      show(user=<1>, items=$0)

What gets one is read from the request alone: text in quotes, words with digits or joined by `_`, `.`, `/`, `:` or `@`,
and capitalised words that begin no sentence, two or more with a house number before them. In a plan a marker stands for
exactly that text, and only where the schema takes any text; all other values are written out, so nothing is lost.
"""

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache

from platypus.catalogue.schema import Schema, array_items, part, takes_any_text
from platypus.catalogue.tools import Catalogue, Tool
from platypus.plan.notation import MarkedText
from platypus.plan.plan import MARK, Plan, Step, Value

MOST = 30  # in one request

_QUOTED = re.compile(r"\"([^\"\n]+)\"|“([^”\n]+)”|`([^`\n]+)`|(?<!\w)['\u2018]([^'\u2019\n]+)['\u2019](?!\w)")
_WORD = re.compile(r"https?://[^\s<>]*[\w/]|[\w+#]+(?:(?:[._/:@&-]+|['\u2019](?!s\b))[\w+]+)*")
_VALUE = re.compile(r"[_/:@\d]|\w\.\w|[a-z][A-Z]")
_QUANTITY = re.compile(r"#?\d{1,2}|\d*[.,]\d[\d.,]*")  # a number of more digits names something
_NAME = re.compile(r"(?!(?:I(?:['\u2019]\w+)?|OK|IDs?|A)$)[A-Z](?:[\w+&-]|['\u2019](?=\w))*")
_HOUSE = re.compile(r"\d{1,3} [A-Z][\w'\u2019&-]* [A-Z]")  # 12 Rose Lane; a longer one would be a year
_BEFORE_SENTENCE = re.compile(r"(?:^|[.!?:\n])[\s\"'“\u2018(]*$")


def marked_texts(request: str) -> tuple[str, ...]:
    """The texts that get a marker, in the order of their numbers."""
    return tuple(_numbers(request))


def request_with_markers(request: str) -> str:
    """The request with a marker behind each of these texts, wherever it is named."""
    numbers, said, at = _numbers(request), "", 0
    for start, end in _places(request):
        number = numbers.get(request[start:end])
        if number is not None:
            said, at = f"{said}{request[at:end]}<{number}>", end
    return said + request[at:]


def plan_with_markers(plan: Plan, catalogue: Catalogue, request: str) -> Plan:
    """The plan with those texts marked that the request names."""
    return Plan(tuple(_pointing(step, catalogue.tool(step.tool), _numbers(request)) for step in plan.steps))


@lru_cache(maxsize=4096)
def _numbers(request: str) -> Mapping[str, int]:
    """Each text that gets a marker, and its number."""
    found = dict.fromkeys(request[start:end] for start, end in _places(request))
    texts = [text for text in found if text.strip() and MARK not in text]
    return {text: number for number, text in enumerate(texts[:MOST], 1)}


def _pointing(step: Step, tool: Tool | None, numbers: Mapping[str, int]) -> Step:
    schemas = {argument.name: argument.schema for argument in tool.arguments} if tool else {}
    values = step.arguments.items()
    return Step(step.tool, {name: _marked(value, schemas.get(name, {}), numbers) for name, value in values})


def _marked(value: Value, schema: Schema, numbers: Mapping[str, int]) -> Value:
    match value:
        case str() if value in numbers and takes_any_text(schema):
            return MarkedText(value, numbers[value])
        case list():
            items = array_items(schema) or {}
            return [_marked(element, items, numbers) for element in value]
        case dict():
            return {key: _marked(element, part(schema, (key,)) or {}, numbers) for key, element in value.items()}
        case _:
            return value


def _places(request: str) -> Iterator[tuple[int, int]]:
    """Where the values begin and end."""
    at = 0
    for quoted in _QUOTED.finditer(request):
        yield from _in_words(request, at, quoted.start())
        start, end = quoted.span(quoted.lastindex or 0)
        yield start, start + len(request[start:end].rstrip(".,;:!?"))
        at = quoted.end()
    yield from _in_words(request, at, len(request))


def _in_words(request: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """The same between quotes: single words, and names of several."""
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
            yield word.span()
    if name is not None:
        yield name


def _is_name(request: str, word: re.Match[str]) -> bool:
    """Whether it is a word in capitals, or one with a capital that begins no sentence."""
    if not _NAME.fullmatch(word[0]) or _VALUE.search(word[0]):
        return False
    return word[0][1:].isupper() or not _BEFORE_SENTENCE.search(request, max(0, word.start() - 5), word.start())
