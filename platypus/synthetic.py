"""Random typed catalogues: what a base is trained on, so that it learns to *read* a catalogue.

A catalogue is about a few entities (tickets, flights, patients…) and has the families of tools that real ones have:
lists with filters, look-ups by name, the current one, similar ones, creating, changing, joining two, text work.
Naming style, descriptions (long, short, missing), domain types and output schemas vary from catalogue to catalogue.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

from platypus.catalogue import Argument, Catalogue, Tool
from platypus.literals import coined, plural, vocabulary, words

Definition = dict[str, Any]
Arguments = dict[str, tuple[Definition, bool]]  # name → schema, required


@dataclass(frozen=True)
class Entity:
    """What some tools are about: `ticket`, whose ids look like `TKT-12`."""

    noun: str
    prefix: str

    @property
    def many(self) -> str:
        return plural(self.noun)


@dataclass(frozen=True)
class _Style:
    """How one catalogue is written."""

    rng: Random
    case: str  # snake, camel
    typed: str  # formats, types, prose
    described: float  # share of descriptions present
    given: str  # how a description points to an argument: "the given", "a", "the"
    person: bool  # "Returns …" rather than "Return …"

    def name(self, *phrase: str) -> str:
        words = " ".join(phrase).split()
        if self.case == "camel":
            return words[0] + "".join(word.capitalize() for word in words[1:])
        return "_".join(words)

    def verb(self, *choices: str) -> str:
        """A description's verb: `Lists` or `List`."""
        verb = self.rng.choice(choices)
        if self.person:
            verb = (
                verb[:-1] + "ies" if verb.endswith("y") else verb + ("es" if verb.endswith(("s", "sh", "ch")) else "s")
            )
        return verb.capitalize()

    def id_of(self, entity: Entity) -> Definition:
        schema: Definition = {"type": "string"}
        if self.typed == "formats":
            schema["format"] = f"{entity.noun.replace(' ', '-')}-id"
        if entity.prefix and self.rng.random() < 0.6:
            schema["examples"] = [f"{entity.prefix}-{self.rng.randint(1, 999)}"]
        return schema

    def id_name(self, entity: Entity, *, many: bool = False) -> str:
        one = (f"{entity.noun} id", f"{entity.noun} id", entity.noun)
        return self.name(self.rng.choice((f"{entity.noun} ids", entity.many) if many else one))

    def output(self, schema: Definition, prose: str) -> Definition | None:
        if self.typed == "prose":
            return {"description": prose} if self.rng.random() < 0.8 else None
        return schema

    def tool(self, name: str, text: str, arguments: Arguments, output: Definition | None) -> Tool:
        said = self.rng.random() < self.described or len(words(name)) < 2
        made = tuple(Argument(key, schema, required) for key, (schema, required) in arguments.items())
        return Tool(name, re.sub(r"\b(a) (?=[aeio]|u(?!ser|ni))", r"\1n ", text) if said else "", made, output or {})

    def about(self, schema: Definition, *texts: str) -> Definition:
        """The schema with a description, in some catalogues and places."""
        if self.rng.random() < self.described * 0.8:
            return {**schema, "description": self.rng.choice(texts)}
        return schema


