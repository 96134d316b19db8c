"""Which outputs are sensible for which arguments: the edges along which plans are drawn.

Schemas decide which outputs are *allowed* for an argument; which of these are *sensible* is decided here. If both sides
have a format of their own, the formats must be equal. Otherwise both must name the same thing: `campaign_id` of one
tool and `campaign_id` of another, "ID of the current sprint" and `sprint_id`. Status fields, and fields that match only
on a generic word such as `type` or `date`, are never used as inputs. An output that nobody described feeds nothing,
except that a tool that makes or finds one thing feeds the arguments for that thing's id (`subjects.py`). A tool that
destroys something feeds nothing.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from platypus.catalogue.prose import first_sentence
from platypus.catalogue.schema import Schema, allowed_values, array_items, fits, is_nothing, variants
from platypus.catalogue.subjects import is_destructive, is_look_up, is_maker, makes, subject, supplies, takes_its_own
from platypus.catalogue.tools import Argument, Catalogue, Tool
from platypus.catalogue.words import is_plural, singular, words

EMPTY_WORDS = {
    *("a", "an", "the", "of", "to", "for", "by", "in", "on", "with", "and", "or", "as", "at", "from", "it", "is", "be"),
    *("any", "all", "this", "that", "these", "which", "are", "could", "should", "will", "one", "used", "using", "you"),
    *("given", "provided", "return", "get", "list", "id", "name", "object", "item", "value", "result", "string"),
    *("example", "filter", "matching", "current", "only", "detail", "new", "unique", "identifier", "specific", "want"),
}
SETTING = {"set", "switch", "select", "activate"}
SEARCHED = {"query", "search", "keyword", "keywords"}
WRAPPERS = {"result", "results", "content", "output", "text", "response", "data", "value"}  # around any output
PLAIN_FORMATS = {  # formats that say how a text is written, not what it is
    *("date", "date-time", "time", "duration", "email", "idn-email", "hostname", "idn-hostname", "ipv4", "ipv6"),
    *("uri", "url", "uri-reference", "uri-template", "iri", "iri-reference", "uuid", "regex", "json-pointer"),
    *("json", "byte", "binary", "int32", "int64", "uint32", "uint64", "float", "double", "password"),
}
_RETURNS_ID = re.compile(
    r"(?:^|, )(?:returns?|gets?|finds?|tells?|retrieves?|shows?|fetch(?:es)?) (?:the |an? )?ids? of\b"
    r"|\breturns? (?:the |its )?ids?\b"
)
SAME_LIST = r"^(?:the |a )?(?:sorted |ranked )?(?:list|array) of (?:the )?(?:objects|items|elements|entities|records)\b"
NAMING = {"id", "ids", "identifier", "name", "names", "code", "number", "key", "slug"}
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
ATTRIBUTES = GENERIC | {  # fields of the same name in records of different things
    *("url", "uri", "link", "color", "icon", "content", "body", "text", "order", "sort", "position", "priority"),
    *("target", "upstream", "slug", "path", "timestamp", "progress", "query", "file", "source", "label", "branch"),
    *("input", "output", "created", "updated", "at", "limit", "offset", "page", "cursor", "token", "filter"),
    *("field", "class", "role", "scope"),
}
PLACES = {"address", "location", "city", "country", "region", "version", "state", "email"}
OBJECTS = {
    "object",
    "item",
    "element",
    "entity",
    "record",
    "thing",
    "data",
    "datum",
    "list",
    "array",
    "input",
    "result",
}
SUMS = {"latitude", "longitude", "cost", "price", "budget", "distance", "premium", "score", "fee"}
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
    candidates = []
    for tool, path, output in _outputs(catalogue):
        if tool.name == consumer.name or _sets(consumer, tool):
            continue
        weight = affinity(tool, path, output, consumer, argument)
        one = items is not None and "type" not in output  # a thing that nobody described, for a list of such things
        if weight and not one and fits(output, argument.schema):
            candidates.append(Producer(tool, path, False, weight))
        elif weight and items is not None and fits(output, items):
            candidates.append(Producer(tool, path, True, weight))
    best = max((producer.weight for producer in candidates), default=0.0)
    yield from (p for p in candidates if p.weight >= min(best, 2.0) or any(map(is_searched, p.tool.arguments)))


def _sets(consumer: Tool, tool: Tool) -> bool:
    """Whether the consumer sets what the tool tells, which is so already: `set_active_board`, `get_active_board`."""
    verb, *thing = _words(consumer.name)
    return verb in SETTING and len(thing) > 1 and set(thing) <= set(words(tool.name))


@lru_cache(maxsize=64)
def _outputs(catalogue: Catalogue) -> tuple[tuple[Tool, tuple[str, ...], Schema], ...]:
    """Each part of each tool's output that another tool could use: the tool, the path, the schema."""
    useful = (tool for tool in catalogue if not is_nothing(tool.output) and not is_destructive(tool))
    parts = ((tool, path, output) for tool in useful for path, output in _parts(likely_output(tool)))
    return tuple(part for part in parts if not _is_detail(*part))


