"""Explaining: which words of a request went into which argument of its plan, and which went nowhere.

A value is looked for as it is, then by its words ("in progress" for `in_progress`, "three" for 3), with the thresholds
by which `refine` doubts values. What it finds are words that are alike; why a model chose a value is not known.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

from platypus.catalogue.schema import allowed_values, array_items
from platypus.catalogue.tools import Catalogue
from platypus.catalogue.words import words
from platypus.data.signatures import literal_texts
from platypus.plan.plan import Plan, Reference, Value
from platypus.refinement.quality import enough_words, stem

WORD = re.compile(r"[^\W_]+")
ASKING = {"please", "using", "use", "want", "need", "like"}
ALIKE = 5  # first letters that two words have in common which are alike; or the shorter one begins the other


class Span(NamedTuple):
    """Where some words of the request begin and end."""

    start: int
    end: int


@dataclass(frozen=True)
class Part:
    """One value of an argument, or one of its elements, and the words of the request that are like it.

    `note` says what is known where there are none. A reference has neither.
    """

    value: Value
    spans: tuple[Span, ...] = ()
    note: str = ""


@dataclass(frozen=True)
class ExplainedStep:
    """A step: the words that are like the tool's name, and the parts of each argument."""

    tool: str
    spans: tuple[Span, ...]
    arguments: dict[str, tuple[Part, ...]]


@dataclass(frozen=True)
class Explanation:
    """A plan's steps beside its request, and the words of the request that none of them has."""

    request: str
    steps: tuple[ExplainedStep, ...]
    unused: tuple[str, ...]


@cache
def _stop_words() -> frozenset[str]:
    """Words that say little; scikit-learn, which has the list, takes a second to import."""
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

    return frozenset(ENGLISH_STOP_WORDS | ASKING)


def explain(request: str, plan: Plan, catalogue: Catalogue) -> Explanation:
    """Where in the request the values of the plan come from."""
    text = _Request(request)
    parts = [
        {name: tuple(_parts(text, step.tool, name, value, catalogue)) for name, value in step.arguments.items()}
        for step in plan
    ]  # of all steps first: a tool's name gets the words that no value has
    steps = tuple(ExplainedStep(step.tool, text.names(step.tool), own) for step, own in zip(plan, parts, strict=True))
    return Explanation(request, steps, tuple(text.unused()))


def _parts(text: "_Request", tool: str, name: str, value: Value, catalogue: Catalogue) -> Iterator[Part]:
    known = catalogue.tool(tool)
    argument = known.argument(name) if known else None
    schema = argument.schema if argument else {}
    if "default" in schema and value == schema["default"]:
        yield Part(value, text.said(value, name), "its default")
        return
    allowed = allowed_values(schema) or allowed_values(array_items(schema) or {})
    for element in value if isinstance(value, list) else [value]:
        if isinstance(element, Reference):
            yield Part(element)
        else:
            note = "not in the request" + ("; one of its allowed values" if element in allowed else "")
            yield Part(element, text.said(element, name), note)


class _Request:
    """A request whose words are taken by values; a value prefers words that no other has taken."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.words = [Span(*match.span()) for match in WORD.finditer(text)]
        self.stems = [stem(text[span.start : span.end]) for span in self.words]
        self.taken: set[Span] = set()
        self.named: set[Span] = set()

    def said(self, value: Value, argument: str) -> tuple[Span, ...]:
        """The words for a value; for one without words (true, null), those of the argument's name."""
        spans = tuple(span for text in literal_texts(value) for span in self._literal(text))
        if not spans and (value is None or isinstance(value, bool)):
            spans = self._by_words(words(argument))
        self.taken |= {*spans}
        return _joined(spans)

    def names(self, tool: str) -> tuple[Span, ...]:
        """The words that are like those of a tool's name, of those that no value has."""
        stems = [stem(word) for word in words(tool) if word not in _stop_words()]
        spans = [
            span
            for span, own in zip(self.words, self.stems, strict=True)
            if own not in _stop_words() and span not in self.taken and any(_alike(own, other) for other in stems)
        ]
        self.named |= {*spans}
        return _joined(spans)

    def unused(self) -> Iterator[str]:
        """The words that nothing has, but for those that say little."""
        used = self.taken | self.named
        for span in self.words:
            word = self.text[span.start : span.end]
            if span not in used and len(word) > 1 and word.casefold() not in _stop_words():
                yield word

    def _literal(self, literal: str) -> tuple[Span, ...]:
        parts = [stem(word) for word in WORD.findall(literal)]
        return self._in_order(parts) or self._by_words(words(literal) or parts)

    def _in_order(self, stems: Sequence[str]) -> tuple[Span, ...]:
        """The words that are these, one after another: where none is taken, if there is such a place."""
        count = len(stems)
        starts = [at for at in range(len(self.words) - count + 1) if stems and self.stems[at : at + count] == [*stems]]
        places = [tuple(self.words[at : at + count]) for at in starts]
        return next((place for place in places if not self.taken & {*place}), places[0] if places else ())

    def _by_words(self, wanted: Sequence[str]) -> tuple[Span, ...]:
        """The words that are these in any order: all of them, or of many most."""
        found = dict(zip(self.stems, self.words, strict=True))
        stems = [stem(word) for word in wanted]
        spans = [found[one] for one in stems if one in found]
        return tuple(sorted({*spans})) if spans and len(spans) >= enough_words(len(stems)) else ()


def _joined(spans: Iterable[Span]) -> tuple[Span, ...]:
    """Spans of words that stand beside each other as one."""
    joined: list[Span] = []
    for span in sorted({*spans}):
        if joined and span.start - joined[-1].end <= 1:
            joined[-1] = Span(joined[-1].start, span.end)
        else:
            joined.append(span)
    return tuple(joined)


def _alike(one: str, other: str) -> bool:
    short, long = sorted((one, other), key=len)
    return short == long or (len(short) > 2 and long.startswith(short[:ALIKE]))