def random_catalogue(rng: Random, *, tools: int) -> Catalogue:
    """A catalogue of so many tools. Where its entities have no more to offer, it gets more of them."""
    lists = vocabulary()["catalogues"]
    style = _Style(
        rng,
        rng.choice(("snake", "snake", "camel")),
        rng.choice(("formats", "formats", "types", "prose")),
        rng.choice((0.0, 0.6, 1.0, 1.0, 1.0)),
        rng.choice(("the given", "the given", "a", "the", "the specified")),
        rng.random() < 0.7,
    )
    count = max(2, min(8, tools // 3 + rng.randint(0, 1)))
    entities = [Entity(noun, prefix) for noun, prefix in rng.sample(lists["entities"], count)]
    if rng.random() < 0.6:  # names that no other catalogue has: they can be read, not guessed
        entities = [Entity(coined(rng), rng.choice(("", entity.prefix))) for entity in entities]
    if rng.random() < 0.5:
        entities[0] = Entity("user", "USER")
    made: dict[str, Tool] = {}
    makers = [*FAMILIES, *rng.choices(FAMILIES, k=tools)]
    rng.shuffle(makers)
    makers = [_list, *makers]
    while len(made) < tools:
        if not makers:
            entities = [*entities[1:], Entity(coined(rng), rng.choice(("", entities[0].prefix)))]
            makers = rng.choices(FAMILIES, k=len(FAMILIES))
        tool = makers.pop(0)(style, entities)
        made.setdefault(tool.name, tool)
    order = list(made.values())
    rng.shuffle(order)
    return Catalogue(tuple(order))


# ---------------------------------------------------------------- the families of tools


def _list(style: _Style, entities: list[Entity]) -> Tool:
    rng, entity = style.rng, style.rng.choice(entities)
    verb = rng.choice(("list", "search", "find", "get", "query"))
    name = style.name(*((entity.many, "list") if rng.random() < 0.2 else (verb, entity.many)))
    if rng.random() < 0.08:
        name = f"{style.name(entity.many)}.{verb}"
    text = rng.choice(
        (
            f"{style.verb('return')} a list of {entity.many} matching the request",
            f"{style.verb('list')} {entity.many}",
            f"{style.verb('find', 'get')} {entity.many} that match the filters",
            f"{style.verb('search')} for {entity.many} by their properties",
        )
    )
    arguments = dict(_filters(style, entity, entities, rng.choice((1, 2, 3, 4, 6, 9, 12))))
    items = style.id_of(entity)
    output = style.output({"type": "array", "items": items}, f"list of {entity.many}")
    return style.tool(name, text, arguments, output)


def _filters(
    style: _Style, entity: Entity, entities: list[Entity], count: int
) -> Iterator[tuple[str, tuple[Definition, bool]]]:
    rng, lists = style.rng, vocabulary()["catalogues"]
    dot = f"{entity.noun.split()[-1]}." if rng.random() < 0.2 else ""
    many = rng.random() < 0.5
    for _ in range(count):
        kind = rng.choice(("enum", "person", "entity", "text", "number", "flag", "date", "enum", "person"))
        if kind == "enum":
            word, values = rng.choice(list(lists["enums"].items()))
            schema: Definition = {"type": "string", "enum": values}
            yield _filter(
                style, dot + style.name(word), schema, many, f"{entity.many} with any of the given {plural(word)}"
            )
        elif kind == "person":
            word = rng.choice(("owned by", "created by", "assigned to"))
            user = next((e for e in entities if e.noun in ("user", "employee", "contact")), Entity("user", "USER"))
            yield _filter(
                style, style.name(word), style.id_of(user), many, f"{entity.many} {word} any of these {user.many}"
            )
        elif kind == "entity":
            other = rng.choice(entities)
            link = rng.choice(("associated with", "belonging to", "related to", "for"))
            text = f"{entity.many} {link} any of the provided {other.many}"
            yield _filter(style, style.name(other.many if many else other.noun), style.id_of(other), many, text)
        elif kind == "text":
            word = rng.choice(lists["texts"])
            yield _filter(
                style, dot + style.name(word), {"type": "string"}, many, f"{entity.many} in the provided {plural(word)}"
            )
        else:
            yield _plain_filter(style, entity, kind)


def _filter(style: _Style, name: str, schema: Definition, many: bool, text: str) -> tuple[str, tuple[Definition, bool]]:
    schema = {"type": "array", "items": schema, "uniqueItems": True} if many else schema
    text = text if many else text.replace("any of these", "one of the").replace("any of the", "one of the")
    return name, (style.about(schema, f"Filters for {text}", text, f"Only {text}"), False)


def _plain_filter(style: _Style, entity: Entity, kind: str) -> tuple[str, tuple[Definition, bool]]:
    word = style.rng.choice(vocabulary()["catalogues"][f"{kind}s"])
    kinds: dict[str, tuple[Definition, str]] = {
        "number": ({"type": "integer", "minimum": 1}, f"the {word} of {entity.many}"),
        "flag": ({"type": "boolean"}, f"{entity.many} that are or are not: {word}"),
        "date": ({"type": "string", "format": "date"}, f"only {entity.many} with this {word}"),
    }
    return style.name(word), (style.about(*kinds[kind]), False)


def _details(style: _Style, entities: list[Entity]) -> Tool:
    entity, other = style.rng.choice(entities), style.rng.choice(entities)
    person = style.rng.choice(vocabulary()["catalogues"]["people"])
    fields = {
        style.name(f"{person} id"): style.id_of(Entity("user", "USER")),
        style.name(f"{other.noun} id"): style.id_of(other),
        "title": {"type": "string"},
        "email": {"type": "string", "format": "email"},
    }
    kept = dict(style.rng.sample(sorted(fields.items()), style.rng.randint(1, 3)))
    text = f"{style.verb('return', 'get', 'show', 'retrieve')} the details of {style.given} {entity.noun}"
    output = style.output({"type": "object", "properties": kept}, f"details of the {entity.noun}")
    name = style.name(
        style.rng.choice(("get", "show", "fetch")), entity.noun, style.rng.choice(("details", "info", ""))
    )
    return style.tool(name, text, {style.id_name(entity): (style.id_of(entity), True)}, output)


def _similar(style: _Style, entities: list[Entity]) -> Tool:
    entity = style.rng.choice(entities)
    adjective = style.rng.choice(("similar", "related"))
    text = style.rng.choice(
        (
            f"{style.verb('return')} a list of {entity.many} that are {adjective} to {style.given} {entity.noun}",
            f"{style.verb('find')} {entity.many} {adjective} to {style.given} {entity.noun}",
        )
    )
    name = style.name(style.rng.choice(("get", "find", "list")), adjective, entity.many)
    argument = style.about(style.id_of(entity), f"The {entity.noun} to compare with", f"The ID of the {entity.noun}")
    output = style.output({"type": "array", "items": style.id_of(entity)}, f"list of {entity.many}")
    return style.tool(name, text, {style.id_name(entity): (argument, True)}, output)


def _current(style: _Style, entities: list[Entity]) -> Tool:
    entity = style.rng.choice(entities)
    word = style.rng.choice(("current", "current", "active", "latest"))
    text = f"{style.verb('return', 'get', 'tell')} the {style.rng.choice(('ID', 'id'))} of the {word} {entity.noun}"
    names: tuple[tuple[str, ...], ...] = (("get", word, entity.noun), ("get", word, entity.noun, "id"))
    names = (*names, (word, entity.noun))
    if entity.noun == "user":
        names = (*names, ("who am i",))
    output = style.output(style.id_of(entity), f"ID of the {word} {entity.noun}")
    return style.tool(style.name(*style.rng.choice(names)), text, {}, output)


def _lookup(style: _Style, entities: list[Entity]) -> Tool:
    entity = style.rng.choice(entities)
    noun = entity.noun if style.rng.random() < 0.75 else "object"
    argument = style.rng.choice(("name", "query", "name"))
    text = style.rng.choice(
        (
            f"Given a search string, returns the id of a matching {noun}",
            f"{style.verb('find', 'return')} the id of the {noun} with the given {argument}",
            f"{style.verb('look')} up a {noun} by name",
        )
    )
    name = style.name(
        style.rng.choice(("search", "find", "get", "lookup")), noun, *(("by name",) if style.rng.random() < 0.7 else ())
    )
    given = style.about(
        {"type": "string"}, f"The search string, for example a {entity.noun}'s name", f"name of the {noun}"
    )
    schema = style.id_of(entity) if noun == entity.noun else {"type": "string"}
    return style.tool(name, text, {argument: (given, True)}, style.output(schema, f"id of the matching {noun}"))


def _create(style: _Style, entities: list[Entity]) -> Tool:
    rng, entity, other = style.rng, style.rng.choice(entities), style.rng.choice(entities)
    arguments: dict[str, tuple[Definition, bool]] = {
        rng.choice(("title", "name", "subject")): (
            style.about({"type": "string"}, f"The title of the {entity.noun}"),
            True,
        )
    }
    if rng.random() < 0.5:
        word, values = rng.choice(list(vocabulary()["catalogues"]["enums"].items()))
        arguments[word] = (style.about({"type": "string", "enum": values}, f"The {word}"), False)
    if rng.random() < 0.5 and other != entity:
        arguments[style.id_name(other)] = (style.id_of(other), rng.random() < 0.5)
    verb = rng.choice(("create", "create", "add", "open", "register"))
    text = f"{style.verb(verb)} a new {entity.noun}"
    return style.tool(
        style.name(verb, entity.noun),
        text,
        arguments,
        style.output(style.id_of(entity), f"id of the new {entity.noun}"),
    )


def _act(style: _Style, entities: list[Entity]) -> Tool:
    rng, entity = style.rng, style.rng.choice(entities)
    verb = rng.choice(
        ("close", "delete", "cancel", "archive", "approve", "publish", "restart", "track", "start", "lock")
    )
    many = rng.random() < 0.3
    noun = entity.many if many else entity.noun
    schema = {"type": "array", "items": style.id_of(entity)} if many else style.id_of(entity)
    text = f"{style.verb(verb)} {'the given' if many else style.given} {noun}"
    argument = style.about(schema, f"The {noun} to {verb}")
    return style.tool(
        style.name(verb, noun), text, {style.id_name(entity, many=many): (argument, True)}, {"type": "null"}
    )


def _set(style: _Style, entities: list[Entity]) -> Tool:
    rng, entity = style.rng, style.rng.choice(entities)
    word, values = rng.choice(list(vocabulary()["catalogues"]["enums"].items()))
    verb = rng.choice(("set", "update", "change"))
    text = f"{style.verb(verb)} the {word} of {style.given} {entity.noun}"
    value = style.about({"type": "string", "enum": values}, f"The new {word}")
    arguments = {style.id_name(entity): (style.id_of(entity), True), style.name(word): (value, True)}
    return style.tool(style.name(verb, entity.noun, word), text, arguments, {"type": "null"})


def _join(style: _Style, entities: list[Entity]) -> Tool:
    rng = style.rng
    entity, other = rng.sample(entities, 2)
    verb, preposition = rng.choice(
        (("add", "to"), ("assign", "to"), ("move", "to"), ("link", "to"), ("attach", "to"), ("share", "with"))
    )
    many = rng.random() < 0.6
    noun = entity.many if many else entity.noun
    schema = {"type": "array", "items": style.id_of(entity)} if many else style.id_of(entity)
    given = "the given" if many else style.given
    text = f"{style.verb(verb)} {given} {noun} {preposition} {rng.choice(('the', 'a', 'the given'))} {other.noun}"
    arguments = {
        style.id_name(entity, many=many): (style.about(schema, f"The {noun} to {verb}"), True),
        style.id_name(other): (style.about(style.id_of(other), f"The ID of the {other.noun}"), True),
    }
    return style.tool(style.name(verb, noun, preposition, other.noun), text, arguments, {"type": "null"})


def _objects(style: _Style, entity: Entity, text: str) -> tuple[str, tuple[Definition, bool]]:
    """A list argument of one entity, or of objects of any kind."""
    if style.typed == "formats" or style.rng.random() < 0.5:
        return style.id_name(entity, many=True), (
            style.about({"type": "array", "items": style.id_of(entity)}, text),
            True,
        )
    return style.rng.choice(("objects", "items")), (
        style.about({"type": "array", "items": {"type": "object"}}, text),
        True,
    )


def _digest(style: _Style, entities: list[Entity]) -> Tool:
    rng, entity = style.rng, style.rng.choice(entities)
    verb = rng.choice(("summarize", "summarize", "describe", "analyze", "compare"))
    name, argument = _objects(style, entity, f"List of {entity.many} to {verb}")
    noun = entity.many if name not in ("objects", "items") else name
    text = rng.choice((f"{style.verb(verb)} a list of {noun}", f"{style.verb(verb)} {noun} in a short text"))
    result = "summary" if verb == "summarize" else "text"
    return style.tool(
        style.name(verb, noun), text, {name: argument}, style.output({"type": "string", "format": "text"}, result)
    )


def _rank(style: _Style, entities: list[Entity]) -> Tool:
    rng, entity = style.rng, style.rng.choice(entities)
    verb = rng.choice(("prioritize", "rank", "sort", "filter"))
    name, argument = _objects(style, entity, f"A list of {entity.many} to be sorted")
    noun = entity.many if name not in ("objects", "items") else name
    text = rng.choice(
        (f"Returns a list of {noun} sorted by priority", f"{style.verb(verb)} {noun}, the most urgent first")
    )
    output = style.output({"type": "array", "items": style.id_of(entity)}, f"list of {noun} sorted by priority")
    return style.tool(style.name(verb, noun), text, {name: argument}, output)


def _from_text(style: _Style, entities: list[Entity]) -> Tool:
    rng, entity = style.rng, style.rng.choice(entities)
    verb = rng.choice(("create", "extract"))
    text = rng.choice(
        (f"{style.verb(verb)} {entity.many} from {style.given} text", f"Given a text, {verb}s {entity.many} from it")
    )
    argument = style.about({"type": "string", "format": "text"}, f"The text from which the {entity.many} are taken")
    output = style.output({"type": "array", "items": style.id_of(entity)}, f"list of new {entity.many}")
    return style.tool(style.name(verb, entity.many, "from text"), text, {"text": (argument, True)}, output)


def _say(style: _Style, entities: list[Entity]) -> Tool:
    rng, entity = style.rng, style.rng.choice(entities)
    verb, key = rng.choice((("send", "message"), ("post", "message"), ("add", "comment"), ("send", "email")))
    body = rng.choice(("text", "body", "content", key))
    arguments = {
        body: (style.about({"type": "string", "format": "text"}, f"The text of the {key}"), True),
        style.id_name(entity): (style.about(style.id_of(entity), f"The {entity.noun} that gets the {key}"), True),
    }
    text = f"{style.verb(verb)} a {key} to {style.given} {entity.noun}"
    return style.tool(style.name(verb, key, "to", entity.noun), text, arguments, {"type": "null"})


def _translate(style: _Style, entities: list[Entity]) -> Tool:
    languages = vocabulary()["catalogues"]["enums"]["language"]
    arguments = {
        "text": (style.about({"type": "string", "format": "text"}, "The text to translate"), True),
        "language": (style.about({"type": "string", "enum": languages}, "The language to translate to"), True),
    }
    output = style.output({"type": "string", "format": "text"}, "text in the other language")
    return style.tool(style.name("translate text"), f"{style.verb('translate')} a text", arguments, output)


FAMILIES: tuple[Callable[[_Style, list[Entity]], Tool], ...] = (
    *(_list, _details, _similar, _current, _lookup, _create, _act),
    *(_set, _join, _digest, _rank, _from_text, _say, _translate),
)