def _is_detail(tool: Tool, path: tuple[str, ...], output: Schema) -> bool:
    """Whether the part is one that no tool takes: a yes or no, a report, a property of a record."""
    if domain(output) or output.get("type") == "array":
        return False
    if not path:
        return output.get("type") == "boolean"
    field = _words(path[-1])
    if field[-1] in REPORTS or output.get("type") in ("boolean", "object"):
        return True
    return _is_record(tool) and not NAMING & set(field) and field[0] not in SUMS


def _is_record(tool: Tool) -> bool:
    """Whether the output has many fields: other steps need its ids only."""
    return len(next(variants(tool.output)).get("properties", ())) > 3


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
    prose = str(tool.output.get("description") or first_sentence(tool.description)).lower()
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
    """The domain type of a string, or of an array's elements: a `format` that says what it is (`sprint-id`)."""
    for variant in variants(schema):
        if "format" in variant and variant["format"] not in PLAIN_FORMATS:
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
    if allowed_values(items or argument.schema) or SEARCHED & set(words(argument.name)) or _tells_calls_apart(argument):
        return 0.0
    if not _is_described(tool, path, output):
        return 2.0 * (supplies(tool, output, consumer, argument) and not makes(consumer, argument))
    if makes(consumer, argument):
        return 0.0
    if (
        items is not None
        and items.get("type") == "object"
        and "properties" not in items
        and output.get("type") == "array"
    ):
        return 2.0 * _takes_any_objects(argument, tool, path)
    if output.get("type") in (None, "boolean"):
        return 0.0
    if path:
        return _field_affinity(tool, path, output, consumer, argument)
    return _whole_affinity(tool, output, consumer, argument)


def _takes_any_objects(argument: Argument, tool: Tool, path: tuple[str, ...]) -> bool:
    """Whether a list of objects is one of any objects, or of those that the output holds: no comments for `fields`."""
    names = {singular(word) for word in _words(argument.name)}
    return bool(names & OBJECTS) or bool(
        names & {singular(word) for text in (tool.name, *path) for word in words(text)}
    )


def _is_described(tool: Tool, path: tuple[str, ...], output: Schema) -> bool:
    """Whether the catalogue says what the output is: by prose, a format, or a name that is more than a wrapper's."""
    if output.get("description") or domain(output):
        return True
    if path:
        return path[-1] not in WRAPPERS or len(next(variants(tool.output)).get("properties", ())) > 1
    return _RETURNS_ID.search(first_sentence(tool.description).lower()) is not None


