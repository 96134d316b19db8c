"""Which outputs are sensible for which arguments: the edges along which plans are drawn.

Schemas decide which outputs are *allowed* for an argument; which of these are *sensible* is decided here. If both sides
have a format, the formats must be equal. Otherwise both must name the same thing: `campaign_id` of one tool and
`campaign_id` of another, "ID of the current sprint" and `sprint_id`. Status fields, and fields that match only on a
generic word such as `type` or `date`, are never used as inputs.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from platypus.catalogue.schema import Schema, allowed_values, array_items, fits, is_nothing, variants
from platypus.catalogue.tools import Argument, Catalogue, Tool
from platypus.catalogue.words import is_plural, singular, words

EMPTY_WORDS = {
    *("a", "an", "the", "of", "to", "for", "by", "in", "on", "with", "and", "or", "as", "at", "from", "it", "is", "be"),
    *("any", "all", "this", "that", "these", "which", "are", "could", "should", "will", "one", "used", "using", "you"),
    *("given", "provided", "return", "get", "list", "id", "name", "object", "item", "value", "result", "string"),
    *("example", "filter", "matching", "current", "only", "detail", "new", "unique", "identifier", "specific", "want"),
}
ANYTHING = "anything"  # the type of a schema that has none
DOMAIN_KEYS = {"format", "items", "anyOf", "oneOf"}  # without them a schema has no domain type
SEARCHED = {"query", "search", "keyword", "keywords"}
SAME_LIST = r"^(?:the |a )?(?:sorted |ranked )?(?:list|array) of (?:the )?(?:objects|items|elements|entities|records)\b"
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
    """The sensible outputs for the argument: the best ones, all of weight 2 or more, and all of look-ups."""
    items = array_items(argument.schema)
    if _is_closed(argument, items) and not domain(argument.schema):
        return
    wanted = _types(argument.schema) | (_types(items) if items is not None else frozenset())
    candidates = []
    for tool, path, output, kinds in _outputs(catalogue):
        if tool.name == consumer.name or not (ANYTHING in kinds | wanted or kinds & wanted):
            continue
        weight = affinity(tool, path, output, consumer, argument)
        if weight and fits(output, argument.schema):
            candidates.append(Producer(tool, path, False, weight))
        elif weight and items is not None and fits(output, items):
            candidates.append(Producer(tool, path, True, weight))
    best = max((producer.weight for producer in candidates), default=0.0)
    yield from (p for p in candidates if p.weight >= min(best, 2.0) or any(map(is_searched, p.tool.arguments)))


@lru_cache(maxsize=64)
def _outputs(catalogue: Catalogue) -> tuple[tuple[Tool, tuple[str, ...], Schema, frozenset[str]], ...]:
    """Each part of each tool's output that another tool could use: the tool, the path, the schema, its types."""
    useful = (tool for tool in catalogue if not is_nothing(tool.output))
    return tuple(
        (tool, path, output, _types(output)) for tool in useful for path, output in _parts(likely_output(tool))
    )


def _types(schema: Schema) -> frozenset[str]:
    """The types of a schema; a whole number is a number too."""
    names = {str(variant.get("type", ANYTHING)) for variant in variants(schema)}
    return frozenset(names | ({"number"} if "integer" in names else set()))


def _is_closed(argument: Argument, items: Schema | None) -> bool:
    """Whether an argument's values are chosen from a list, or are what people search for."""
    return bool(allowed_values(items or argument.schema)) or bool(SEARCHED & set(words(argument.name)))


def _parts(output: Schema) -> Iterator[tuple[tuple[str, ...], Schema]]:
    """The fields of an output that is an object with known fields; otherwise the output itself."""
    for variant in variants(output):
        fields = variant.get("properties", {})
        if fields:
            yield from (((name,), schema) for name, schema in fields.items())
        else:
            yield (), variant


def likely_output(tool: Tool) -> Schema:
    """The output schema; if it has no type, with the type that its description suggests ("list of …", "ID of …")."""
    if "type" in tool.output or "anyOf" in tool.output or "properties" in tool.output:
        return tool.output
    prose = str(tool.output.get("description") or tool.description).lower()
    if re.search(r"\b(list|array) of\b|^(?:the )?(?:new |created |updated )\w+s\b", prose):
        return {**tool.output, "type": "array"}
    if re.search(r"\b(ids? of|text|summary|name of)\b", prose):
        return {**tool.output, "type": "string"}
    return tool.output


@lru_cache(maxsize=16384)
def content(text: str) -> frozenset[str]:
    """The words of a text that say what it is about, in the singular."""
    return frozenset(singular(word) for word in words(text)) - EMPTY_WORDS


