"""Which outputs sensibly fill which arguments: the edges that plans are drawn along.

Which outputs *may* fill an argument is the schema's word; which *sensibly* do is judged here. Equal formats decide
where both sides have one; else both must name the same thing: `campaign_id` of one tool and `campaign_id` of another,
"ID of the current sprint" and `sprint_id`. What tells of success, and what is only alike by a word such as `type` or
`date`, feeds nothing.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from platypus.catalogue.schema import Schema, allowed_values, array_items, fits, is_nothing, variants
from platypus.catalogue.tools import Argument, Catalogue, Tool
from platypus.catalogue.words import is_plural, singular, words

EMPTY_WORDS = {
    *("a", "an", "the", "of", "to", "for", "by", "in", "on", "with", "and", "or", "as", "at", "from", "it", "is", "be"),
    *("any", "all", "this", "that", "these", "which", "are", "could", "should", "will", "one", "used", "using", "you"),
    *("given", "provided", "return", "get", "list", "id", "name", "object", "item", "value", "result", "string"),
    *("example", "filter", "matching", "current", "only", "detail", "new", "unique", "identifier", "specific", "want"),
}
SEARCHED = {"query", "search", "keyword", "keywords"}
PASSED_ON = r"^(?:the |a )?(?:sorted |ranked )?(?:list|array) of (?:the )?(?:objects|items|elements|entities|records)\b"
NAMING = {"id", "ids", "identifier", "name", "names", "code", "number", "key"}
GENERIC = {
    *("start", "end", "first", "last", "current", "new", "from", "to"),
    *("type", "kind", "date", "time", "description", "status", "state", "value", "year", "level", "amount", "language"),
    *("result", "data", "information", "info", "detail", "reason", "format", "count", "duration", "size", "category"),
    *("method", "age", "quantity", "limit", "unit", "range", "rate", "total", "note", "title", "message", "name", "id"),
    *(
        "number",
        "code",
        "key",
        "length",
        "model",
        "period",
        "response",
        "success",
        "option",
        "property",
        "feature",
        "style",
    ),
}
PLACES = {"address", "location", "city", "country", "region", "version", "state", "email"}
SUMS = {"cost", "price", "budget", "distance", "premium", "score", "fee"}
CODES = {"id", "ids", "identifier", "number", "code", "key"}
REPORTS = {"success", "status", "message", "confirmation", "error", "valid", "completed"}
TEXTS = {
    *("text", "summary", "transcript", "translation", "article", "report", "story", "content", "notes", "interview"),
    *("abstract", "essay", "review", "speech", "lyrics", "paragraph", "document", "script"),
}
TEXT_TAKERS = {"text", "content", "body", "message", "document", "paragraph", "sentence", "article", "note"}
WRITTEN = {"email", "message", "mail", "post", "comment", "input", "source", "original", "request", "news"}
KIN = (
    {"customer", "client", "organisation", "organization", "org", "company", "account", "firm"},
    {"user", "person", "employee", "member", "owner", "author", "assignee", "creator", "staff", "manager", "reviewer"},
    {"product", "part", "component", "feature"},
)


@dataclass(frozen=True)
class Producer:
    """A way to fill an argument: the output of `tool`, or its part at `path`, whole or as an array element."""

    tool: Tool
    path: tuple[str, ...]
    element: bool
    weight: float


def producers(catalogue: Catalogue, consumer: Tool, argument: Argument) -> Iterator[Producer]:
    """What can sensibly fill the argument, the most sensible kinds alone."""
    items = array_items(argument.schema)
    found = []
    for tool in catalogue:
        if tool.name == consumer.name or is_nothing(tool.output):
            continue
        for path, output in _parts(likely_output(tool)):
            weight = affinity(tool, path, output, consumer, argument)
            if weight and fits(output, argument.schema):
                found.append(Producer(tool, path, False, weight))
            elif weight and items is not None and fits(output, items):
                found.append(Producer(tool, path, True, weight))
    best = max((producer.weight for producer in found), default=0.0)
    yield from (p for p in found if p.weight >= min(best, 2.0) or any(map(is_searched, p.tool.arguments)))


def _parts(output: Schema) -> Iterator[tuple[tuple[str, ...], Schema]]:
    """The output itself, or its fields when it is an object with known ones."""
    for variant in variants(output):
        fields = variant.get("properties", {})
        if fields:
            yield from (((name,), schema) for name, schema in fields.items())
        else:
            yield (), variant


def likely_output(tool: Tool) -> Schema:
    """The output schema, with the type that its prose suggests where it has none: "list of …", "ID of …"."""
    if "type" in tool.output or "anyOf" in tool.output or "properties" in tool.output:
        return tool.output
    prose = str(tool.output.get("description") or tool.description).lower()
    if re.search(r"\b(list|array) of\b|^(?:the )?(?:new |created |updated )\w+s\b", prose):
        return {**tool.output, "type": "array"}
    if re.search(r"\b(ids? of|text|summary|name of)\b", prose):
        return {**tool.output, "type": "string"}
    return tool.output


def content(text: str) -> set[str]:
    """The words of a text that say what it is about, without their plural."""
    return {singular(word) for word in words(text)} - EMPTY_WORDS


def domain(schema: Schema) -> str:
    """The domain type of a string, or of an array's elements: its `format`."""
    for variant in variants(schema):
        if "format" in variant:
            return str(variant["format"])
        if variant.get("type") == "array" and "items" in variant:
            return domain(variant["items"])
    return ""


