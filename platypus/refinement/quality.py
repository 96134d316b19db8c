"""Doubts about a valid row: values that the request does not name, unused outputs, secrets, length, language.

A doubt is not a verdict: "the urgent ones" may well mean `p0`. So doubts are counted and shown, and reject a row only
if the recipe names their kind. Does not know whether a plan does what its request asks for.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from platypus.catalogue.dataflow import affinity, likely_output
from platypus.catalogue.prose import one_line
from platypus.catalogue.schema import allowed_values, array_items, fits, is_nothing, part
from platypus.catalogue.tools import Argument, Catalogue, Tool
from platypus.catalogue.words import words
from platypus.data.dataset import Example, Row
from platypus.data.signatures import answer_text, literal_texts, one_line_request, plan_literals
from platypus.errors import DatasetError
from platypus.plan.plan import Plan, Reference, Value
from platypus.prompt.number_words import NUMBERS
from platypus.run.settings import DoubtKind

WORD = re.compile(r"\w+")
EFFECTS = {
    *(
        "create",
        "add",
        "update",
        "delete",
        "remove",
        "set",
        "send",
        "post",
        "write",
        "book",
        "cancel",
        "schedule",
        "assign",
    ),
    *("move", "close", "open", "start", "stop", "save", "store", "upload", "pay", "buy", "order", "register", "invite"),
    *(
        "share",
        "publish",
        "submit",
        "merge",
        "archive",
        "rename",
        "edit",
        "notify",
        "change",
        "make",
        "apply",
        "insert",
    ),
}
ID = re.compile(r"[A-Za-z]+[-_:]?\d+")
GENERIC = {"id", "ids", "identifier", "of", "the", "a", "an", "matching", "found", "object", "item", "entity", "record"}
LONG = 4  # words from which a literal counts as long; of these, LONG_SHARE must be in the request
LONG_SHARE = 2 / 3

SECRETS = {
    "private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----"),
    "AWS key": re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
    "GitHub token": re.compile(r"\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_\w{40,})\b"),
    "Slack token": re.compile(r"\bxox[abprs]-[\w-]{10,}"),
    "API key": re.compile(r"\b(?:sk|rk|pk)[-_](?:[a-z]+[-_])*[A-Za-z0-9]{20,}\b"),
    "web token": re.compile(r"\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]+"),
    "password": re.compile(r"(?i)\b(?:password|passwd|pwd|secret|api[_-]?key)\s*(?:[:=]|is)\s*[\"']?[^\s\"']{6,}"),
}
HINT = re.compile(r"(?i)@|-----|pass|pwd|secret|key|\w[\w-]{15}|\d(?:\W{0,3}\w){6}")  # in every match of a pattern
PERSONAL = {
    "e-mail address": re.compile(r"\b[\w.+-]+@[\w-]+(?:\.[\w-]+)*\.[A-Za-z]{2,}\b"),
    "phone number": re.compile(
        r"(?<![\w-])(?<!\d[ .-])(?:\+\d{1,3}[ .-]?)?(?:\(\d{2,4}\)|\d{2,4})[ .-]\d{3,4}[ .-]\d{3,4}(?!\w|[ .-]\d)"
    ),
    "social security number": re.compile(r"(?<![\w-])\d{3}-\d{2}-\d{4}(?![\w-])"),
    "bank account": re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,3})?\b"),
    "card number": re.compile(r"(?<![\w-])(?:\d[ -]?){13,19}(?![\w-])"),
}


class Doubt(NamedTuple):
    """One doubt about a row: its kind, and what it is about."""

    kind: DoubtKind
    what: str


@dataclass(frozen=True)
class RequestBounds:
    """Limits for a request: its number of words, and its languages as ISO 639-1 codes (empty: any)."""

    shortest: int
    longest: int
    languages: tuple[str, ...] = ()


@dataclass(frozen=True)
class RowCheck:
    """The doubts about a row, and the share of its plan's literals that the request names."""

    findings: tuple[Doubt, ...]
    grounded: float


def check_row(row: Row, catalogue: Catalogue | None, bounds: RequestBounds) -> RowCheck:
    """Return all doubts about a row. Raises DatasetError when the package that detects languages is not installed."""
    request = one_line_request(row)
    doubts = [*_bounds(request, bounds), *_private(request, row)]
    if not isinstance(row, Example) or catalogue is None:
        return RowCheck(tuple(doubts), 1.0)
    literals = list(_literals(row.plan, catalogue))
    request_words = _RequestWords(request)
    missing = [literal for literal in literals if not request_words.names(literal)]
    doubts += [
        Doubt("ungrounded", f"{literal.text!r} ({literal.argument.name}) is not in the request") for literal in missing
    ]
    doubts += _unused(row.plan, catalogue)
    doubts += _loose(row.plan, catalogue)
    return RowCheck(tuple(doubts), 1 - len(missing) / len(literals) if literals else 1.0)


# ---------------------------------------------------------------- literals and the request


class _Literal(NamedTuple):
    text: str
    argument: Argument


def _literals(plan: Plan, catalogue: Catalogue) -> Iterator[_Literal]:
    """The literals that the request should name: all except references, booleans and defaults."""
    for step in plan:
        tool = catalogue.tool(step.tool)
        for name, value in step.arguments.items() if tool else ():
            argument = tool.argument(name) if tool else None
            if argument and value != argument.schema.get("default") and not _is_everything(value, argument):
                yield from (_Literal(text, argument) for text in map(one_line, literal_texts(value)) if text)


def _is_everything(value: Value, argument: Argument) -> bool:
    """Whether a list has all allowed values, so that it restricts nothing and need not be named."""
    allowed = allowed_values(array_items(argument.schema) or {})
    return isinstance(value, list) and len(value) == len(allowed) > 1 and all(one in allowed for one in value)