def domain(schema: Schema) -> str:
    """The domain type of a string, or of an array's elements: its `format`."""
    if not DOMAIN_KEYS & schema.keys():
        return ""
    for variant in variants(schema):
        if "format" in variant:
            return str(variant["format"])
        if variant.get("type") == "array" and "items" in variant:
            return domain(variant["items"])
    return ""


def takes_ids(argument: Argument) -> bool:
    """Whether the argument's values are ids that a system assigns, judged by its examples, format or name."""
    element = argument.schema.get("items", argument.schema)
    examples = [str(example) for example in element.get("examples", ())]
    if examples:
        return all(re.fullmatch(r"[A-Za-z]{1,12}[-_]?\d+", example) for example in examples)
    kind = str(element.get("format", ""))
    return kind.endswith("id") or bool(set(words(argument.name)) & {"id", "ids"})


def affinity(tool: Tool, path: tuple[str, ...], output: Schema, consumer: Tool, argument: Argument) -> float:
    """How sensible the output is for this argument: from 0 (not at all) to 4 (both have the same format)."""
    output_domain, argument_domain = domain(output), domain(argument.schema)
    if output_domain and argument_domain:
        return 4.0 if output_domain == argument_domain else 0.0
    items = array_items(argument.schema)
    if _is_closed(argument, items):
        return 0.0
    if items is not None and items.get("type") == "object" and output.get("type") == "array":
        return 2.0
    if output.get("type") in (None, "boolean"):
        return 0.0
    if path:
        return _field_affinity(tool, path, output, consumer, argument)
    return _whole_affinity(tool, output, consumer, argument)


def _field_affinity(tool: Tool, path: tuple[str, ...], output: Schema, consumer: Tool, argument: Argument) -> float:
    field, name = words(path[-1]), words(argument.name)
    if field[-1] in REPORTS or output.get("type") == "object" or (is_plural(field[-1]) != is_plural(name[-1])):
        return 0.0
    if tool.argument(path[-1]) is not None:  # the tool only returns its own argument
        return 0.0
    things, wanted = [singular(w) for w in field], [singular(w) for w in name]
    if output.get("type") in ("integer", "number") and not CODES & set(field):
        return 3.0 * (things == wanted and (len(things) > 1 or things[0] in SUMS))
    if things == wanted and not set(things) <= GENERIC:
        return 3.0
    if field[-1] in TEXTS and _takes_text(name):
        return 1.5
    core, need = [w for w in things if w not in NAMING], [w for w in wanted if w not in NAMING]
    if not core:  # a bare `id` or `name` belongs to what the tool is about
        core = [singular(w) for w in words(tool.name)][-1:]
    if not need or bool(CODES & set(wanted)) != bool(CODES & set(things)) or core[-1] != need[-1]:
        return 0.0
    short, long = sorted((core, need), key=len)
    alike = core == need or (len(short) > 1 and long[-len(short) :] == short)
    return 2.0 * (alike and need[-1] not in GENERIC | PLACES)


def _takes_text(name: list[str]) -> bool:
    """Whether an argument of these words takes text: `text`, `email_body`, but not `celestial_body`."""
    return name[-1] in TEXT_TAKERS and (len(name) == 1 or name[-1] == "text" or name[0] in WRITTEN)


def _whole_affinity(tool: Tool, output: Schema, consumer: Tool, argument: Argument) -> float:
    prose, name = str(output.get("description", "")), _things(argument.name.rpartition(".")[2])
    if (domain(output) == "text" or content(prose) & TEXTS) and not name & TEXT_TAKERS:
        return 0.0
    described = _things(f"{tool.name} {tool.description} {prose}")
    if described & name - GENERIC or described & name & TEXTS or (content(prose) & TEXTS and name & TEXT_TAKERS):
        return 2.0
    many = output.get("type") == "array"
    if many and argument.required and array_items(argument.schema) is not None and re.search(SAME_LIST, prose.lower()):
        return 2.0  # the same objects that the tool took
    if not takes_ids(argument) and not name & TEXT_TAKERS:
        return 0.0
    needed = _things(argument.description) - content(consumer.name)
    if described & needed - GENERIC:
        return 1.0
    if many or not any(is_searched(a) for a in tool.arguments):
        return 0.0
    inputs = _things(" ".join(f"{a.name} {a.description}" for a in tool.arguments) + tool.description)
    kin = inputs.union(*(family for family in KIN if family & inputs))
    return 1.0 * bool(kin & (needed | name) - GENERIC)


def is_searched(argument: Argument) -> bool:
    """Whether a look-up searches by this argument: it is a required name or search text."""
    return argument.required and words(argument.name)[-1] in SEARCHED | {"name"}


@lru_cache(maxsize=16384)
def _things(text: str) -> frozenset[str]:
    """What a text is about, without verb forms such as `created` and `sorted`."""
    return frozenset(word for word in content(text) if not word.endswith(("ed", "ing")))