def _field_affinity(tool: Tool, path: tuple[str, ...], output: Schema, consumer: Tool, argument: Argument) -> float:
    field, name = _words(path[-1]), _words(argument.name)
    if field[-1] in REPORTS or output.get("type") == "object" or (is_plural(field[-1]) != is_plural(name[-1])):
        return 0.0
    if tool.argument(path[-1]) is not None or _takes_already(tool, field):  # the tool only returns its own argument
        return 0.0
    things, wanted = [singular(w) for w in field], [singular(w) for w in name]
    record = _is_record(tool)
    if output.get("type") in ("integer", "number") and not CODES & set(field):
        named = len(things) > 1 and not record and not set(things) <= ATTRIBUTES
        return 3.0 * (things == wanted and (named or things[0] in SUMS))
    if record and not NAMING & set(things):
        return 0.0
    if things == wanted and not set(things) <= ATTRIBUTES:
        return 3.0
    if field[-1] in TEXTS and _takes_text(name):
        return 1.5
    core, need = [w for w in things if w not in NAMING], [w for w in wanted if w not in NAMING]
    if not core:  # a bare `id` or `name` belongs to what the tool is about
        if takes_its_own(tool) or (is_look_up(consumer) and is_maker(tool)):
            return 0.0
        core = [singular(w) for w in subject(tool) or words(tool.name)][-1:]
    if not need or bool(CODES & set(wanted)) != bool(CODES & set(things)) or core[-1] != need[-1]:
        return 0.0
    short, long = sorted((core, need), key=len)
    alike = core == need or (len(short) > 1 and long[-len(short) :] == short)
    return 2.0 * (alike and need[-1] not in PLACES | (GENERIC if NAMING & set(wanted) else ATTRIBUTES))


def _takes_already(tool: Tool, field: list[str]) -> bool:
    """Whether the tool takes what the field holds: `workspaceId` of a tool that takes `workspaceIdOrName`."""
    own = [singular(word) for word in field]
    taken = [[singular(word) for word in _words(argument.name)] for argument in tool.arguments]
    return bool(CODES & set(own[1:])) and any(parts[: len(own)] == own for parts in taken)


def _tells_calls_apart(argument: Argument) -> bool:
    """Whether the argument only tells calls apart: an idempotency key, the id of a request or a trace."""
    parts = words(argument.name)
    one = parts[-2:-1] if parts[-1:] in (["id"], ["key"]) else []
    repeated = "idempoten" in argument.description.lower() or "idempotency" in parts
    return repeated or (one in (["request"], ["trace"], ["correlation"]) and not {"pull", "merge"} & set(parts))


def _takes_text(name: list[str]) -> bool:
    """Whether an argument of these words takes text: `text`, `email_body`, but not `celestial_body`."""
    return name[-1] in TEXT_TAKERS and (len(name) == 1 or name[-1] == "text" or name[0] in WRITTEN)


def _whole_affinity(tool: Tool, output: Schema, consumer: Tool, argument: Argument) -> float:
    prose, name = str(output.get("description", "")), _things(argument.name.rpartition(".")[2])
    if (domain(output) == "text" or content(prose) & TEXTS) and not name & TEXT_TAKERS:
        return 0.0
    described = _things(f"{tool.name} {first_sentence(tool.description)} {prose}")
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
    inputs = _things(" ".join(f"{a.name} {a.description}" for a in tool.arguments) + first_sentence(tool.description))
    kin = inputs.union(*(family for family in KIN if family & inputs))
    return 1.0 * bool(kin & (needed | name) - GENERIC)


def is_searched(argument: Argument) -> bool:
    """Whether a look-up searches by this argument: it is a required name or search text."""
    return argument.required and _words(argument.name)[-1] in SEARCHED | {"name"}


def _words(name: str) -> list[str]:
    """The words of a name, or the name itself if it has none (it is in another script)."""
    return words(name) or [name]


@lru_cache(maxsize=16384)
def _things(text: str) -> frozenset[str]:
    """What a text is about, without verb forms such as `created` and `sorted`."""
    return frozenset(word for word in content(text) if not word.endswith(("ed", "ing")))