class _RequestWords:
    """The words of a request, normalised for comparison."""

    def __init__(self, request: str) -> None:
        self.text = f" {_plain(request)} "
        self.stems = set(map(stem, self.text.split()))

    def names(self, literal: _Literal) -> bool:
        """Whether the request contains the literal: as it is, or by its words."""
        plain = _plain(literal.text)
        if f" {plain} " in self.text or (len(plain) > 2 and plain in self.text):
            return True
        parts = [stem(word) for word in _plain(" ".join(words(literal.text))).split()] or plain.split()
        matches = sum(word in self.stems for word in parts)
        return matches >= enough_words(len(parts))


def _plain(text: str) -> str:
    return " ".join(WORD.findall(unicodedata.normalize("NFKC", text).casefold().replace("_", " ")))


def enough_words(count: int) -> float:
    """How many words of a literal must be in its request for it to be named there: all of a few, most of many."""
    return count if count < LONG else LONG_SHARE * count


def stem(word: str) -> str:
    """The same text for `Issues` and `issue`, and for `three` and `3`."""
    word = word.casefold()
    if word in NUMBERS:
        return str(NUMBERS[word])
    return word.removesuffix("s") if len(word) > 2 else word


# ---------------------------------------------------------------- steps and references


def _unused(plan: Plan, catalogue: Catalogue) -> Iterator[Doubt]:
    """Doubts about steps before the last whose output is not used, unless the tool has an effect."""
    used = {step for some in plan.dependencies() for step in some}
    for i, step in enumerate(plan.steps[:-1]):
        tool = catalogue.tool(step.tool)
        if i not in used and tool and _is_read_only(tool):
            yield Doubt("unused-step", f"nothing uses the output of step {i + 1} ({step.tool})")


def _is_read_only(tool: Tool) -> bool:
    """Whether a call is useless if its output is not used: by the tool's `readOnlyHint`, else by its words."""
    hint = tool.annotations.get("readOnlyHint")
    stems = {stem(word) for word in words(f"{tool.name} {tool.description}")}
    return bool(hint) if hint is not None else not is_nothing(tool.output) and not stems & EFFECTS


def _loose(plan: Plan, catalogue: Catalogue) -> Iterator[Doubt]:
    """Doubts about references to outputs that are described only in prose, if the prose is about something else."""
    for i, step in enumerate(plan):
        consumer = catalogue.tool(step.tool)
        for name, value in step.arguments.items():
            argument = consumer.argument(name) if consumer else None
            for reference in value if isinstance(value, list) else [value]:
                if isinstance(reference, Reference) and argument and consumer:
                    producer = catalogue.tool(plan.steps[reference.step].tool)
                    if producer and not _sensible(producer, reference, consumer, argument, value):
                        what = f"{reference}, the output of {producer.name}, hardly is {name!r} of {step.tool}"
                        yield Doubt("loose-reference", f"step {i + 1}: {what}")


def _sensible(producer: Tool, reference: Reference, consumer: Tool, argument: Argument, value: Value) -> bool:
    likely = likely_output(producer)
    if likely == producer.output:  # it has a schema, against which the plan was checked, or nothing is known about it
        return True
    output = part(likely, reference.path)
    needed = array_items(argument.schema) if isinstance(value, list) else argument.schema
    if output is None or needed is None or not fits(output, needed):
        return False
    described = set(words(str(output.get("description", "")))) - GENERIC
    if not described and any(ID.fullmatch(str(example)) for example in needed.get("examples", ())):
        return True  # the id of anything suits an argument that takes ids
    return affinity(producer, reference.path, output, consumer, argument) > 0


# ---------------------------------------------------------------- text


def _bounds(request: str, bounds: RequestBounds) -> Iterator[Doubt]:
    """Doubts about the length and the language of a request."""
    count = len(request.split())
    if not bounds.shortest <= count <= bounds.longest:
        yield Doubt("length", f"{count} words, not {bounds.shortest} to {bounds.longest}")
    if bounds.languages:
        language = _language(request)
        if language not in bounds.languages:
            yield Doubt("language", f"seems to be {language!r}, not {' or '.join(bounds.languages)}")


def _language(text: str) -> str:
    """The ISO 639-1 code of the most likely language; may be wrong for a short text."""
    try:
        import py3langid
    except ImportError as error:
        raise DatasetError(
            "detecting languages needs the package `py3langid`",
            where="refine.languages",
            remedy="pip install 'platypus-llm[language]', or leave `languages` out.",
        ) from error
    return str(py3langid.classify(text)[0])


def _private(request: str, row: Row) -> Iterator[Doubt]:
    """Doubts about secrets and personal data in the request or the answer. Only their first characters are shown."""
    if isinstance(row, Example):
        text = " ".join([request, *map(one_line, plan_literals(row.plan))])
    else:
        text = f"{request} {answer_text(row)}"
    if not HINT.search(text):
        return
    kinds: tuple[tuple[DoubtKind, dict[str, re.Pattern[str]]], ...] = (("secret", SECRETS), ("personal-data", PERSONAL))
    for kind, patterns in kinds:
        for name, pattern in patterns.items():
            for secret in sorted({match[0] for match in pattern.finditer(text)}):
                if name != "card number" or _is_card(secret):
                    yield Doubt(kind, f"{name} {secret[:3]}…")


def _is_card(text: str) -> bool:
    """Whether the digits pass the Luhn check of card numbers."""
    digits = [int(letter) for letter in reversed(text) if letter.isdigit()]
    doubled = [sum(divmod(2 * digit, 10)) if place % 2 else digit for place, digit in enumerate(digits)]
    return 13 <= len(digits) <= 19 and sum(doubled) % 10 == 0