def takes_ids(argument: Argument) -> bool:
    """Whether the argument's values are ids that systems give out, by its examples, format or name."""
    element = argument.schema.get("items", argument.schema)
    examples = [str(example) for example in element.get("examples", ())]
    if examples:
        return all(re.fullmatch(r"[A-Za-z]{1,12}[-_]?\d+", example) for example in examples)
    kind = str(element.get("format", ""))
    return kind.endswith("id") or bool(set(words(argument.name)) & {"id", "ids"})


def affinity(tool: Tool, path: tuple[str, ...], output: Schema, consumer: Tool, argument: Argument) -> float:
    """How sensible the output is as this argument: 0 (not at all) to 4 (of the same declared kind)."""
    given, asked = domain(output), domain(argument.schema)
    if given and asked:
        return 4.0 if given == asked else 0.0
    items = array_items(argument.schema)
    if allowed_values(items or argument.schema) or SEARCHED & set(words(argument.name)):
        return 0.0
    if items is not None and items.get("type") == "object" and output.get("type") == "array":
        return 2.0
    if output.get("type") in (None, "boolean"):
        return 0.0
    if path:
        return _field_affinity(tool, path, output, consumer, argument)
    return _whole_affinity(tool, output, consumer, argument)


def _field_affinity(tool: Tool, path: tuple[str, ...], output: Schema, consumer: Tool, argument: Argument) -> float:
    given, asked = words(path[-1]), words(argument.name)
    if given[-1] in REPORTS or output.get("type") == "object" or (is_plural(given[-1]) != is_plural(asked[-1])):
        return 0.0
    if tool.argument(path[-1]) is not None:  # it only says again what it was told
        return 0.0
    things, wanted = [singular(w) for w in given], [singular(w) for w in asked]
    if output.get("type") in ("integer", "number") and not CODES & set(given):
        return 3.0 * (things == wanted and (len(things) > 1 or things[0] in SUMS))
    if things == wanted and not set(things) <= GENERIC:
        return 3.0
    if given[-1] in TEXTS and _takes_text(asked):
        return 1.5
    core, need = [w for w in things if w not in NAMING], [w for w in wanted if w not in NAMING]
    if not core:  # `id` or `name` alone is that of what the tool is about
        core = [singular(w) for w in words(tool.name)][-1:]
    if not need or bool(CODES & set(wanted)) != bool(CODES & set(things)) or core[-1] != need[-1]:
        return 0.0
    short, long = sorted((core, need), key=len)
    alike = core == need or (len(short) > 1 and long[-len(short) :] == short)
    return 2.0 * (alike and need[-1] not in GENERIC | PLACES)


def _takes_text(asked: list[str]) -> bool:
    """`text`, `email_body`; not `celestial_body`."""
    return asked[-1] in TEXT_TAKERS and (len(asked) == 1 or asked[-1] == "text" or asked[0] in WRITTEN)


def _whole_affinity(tool: Tool, output: Schema, consumer: Tool, argument: Argument) -> float:
    prose, name = str(output.get("description", "")), _things(argument.name.rpartition(".")[2])
    if (domain(output) == "text" or content(prose) & TEXTS) and not name & TEXT_TAKERS:
        return 0.0
    said = _things(f"{tool.name} {tool.description} {prose}")
    if said & name - GENERIC or said & name & TEXTS or (content(prose) & TEXTS and name & TEXT_TAKERS):
        return 2.0
    many = output.get("type") == "array"
    if many and argument.required and array_items(argument.schema) is not None and re.search(PASSED_ON, prose.lower()):
        return 2.0  # whatever the objects were before
    if not takes_ids(argument) and not name & TEXT_TAKERS:
        return 0.0
    needed = _things(argument.description) - content(consumer.name)
    if said & needed - GENERIC:
        return 1.0
    if many or not any(is_searched(a) for a in tool.arguments):
        return 0.0
    inputs = _things(" ".join(f"{a.name} {a.description}" for a in tool.arguments) + tool.description)
    kin = inputs.union(*(family for family in KIN if family & inputs))
    return 1.0 * bool(kin & (needed | name) - GENERIC)


def is_searched(argument: Argument) -> bool:
    """Whether the argument is what a look-up searches for: a name, or words of it."""
    return argument.required and words(argument.name)[-1] in SEARCHED | {"name"}


def _things(text: str) -> set[str]:
    """What a text is about, verbs such as `created` and `sorted` left out."""
    return {word for word in content(text) if not word.endswith(("ed", "ing"))}
